"""Rendering of fields that are textures, by a kernel that stores nothing for each plane."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.rendering import FieldTextures
from normnex_pl.kernels.rasterizer import composite_textures
from normnex_pl.model.compositing import LEAST_TRANSPARENCY, mean_depth
from normnex_pl.model.fields.base import ALPHA_OFFSET


def rasterize(
    textures: FieldTextures,
    specular: Float[Tensor, "ray layer 3"],
    lines: Float[Tensor, "6 ray"],
    depths: Float[Tensor, "plane"],
    opaque_last: bool,
) -> dict[str, Tensor]:
    """Composite the colours and the geometry of planes, as `composite_shaded` does with values of each plane.

    Args:
        textures: On a CUDA device.
        specular: Specular parts of the layers, added to the base colours before these are clamped to [0, 1].
        lines: See `canvas_lines`.
        depths: Depths of the planes in world units.
        opaque_last: See `Background`.

    Returns:
        ``rgb``, ``acc``, ``depth``, ``disparity``, ``diffuse``, ``spread`` and ``layer_weights`` as in
        `RenderOutput`; ``depth`` and ``diffuse`` without gradients.
    """
    raw = textures.alpha, textures.base_color
    constants = ALPHA_OFFSET, LEAST_TRANSPARENCY
    sums, layers = composite_textures(*raw, specular, lines, 1 / depths, *constants, opaque_last)
    return {
        "rgb": sums[:3].T,
        "acc": sums[3],
        "depth": mean_depth(sums[7], sums[3], depths).detach(),
        "disparity": sums[4],
        "diffuse": sums[8:].T.detach(),
        "spread": sums[5],
        "layer_weights": layers.T,
    }
