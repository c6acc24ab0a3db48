"""Scores after a fit of the colours: what is left of an error once exposure and white balance are explained.

A model of photos whose exposures differ can match each of them in one exposure only. The fit takes its three
colours and a constant to the photo's by least squares, which also hides true errors of colour: such scores
are named ``..._aligned``, and never take the place of the plain ones.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.evaluation.metrics import Image, Mask, psnr, ssim


def align_colors(image: Image, truth: Image, mask: Mask = None) -> Image:
    """Return an image in the colours of a photo, by the affine map of its colours that fits best.

    Args:
        image: sRGB.
        truth: sRGB of the photo.
        mask: Which pixels are fitted; None for all of them.

    Returns:
        sRGB, not clamped.
    """
    values = _with_constant(image.double())
    chosen, wanted = values.reshape(-1, 4), truth.double().reshape(-1, 3)
    if mask is not None:
        chosen, wanted = chosen[mask.reshape(-1)], wanted[mask.reshape(-1)]
    # By normal equations: four unknowns, and memory for no second copy of the picture. The pseudo-inverse
    # takes the smallest solution where colours don't determine one, as in a picture of a single colour.
    fit = torch.linalg.pinv(chosen.T @ chosen, hermitian=True) @ (chosen.T @ wanted)
    return (values @ fit).to(image.dtype)


def aligned_metrics(image: Image, truth: Image, mask: Mask = None) -> dict[str, float | None]:
    """Return the colour-aligned scores of an image, by their names in ``metrics.json``.

    Args:
        image: sRGB.
        truth: sRGB of the photo.
        mask: Which pixels count; None for all of them.
    """
    aligned = align_colors(image, truth, mask)
    return {"psnr_aligned": psnr(aligned, truth, mask), "ssim_aligned": ssim(aligned, truth, mask=mask)}


def _with_constant(image: Float[Tensor, "height width 3"]) -> Float[Tensor, "height width 4"]:
    return torch.cat([image, torch.ones_like(image[..., :1])], dim=-1)
