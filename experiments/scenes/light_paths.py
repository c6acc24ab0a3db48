"""Lengths of light paths, which the photo and its diffuse part share."""

MAX_DEPTH = 8  # segments of a light path
ROULETTE_DEPTH = 99  # never: paths of the diffuse part and of the photo must end alike
