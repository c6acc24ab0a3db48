"""Scores of a held-out view: what metrics.json says of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torch import Tensor

from normnex_pl.core.types import Scene, View, ViewTruth
from normnex_pl.evaluation.metrics import image_metrics, psnr
from normnex_pl.evaluation.specular_variation import specular_variation
from normnex_pl.evaluation.truth_scores import darkest_photos_psnr, predicted_to_target, truth_scores


def judge(rendered: dict[str, Tensor], view: View, truth: ViewTruth | None, scene: Scene) -> dict[str, Any]:
    """What ``metrics.json`` says of one view; ``truth`` is None where the scene has none about it.

    ``psnr_flat_normals`` is the PSNR with all normals at (0, 0, -1), if colours are looked up by them: as
    high as the other, it shows that they aren't used. ``normal_target_deg`` is the mean angle from
    predicted normals to estimated ones.
    """
    flat = rendered.get("rgb_flat_normals")
    return {
        "name": view.name,
        **image_metrics(rendered["rgb"], view.rgb),
        "psnr_flat_normals": None if flat is None else psnr(flat, view.rgb),
        "normal_target_deg": predicted_to_target(rendered),
        "truth": None if truth is None else _judge_truth(rendered, view, truth, scene),
    }


def _judge_truth(rendered: dict[str, Tensor], view: View, truth: ViewTruth, scene: Scene) -> dict[str, Any]:
    device = view.image.device
    truth = truth.to(device)
    photos = [scene.views[i].to(device) for i in scene.train]
    darkest = darkest_photos_psnr(photos, view, truth, depth_unit(scene))
    return truth_scores(rendered, view, truth) | {"darkest_photos_diffuse_psnr_lobe": darkest}


def depth_unit(scene: Scene) -> float:
    """Length of the unit of a scene's own files in the world of the loaded scene."""
    return 1 / float(scene.source_from_world[:3, 0].norm())


def judge_variation(
    speculars: list[Tensor], truths: list[ViewTruth | None], scene: Scene
) -> dict[str, Any] | None:
    """What ``metrics.json`` says of the held-out views' gloss; None unless the scene has the truth of all."""
    views = [scene.views[i] for i in scene.test]
    known = [truth for truth in truths if truth is not None]
    if len(known) < len(views):
        return None
    variation = specular_variation(speculars, views, known, depth_unit(scene))
    return None if variation is None else asdict(variation)
