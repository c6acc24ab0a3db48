"""Bake a run's multiplane image into its folder, and score the files."""

from __future__ import annotations

from typing import Any

import torch

from normnex_pl.core.checkout import checkout_commit
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.baked.presenting import Presentation, stored_presentation
from normnex_pl.export.baked.renderers import Renderer
from normnex_pl.export.baked.scores import score_baked
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_weights import model_digest
from normnex_pl.training.trained_run import TrainedRun


def bake_run(
    run: TrainedRun,
    settings: BakeSettings,
    device: torch.device,
    renderer: Renderer,
    presentation: Presentation | None = None,
) -> dict[str, Any]:
    """Bake a run into its folder, then score the files and add the scores to the run's.

    Args:
        run: The run.
        settings: How to bake it.
        device: Of the run's model, which also renders the files.
        renderer: Renders the files.
        presentation: What the image says of itself; by default what the image says that is baked already.

    Returns:
        The scores, as ``metrics.json`` holds them under ``baked``.
    """
    folder = RunFolder(run.folder)
    folder.read_metrics()  # damaged scores are refused before the work
    scene, mpi = run.data.scene, run.module.mpi
    cameras = [scene.views[i].to(device).camera for i in run.data.train_views]
    digest = model_digest(mpi)
    kept = presentation or stored_presentation(folder.baked)
    bake(mpi, cameras, folder.baked, settings, _provenance(run, digest), kept)
    folder.forget_baked_scores()  # of the older files, in case the scoring is interrupted
    views = [scene.views[i].to(device) for i in scene.test]
    scores = score_baked(folder.baked, views, mpi, device, renderer)
    folder.store_baked_scores(scores, digest)
    return scores


def _provenance(run: TrainedRun, digest: str) -> dict[str, str | int | None]:
    """Return where the baked image comes from, for the manifest."""
    return {
        "scene": run.data.scene.name,
        "variant": run.variant,
        "preset": run.preset,
        "steps": run.module.record.steps,
        "model": digest,
        "commit": checkout_commit(),
    }
