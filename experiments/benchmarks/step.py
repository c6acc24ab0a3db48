"""Times a training step and its parts, within the training that ``normnex fit`` would do.

A callback lets Lightning train a few steps, then repeats the step without Lightning, and ends the training.
Parts are laps between marks in one step: rays, forward pass and losses, backward pass, optimiser. The forward
pass is cut by a second measurement, of rays and rendering alone, with marks before and behind the field
(module hooks): what isn't the field there is compositing, and what the whole forward pass takes longer is
losses, with the estimator of normals.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch

from clock import Mark, median_laps, milliseconds, wait
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.memory import Photos, hollow_training, training_need
from normnex_pl.module import NormNeXModule
from normnex_pl.types import Rays
from work import WorkCounter

GIB = 2**30
# Lightning's steps: the first ones warm up. No multiple of what callbacks or estimators do now and then.
WARM, STEPS = 5, 20

Measure = Callable[[pl.Trainer, NormNeXModule], dict[str, Any]]


class FinishedError(Exception):
    """Ends a training that has been measured."""


class Probe(pl.Callback):
    """Measures within a training, and ends it.

    Args:
        measure: Called after the last step.
        counts: Whether memory, operations and bytes are counted too.

    Attributes:
        result: What it returned, and what Lightning took.
    """

    def __init__(self, measure: Measure, counts: bool = True) -> None:
        self.measure = measure
        self.counts = counts
        self.result: dict[str, Any] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Counts, while the model lies on the host."""
        assert isinstance(pl_module, NormNeXModule)
        if self.counts:
            data = trainer.datamodule  # type: ignore[attr-defined]
            self.result |= count(data, pl_module, str(trainer.precision))

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Starts the clock behind the first steps."""
        if trainer.global_step == WARM:
            wait(pl_module.device)
            self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Measures, and ends the training."""
        if trainer.global_step < WARM + STEPS:
            return
        assert isinstance(pl_module, NormNeXModule)
        wait(pl_module.device)
        self.result["lightning_ms"] = 1000 * (time.perf_counter() - self._start) / STEPS
        if pl_module.device.type == "cuda":
            self.result["peak_gib"] = torch.cuda.max_memory_allocated(pl_module.device) / GIB
        self.result |= self.measure(trainer, pl_module)
        raise FinishedError


def count(data: SceneDataModule, module: NormNeXModule, precision: str) -> dict[str, Any]:
    """What a step needs and does, as far as it can be counted."""
    photos = Photos(len(data.train_views), data.geometry.height, data.geometry.width)
    try:
        need = training_need(module, photos, data.rays_per_step, precision)
        with hollow_training(module, data.rays_per_step, precision) as training:
            training.step()
            with WorkCounter() as counter:
                training.step()
    except Exception as error:  # a part whose operations depend on content: times are still worth having
        return {"uncounted": f"{type(error).__name__}: {error}"}
    return {"need_gib": need.total / GIB, "work": counter.work}


def step_parts(trainer: pl.Trainer, module: NormNeXModule, repeats: int) -> dict[str, Any]:
    """Milliseconds of a step without Lightning, and of its parts."""
    data, device = trainer.datamodule, module.device  # type: ignore[attr-defined]
    (optimizer,) = trainer.optimizers
    precise = trainer.precision_plugin.forward_context
    numbers = itertools.count(trainer.global_step)

    def step(mark: Mark) -> None:
        batch = data.draw_rays(next(numbers), 0, device)
        mark()
        with precise():
            loss = module.training_step(batch, 0)["loss"]
        mark()
        optimizer.zero_grad()
        loss.backward()
        mark()
        optimizer.step()

    def rendering(mark: Mark) -> None:
        batch = data.draw_rays(next(numbers), 0, device)
        mark()
        before = module.mpi.field.register_forward_pre_hook(lambda *_: mark())
        behind = module.mpi.field.register_forward_hook(lambda *_: mark())
        with precise():
            module.mpi.render(Rays(batch.rays.origins.flatten(0, 1), batch.rays.directions.flatten(0, 1)))
        before.remove()
        behind.remove()

    rays, forward, backward, optimiser, total = median_laps(step, device, repeats)
    _, *laps, rendered = median_laps(rendering, device, repeats)
    field, composited = sum(laps[1::2]), sum(laps[0::2])
    refresh = _refresh(module)
    return {
        "step_ms": total + refresh,
        "rays_per_second": 3000 * (data.rays_per_step // 3) / (total + refresh),
        "samples_per_second": 3000 * (data.rays_per_step // 3) * len(module.mpi.depths) / (total + refresh),
        "parts_ms": {
            "rays": rays,
            "field": field,
            "compositing": composited,
            "losses": forward - (rendered - rays),
            "backward": backward,
            "optimiser": optimiser,
            "refresh": refresh,
        },
    }


def _refresh(module: NormNeXModule) -> float:
    """What bringing an estimator up to date takes, spread over the steps in between."""
    estimator = module.estimator
    if estimator is None or estimator.every == 1:
        return 0.0
    once = milliseconds(lambda: estimator.refresh(module.mpi), module.device, repeats=2, warm=1)
    return once / estimator.every


def step_by_rays(
    trainer: pl.Trainer, module: NormNeXModule, counts: list[int], repeats: int
) -> dict[str, Any]:
    """Steps of different numbers of rays."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    result = {}
    for data.rays_per_step in counts:
        if module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(module.device)
        result[str(data.rays_per_step)] = growth_row(trainer, module, repeats)
    return result


def growth_row(trainer: pl.Trainer, module: NormNeXModule, repeats: int) -> dict[str, Any]:
    """What a row of the tables of growth has."""
    row: dict[str, Any] = {"step_ms": step_parts(trainer, module, repeats)["step_ms"]}
    if module.device.type == "cuda":
        row["peak_gib"] = torch.cuda.max_memory_allocated(module.device) / GIB
    return row
