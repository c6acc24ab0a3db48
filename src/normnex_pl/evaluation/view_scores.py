"""Evaluate a held-out view: scores, pictures, and what the summary of all views needs of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.truth import ViewTruth
from normnex_pl.core.types import MPIGeometry, Scene, View
from normnex_pl.evaluation.alignment import aligned_metrics
from normnex_pl.evaluation.baselines import best_plane_warp_psnr, nearest_training_view
from normnex_pl.evaluation.metrics import image_metrics, psnr
from normnex_pl.evaluation.pictures.components import photo_panels
from normnex_pl.evaluation.pictures.sheet import Panel
from normnex_pl.evaluation.truth_scores import darkest_photos_psnr, predicted_to_target, truth_scores


@dataclass(frozen=True)
class ViewResult:
    """The evaluation of one held-out view; all tensors are on the CPU.

    Attributes:
        scores: The view's entry in ``metrics.json``.
        panels: The rendered view, the photo and their difference.
        warp: PSNR of the nearest training photo, warped through the single plane that fits the view best.
        specular: What the model adds to the diffuse part.
        truth: What the scene knows of the view; None for nothing.
    """

    scores: dict[str, Any]
    panels: Sequence[Panel]
    warp: float
    specular: Float[Tensor, "height width 3"]
    truth: ViewTruth | None


def evaluate_view(
    rendered: dict[str, Tensor], view: View, truth: ViewTruth | None, scene: Scene, geometry: MPIGeometry
) -> ViewResult:
    """Evaluate what a model has rendered of a held-out view.

    Args:
        rendered: Components of the view, as of `MPI.render_image`, with ``target_normals`` and
            ``rgb_flat_normals`` where the model has normals.
        view: The photo and its camera, on the device of ``rendered``.
        truth: What the scene knows of the view; None for nothing.
        scene: Has the training photos.
        geometry: Its depth range bounds the planes of the warped photo.
    """
    source = nearest_training_view(scene, view.camera).to(view.image.device)
    return ViewResult(
        scores=view_scores(rendered, view, truth, scene),
        panels=photo_panels(rendered["rgb"], view),
        warp=best_plane_warp_psnr(source, view, geometry.near, geometry.far),
        specular=rendered["specular"].cpu(),
        truth=truth,
    )


def view_scores(
    rendered: dict[str, Tensor], view: View, truth: ViewTruth | None, scene: Scene
) -> dict[str, Any]:
    """Return the entry of a view in ``metrics.json``; see `evaluate_view` for the arguments.

    ``psnr_flat_normals`` is the PSNR with all normals at (0, 0, -1), if colours are looked up by them: as
    high as ``psnr``, it shows that the normals aren't used. ``normal_target_deg`` is the mean angle between
    predicted and estimated normals. ``masked`` is the share of the pixels that its mask ignores, None without
    a mask. ``truth`` is None where the scene has none about the view.
    """
    flat = rendered.get("rgb_flat_normals")
    return {
        "name": view.name,
        **image_metrics(rendered["rgb"], view.rgb, view.mask),
        **aligned_metrics(rendered["rgb"], view.rgb, view.mask),
        "psnr_flat_normals": None if flat is None else psnr(flat, view.rgb, view.mask),
        "normal_target_deg": predicted_to_target(rendered),
        "masked": None if view.mask is None else float((~view.mask).double().mean()),
        "truth": None if truth is None else _all_truth_scores(rendered, view, truth, scene),
    }


def depth_unit(scene: Scene) -> float:
    """Return the length of the unit of a scene's own files in the world of the loaded scene."""
    return 1 / float(scene.source_from_world[:3, 0].norm())


def _all_truth_scores(
    rendered: dict[str, Tensor], view: View, truth: ViewTruth, scene: Scene
) -> dict[str, Any]:
    device = view.image.device
    truth = truth.to(device)
    photos = [scene.views[i].to(device) for i in scene.train]
    darkest = darkest_photos_psnr(photos, view, truth, depth_unit(scene))
    return truth_scores(rendered, view, truth) | {"darkest_photos_diffuse_psnr_lobe": darkest}
