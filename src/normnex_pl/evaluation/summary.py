"""Summarise the held-out views: means over all of them, and what only several views together show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from normnex_pl.core.types import Scene
from normnex_pl.evaluation.specular_variation import specular_variation
from normnex_pl.evaluation.view_scores import ViewResult, depth_unit

# The means in ``metrics.json``, and the path of keys to the value in a view's scores. Normals matter most on
# the glossy objects, where highlights are looked up by them.
_MEANS: dict[str, tuple[str, ...]] = {
    "psnr": ("psnr",),
    "ssim": ("ssim",),
    "ssim_nex": ("ssim_nex",),
    "lpips_vgg": ("lpips_vgg",),
    "psnr_aligned": ("psnr_aligned",),
    "ssim_aligned": ("ssim_aligned",),
    "psnr_flat_normals": ("psnr_flat_normals",),
    "normal_target_deg": ("normal_target_deg",),
    "diffuse_psnr": ("truth", "diffuse_psnr"),
    "diffuse_psnr_lobe": ("truth", "diffuse_psnr_lobe"),
    "darkest_photos_diffuse_psnr_lobe": ("truth", "darkest_photos_diffuse_psnr_lobe"),
    "highlight_psnr": ("truth", "highlight_psnr"),
    "normal_mae_deg": ("truth", "normals", "objects", "mean"),
    "normal_mae_deg_table": ("truth", "normals", "table", "mean"),
    "normal_mae_deg_mirror": ("truth", "normals", "mirror", "mean"),
    "normal_mae_deg_wall": ("truth", "normals", "wall", "mean"),
    "target_mae_deg": ("truth", "target_normals", "objects", "mean"),
    "target_mae_deg_table": ("truth", "target_normals", "table", "mean"),
}


def summarise(results: Sequence[ViewResult]) -> dict[str, Any]:
    """Return the scores in ``metrics.json``: ``views``, and their means ``test``."""
    views = [result.scores for result in results]
    return {"test": {name: mean_of(views, path) for name, path in _MEANS.items()}, "views": views}


def summarise_variation(results: Sequence[ViewResult], scene: Scene) -> dict[str, Any] | None:
    """Return the entry of the specular part's variation in ``metrics.json``.

    Args:
        results: Of all held-out views, in the order of the scene.
        scene: The scene of the views.

    Returns:
        None unless the truth of all views is known.
    """
    views = [scene.views[i] for i in scene.test]
    truths = [result.truth for result in results if result.truth is not None]
    if len(truths) < len(views):
        return None
    variation = specular_variation([result.specular for result in results], views, truths, depth_unit(scene))
    return None if variation is None else asdict(variation)


def mean_of(views: Sequence[dict[str, Any]], path: Sequence[str]) -> float | None:
    """Return the mean over the views of the value at a path of keys.

    Returns:
        None if a view lacks the value, or a dictionary on the way to it: a mean over some of the views would
        mislead.
    """
    values: list[float] = []
    for view in views:
        value: Any = view
        for key in path:
            value = None if value is None else value[key]
        if value is None:
            return None
        values.append(value)
    return sum(values) / len(values) if values else None
