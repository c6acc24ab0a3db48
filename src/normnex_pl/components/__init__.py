"""Parts of the appearance model: colour, basis functions, encodings."""

from normnex_pl.components.basis import Basis, NeuralBasis
from normnex_pl.components.color import ColorModel, RGBColor

__all__ = ["Basis", "ColorModel", "NeuralBasis", "RGBColor"]
