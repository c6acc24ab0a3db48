"""Scores against the truth of a rendered scene: normals, the diffuse part, highlights. Pure functions.

Normals are scored in degrees, weighted by the accumulated opacity of the pixel, as in Ref-NeRF (Verbin et
al. 2022; ``compute_weighted_mae`` in the authors' code): the mean is sum(acc * angle) / sum(acc). Median and
shares take the same weights; the limits of the shares are those of Fouhey et al. 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from normnex_pl.core.truth import ViewTruth
from normnex_pl.core.types import Camera, View
from normnex_pl.data.truth import LABELS
from normnex_pl.evaluation.metrics import mse_to_psnr
from normnex_pl.geometry.cameras import image_rays
from normnex_pl.geometry.plane_sweep import QuantileOfPhotos, colors_at

# A pixel is a highlight if the specular part adds more than this to its sRGB value, on the mean of the
# channels. In the demo's views these are 12 % of the pixels: 6 % on the mirror, 4 % on glossy objects, 2 to
# 3 % on the table. On glossy objects the share hardly depends on the threshold from 0.15 to 0.3 (19 to 14 %
# of them). At 0.1 the table's broad sheen is included, a third of the table.
HIGHLIGHT_THRESHOLD = 0.2

# A surface has a diffuse part if the true one is brighter than this, on the mean of the channels (sRGB).
_LEAST_DIFFUSE = 0.01

SHARES_DEG = (11.25, 22.5, 30.0)
REGIONS = {"all": tuple(LABELS.values()), "objects": (LABELS["glossy"],)} | {
    name: (LABELS[name],) for name in ("mirror", "table", "wall")
}
# 100 dB: the PSNR of equal images is infinite, which JSON can't store.
_LEAST_MSE = 1e-10

Normals = Float[Tensor, "height width 3"]
Mask = Bool[Tensor, "height width"]
RegionScores = dict[str, dict[str, float] | None]


def angles_deg(a: Float[Tensor, "*pixel 3"], b: Float[Tensor, "*pixel 3"]) -> Float[Tensor, "*pixel"]:
    """Return the angles between unit vectors in degrees; 90 where one of them is zero, that is, missing.

    By the half angle (Kahan), tan(x/2) = |a - b| / |a + b|: accurate near 0 and 180 degrees too, where the
    error of a float32 arc cosine reaches 0.03 degrees.
    """
    return torch.rad2deg(2 * torch.atan2((a - b).norm(dim=-1), (a + b).norm(dim=-1)))


def rotate_to_camera(normals: Normals, camera: Camera) -> Normals:
    """Turn vectors of the reference frame into a camera's axes: R^T n, with R the rotation of ``c2w``.

    A sum of products instead of ``@``, which mixed precision would round to bf16.
    """
    return (camera.c2w[:, :3] * normals[..., :, None]).sum(dim=-2)


def normal_scores(normals: Normals, truth: ViewTruth, weights: Float[Tensor, "height width"]) -> RegionScores:
    """Score normals in each of the `REGIONS`; see the module's docstring for the weighting.

    Args:
        normals: Unit vectors in the view's camera axes; the error of a zero vector is 90 degrees.
        truth: The truth about the view.
        weights: Accumulated opacity.

    Returns:
        For each region its ``mean`` and ``median`` in degrees, and the shares ``under_11.25``, ``under_22.5``
        and ``under_30`` in [0, 1]; None if the region has no pixel, or none with any weight.
    """
    angles = angles_deg(normals, truth.normals)
    scores: RegionScores = {}
    for name, labels in REGIONS.items():
        inside = labelled(truth, labels)
        scores[name] = _weighted_statistics(angles[inside], weights[inside])
    return scores


def _weighted_statistics(
    angles: Float[Tensor, "pixel"], weights: Float[Tensor, "pixel"]
) -> dict[str, float] | None:
    """Return the mean, median (the smallest angle with half of the weight at or below it) and shares."""
    ordered, order = angles.sort()
    # In float64: float32 sums of a million weights would lose the small ones.
    below = weights[order].double().cumsum(dim=0)
    if not len(below) or below[-1] <= 0:
        return None
    shares = weights[order].double() / below[-1]
    half = int((below < below[-1] / 2).sum())
    return {
        "mean": float((shares * ordered).sum()),
        "median": float(ordered[half]),
        **{f"under_{limit:g}": float(shares[ordered < limit].sum()) for limit in SHARES_DEG},
    }


def constant_normals(camera: Camera) -> Normals:
    """Return (0, 0, -1) of the reference frame, which faces the reference camera, in the axes of a camera."""
    facing = camera.c2w.new_tensor([0, 0, -1]).expand(camera.height, camera.width, 3)
    return rotate_to_camera(facing, camera)


def viewdir_normals(camera: Camera) -> Normals:
    """Return the directions from the surfaces to the camera, in its own axes."""
    return rotate_to_camera(-image_rays(camera).viewdirs, camera)


def labelled(truth: ViewTruth, labels: tuple[int, ...]) -> Mask:
    """Mark the pixels that have one of some labels."""
    return torch.isin(truth.mask, truth.mask.new_tensor(labels))


def highlight_mask(truth: ViewTruth) -> Mask:
    """Mark the pixels that the specular part brightens by more than `HIGHLIGHT_THRESHOLD`."""
    return truth.specular.mean(dim=-1) > HIGHLIGHT_THRESHOLD


def masked_psnr(
    image: Float[Tensor, "height width 3"], truth: Float[Tensor, "height width 3"], mask: Mask
) -> float | None:
    """Return the PSNR in dB over some pixels, data range 1, at most 100 dB; None without any pixel."""
    if not mask.any():
        return None
    mse = (image[mask].clamp(0, 1) - truth[mask]).square().mean()
    return float(mse_to_psnr(mse.clamp(min=_LEAST_MSE)))


def predicted_to_target(rendered: dict[str, Tensor]) -> float | None:
    """Return the mean angle in degrees between predicted and estimated normals, weighted by acc.

    Returns:
        None if the model lacks either, or nothing is covered.
    """
    if "normals" not in rendered or "target_normals" not in rendered:
        return None
    acc = rendered["acc"]
    total = (acc * angles_deg(rendered["normals"], rendered["target_normals"])).sum()
    return float(total / acc.sum()) if acc.sum() > 0 else None


def darkest_photos_psnr(
    views: Sequence[View], view: View, truth: ViewTruth, depth_unit: float
) -> float | None:
    """Return the score of a diffuse part that is as dark as the photos of the true surfaces allow.

    Each surface point gets the first decile of its colours in the photos, channel by channel: highlights only
    add light, so that the diffuse part can't be brighter than the darkest photo. A decile instead of the
    minimum, since some photos show something else in front of a point.

    Args:
        views: The training views, on the device of ``view``.
        view: The view to score.
        truth: The truth about it.
        depth_unit: Length of the truth's unit of depth in the world of the views.

    Returns:
        The PSNR over the surfaces that have a diffuse part; None if there are none.
    """
    rays = image_rays(view.camera)
    points = rays.origins + (depth_unit * truth.depth)[..., None] * rays.directions
    darkest = colors_at(views, points, QuantileOfPhotos(0.1))
    return masked_psnr(darkest, truth.diffuse, diffuse_mask(truth) & counting(view))


def counting(view: View) -> Mask:
    """Mark the pixels of a view that count; see `View.mask`."""
    everything = torch.ones(view.image.shape[:2], dtype=torch.bool, device=view.image.device)
    return everything if view.mask is None else view.mask


def diffuse_mask(truth: ViewTruth) -> Mask:
    """Mark the pixels whose surface has a diffuse part."""
    return truth.diffuse.mean(dim=-1) > _LEAST_DIFFUSE


def truth_scores(rendered: dict[str, Tensor], view: View, truth: ViewTruth) -> dict[str, Any]:
    """Return all scores of one view against the truth, over the pixels that count.

    Args:
        rendered: ``rgb``, ``diffuse`` and ``acc`` of the view, and, where the model has them, ``normals``
            (predicted) and ``target_normals`` (estimated from the geometry), ``[height width 3]`` in the
            reference frame: unit vectors where anything covers the pixel, else zero.
        view: The photo and its camera, on the device of ``rendered``.
        truth: The truth about the view, on the same device.

    Returns:
        ``diffuse_psnr`` over all pixels, including those whose true diffuse part is black (mirror, metal):
        a reflection that a model paints into its base colour is an error of the decomposition.
        ``diffuse_psnr_lobe`` over the surfaces that have a diffuse part, and ``photo_diffuse_psnr_lobe``,
        the score of the unchanged photo there.
        ``highlight_psnr`` of the full colour against the photo, in the `highlight_mask`.
        `normal_scores` of ``normals`` and ``target_normals``, None without them, and of two baselines that
        need no learning, ``normals_constant`` and ``normals_viewdir``.
    """
    camera, diffuse = view.camera, rendered["diffuse"]
    counts = counting(view)
    lobe, acc = diffuse_mask(truth) & counts, rendered["acc"] * counts
    scores: dict[str, Any] = {
        "diffuse_psnr": masked_psnr(diffuse, truth.diffuse, counts),
        "diffuse_psnr_lobe": masked_psnr(diffuse, truth.diffuse, lobe),
        "photo_diffuse_psnr_lobe": masked_psnr(view.rgb, truth.diffuse, lobe),
        "highlight_psnr": masked_psnr(rendered["rgb"], view.rgb, highlight_mask(truth) & counts),
    }
    for key in ("normals", "target_normals"):
        normals = rendered.get(key)
        in_camera = None if normals is None else rotate_to_camera(normals, camera)
        scores[key] = None if in_camera is None else normal_scores(in_camera, truth, acc)
    scores["normals_constant"] = normal_scores(constant_normals(camera), truth, acc)
    scores["normals_viewdir"] = normal_scores(viewdir_normals(camera), truth, acc)
    return scores
