"""Bake a run's multiplane image into its folder, and judge the files."""

from __future__ import annotations

from typing import Any

import torch

from normnex_pl.core.checkout import checkout_commit
from normnex_pl.export.baked.manifest import FOLDER
from normnex_pl.export.baked.renderers import Renderer
from normnex_pl.export.baked.scores import judge_baked
from normnex_pl.export.baked.writer import BakeSettings, bake
from normnex_pl.training.scores_file import check_metrics, forget_scores, model_digest, store_scores
from normnex_pl.training.trained_run import TrainedRun


def bake_run(
    run: TrainedRun, settings: BakeSettings, device: torch.device, renderer: Renderer
) -> dict[str, Any]:
    """Bake a run into its folder, judge the files and add the scores to the run's."""
    check_metrics(run.folder)
    scene = run.data.scene
    cameras = [scene.views[i].to(device).camera for i in run.data.train_views]
    digest = model_digest(run.module.mpi)
    provenance = {
        "scene": scene.name,
        "variant": run.variant,
        "preset": run.preset,
        "steps": run.module.record.steps,
        "model": digest,
        "commit": checkout_commit(),
    }
    bake(run.module.mpi, cameras, run.folder / FOLDER, settings, provenance)
    forget_scores(run.folder)  # those of the files that are gone, should the judging be interrupted
    views = [scene.views[i].to(device) for i in scene.test]
    scores = judge_baked(run.folder / FOLDER, views, run.module.mpi, device, renderer)
    store_scores(run.folder, scores, digest)
    return scores
