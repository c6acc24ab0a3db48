"""Where light paths end, for the photo and its diffuse part alike."""

MAX_DEPTH = 8  # segments of a light path
ROULETTE_DEPTH = 99  # never: a path must not end for other reasons in the diffuse part than in the photo
