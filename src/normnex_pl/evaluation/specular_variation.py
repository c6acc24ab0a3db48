"""Variation of the specular part over the views, at fixed points: whether highlights move as they should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.truth import ViewTruth
from normnex_pl.core.types import View
from normnex_pl.geometry.cameras import image_rays, project, sample_image

# A point's specular part varies if its true value deviates by more than this from its mean over the views.
VARYING = 0.05
# A point is visible in a view if its depth differs from that of the surface there by less than this share.
_SAME_SURFACE = 0.01


@dataclass(frozen=True)
class SpecularVariation:
    """Deviations of the specular part (mean of its sRGB channels) from its mean over the views.

    Attributes:
        true_std: Root mean square of the true deviations, over the points whose specular part varies.
        std: Root mean square of the rendered deviations over the same points.
        correlation: Pearson correlation of rendered and true deviations there; None if nothing deviates.
        steady_std: Root mean square of the rendered deviations where the true specular part hardly varies.
    """

    true_std: float
    std: float
    correlation: float | None
    steady_std: float


def specular_variation(
    speculars: Sequence[Float[Tensor, "height width 3"]],
    views: Sequence[View],
    truths: Sequence[ViewTruth],
    depth_unit: float,
) -> SpecularVariation | None:
    """Measure the specular part at the surface points that the first view shows, over all views.

    Points that are hidden in a view or lie outside of it are left out.

    Args:
        speculars: Rendered specular parts of the views.
        views: The views, with cameras in the world of the loaded scene.
        truths: The truth about each view.
        depth_unit: Length of the truth's unit of depth in that world.

    Returns:
        None if there are fewer than two views, or no point varies.
    """
    if len(views) < 2:
        return None
    rays = image_rays(views[0].camera)
    points = rays.origins + (depth_unit * truths[0].depth)[..., None] * rays.directions
    rendered, true = _follow(points, speculars, views, truths, depth_unit)
    rendered, true = rendered - rendered.mean(dim=0), true - true.mean(dim=0)
    varies = true.square().mean(dim=0).sqrt() > VARYING
    if not varies.any():
        return None
    steady = rendered[:, ~varies]
    return SpecularVariation(
        true_std=_rms(true[:, varies]),
        std=_rms(rendered[:, varies]),
        correlation=_correlation(rendered[:, varies], true[:, varies]),
        steady_std=_rms(steady) if steady.numel() else 0.0,
    )


def _follow(
    points: Float[Tensor, "height width 3"],
    speculars: Sequence[Float[Tensor, "height width 3"]],
    views: Sequence[View],
    truths: Sequence[ViewTruth],
    depth_unit: float,
) -> tuple[Float[Tensor, "view point"], Float[Tensor, "view point"]]:
    """Return the rendered and the true specular part of the points that all views see."""
    visible = torch.ones_like(points[..., 0], dtype=torch.bool)
    seen = []
    for specular, view, truth in zip(speculars, views, truths, strict=True):
        maps = [specular.mean(dim=-1), truth.specular.mean(dim=-1), depth_unit * truth.depth]
        found, inside = sample_image(torch.stack(maps, dim=-1), view.camera, points)
        here = project(view.camera, points)[..., 2]
        visible &= inside & ((found[..., 2] / here - 1).abs() < _SAME_SURFACE)
        seen.append(found[..., :2])
    rendered, true = rearrange(torch.stack(seen)[:, visible], "view point kind -> kind view point").double()
    return rendered, true


def _rms(values: Float[Tensor, "view point"]) -> float:
    """Return the root mean square."""
    return float(values.square().mean().sqrt())


def _correlation(a: Float[Tensor, "view point"], b: Float[Tensor, "view point"]) -> float | None:
    """Return the correlation of deviations, which have mean zero already."""
    norms = float(a.norm() * b.norm())
    return float((a * b).sum()) / norms if norms > 0 else None
