"""Time a training step and its parts, within the training that ``normnex fit`` would run.

A callback lets Lightning train a few steps, then repeats the step without Lightning, and ends the training.
Parts are laps between marks in one step: rays, forward pass, backward pass, regularisers, optimiser. The
forward pass is divided by timing its prefixes separately: the field (with the intersection of rays and
planes), then the whole rendering; the rest of the forward pass is the losses, with the estimator of normals.
Prefixes run as the step does: operation by operation, or recorded and replayed as a graph.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
import torch

from clock import Mark, median_laps, milliseconds, wait
from normnex_pl.core.types import RayBatch, Rays
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.checkpointing import render_in_parts
from normnex_pl.training.execution import CudaGraph
from normnex_pl.training.memory.count import Photos, estimate_training
from normnex_pl.training.memory.fake_step import StepSettings, fake_training
from normnex_pl.training.module import NormNeXModule
from work import WorkCounter

GIB = 2**30
# Lightning's steps; the first ones warm up. No multiple of the intervals of callbacks and estimators.
WARM, STEPS = 5, 20

Measure = Callable[[pl.Trainer, NormNeXModule], dict[str, Any]]


class FinishedError(Exception):
    """Exception that ends a training after its measurement."""


class Probe(pl.Callback):
    """A callback that measures within a training, and ends it.

    Args:
        measure: Called after the last step.
        counts: Whether memory, operations and bytes are counted too.

    Attributes:
        result: The result of ``measure``, and the time of Lightning's steps.
    """

    def __init__(self, measure: Measure, counts: bool = True) -> None:
        self.measure = measure
        self.counts = counts
        self.result: dict[str, Any] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Count while the model is still on the host."""
        assert isinstance(pl_module, NormNeXModule)
        # The previous training, which its command line's parser keeps alive until this one's has parsed.
        forget()
        if self.counts:
            self.result |= count(trainer, pl_module)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Start the clock after the warm-up."""
        if trainer.global_step == WARM:
            wait(pl_module.device)
            self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Measure, and end the training."""
        if trainer.global_step < WARM + STEPS:
            return
        assert isinstance(pl_module, NormNeXModule)
        wait(pl_module.device)
        self.result["lightning_ms"] = 1000 * (time.perf_counter() - self._start) / STEPS
        if pl_module.device.type == "cuda":
            self.result["peak_gib"] = torch.cuda.max_memory_allocated(pl_module.device) / GIB
        self.result |= self.measure(trainer, pl_module)
        raise FinishedError


def forget() -> None:
    """Free unused memory, and reset the peak of memory."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def count(trainer: pl.Trainer, module: NormNeXModule) -> dict[str, Any]:
    """Count the memory, operations and bytes of a step, as far as possible."""
    data: SceneDataModule = trainer.datamodule  # type: ignore[attr-defined]
    photos = Photos(len(data.train_views), data.geometry.height, data.geometry.width)
    on_gpu = trainer.strategy.root_device.type == "cuda"
    step = StepSettings(data.rays_per_step, module.train_chunk_size, str(trainer.precision), on_gpu)
    try:
        estimate = estimate_training(module, photos, step)
        with fake_training(module, replace(step, on_gpu=False)) as training:
            training.step()
            with WorkCounter() as counter:
                training.step()
    except Exception as error:  # operations that depend on values can't be counted; the times still count
        return {"uncounted": f"{type(error).__name__}: {error}"}
    return {"need_gib": estimate.total / GIB, "work": counter.work}


def step_parts(trainer: pl.Trainer, module: NormNeXModule, repeats: int) -> dict[str, Any]:
    """Return the milliseconds of a step without Lightning, and of its parts."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    rays, forward, backward, regularisers, optimiser, total = step_laps(trainer, module, repeats)
    with trainer.precision_plugin.forward_context():
        field, rendering = prefixes(module, data.draw_rays(0, 0, module.device), repeats)
    refresh = _refresh(module)
    count = data.rays_per_step // 3 * 3
    return {
        "step_ms": total + refresh,
        "rays_per_second": 1000 * count / (total + refresh),
        "samples_per_second": 1000 * count * len(module.mpi.depths) / (total + refresh),
        "parts_ms": {
            "rays": rays,
            "field": field,
            "compositing": rendering - field,
            "losses": forward - rendering,
            "backward": backward,
            "regularisers": regularisers,
            "optimiser": optimiser,
            "refresh": refresh,
        },
    }


def step_laps(trainer: pl.Trainer, module: NormNeXModule, repeats: int) -> list[float]:
    """Return the milliseconds of rays, forward and backward pass, regularisers, optimiser, and their sum."""
    data, device = trainer.datamodule, module.device  # type: ignore[attr-defined]
    (optimizer,) = trainer.optimizers
    numbers = itertools.count(trainer.global_step)

    def step(mark: Mark) -> None:
        batch = data.draw_rays(next(numbers), 0, device)
        mark()
        with trainer.precision_plugin.forward_context():
            loss = module.training_step(batch, 0)["loss"]
        mark()
        optimizer.zero_grad()
        loss.backward()
        mark()
        module.on_before_optimizer_step(optimizer)
        mark()
        optimizer.step()

    return median_laps(step, device, repeats)


def prefixes(module: NormNeXModule, batch: RayBatch, repeats: int) -> tuple[float, float]:
    """Return the milliseconds of the field alone, and of the whole rendering."""
    rays = Rays(batch.rays.origins.flatten(0, 1), batch.rays.directions.flatten(0, 1))
    mpi, device = module.mpi, module.device
    field = as_in_training(module, lambda: mpi.field(mpi.intersect(rays)))
    rendering = as_in_training(module, lambda: render_in_parts(mpi.render, rays, module.train_chunk_size))
    return milliseconds(field, device, repeats), milliseconds(rendering, device, repeats)


def as_in_training(module: NormNeXModule, work: Callable[[], object]) -> Callable[[], object]:
    """Return the work as the module executes it: eagerly, or as a replayed graph of its kernels."""
    if module.device.type != "cuda" or not isinstance(module.execution, CudaGraph):
        return work
    beside = torch.cuda.Stream(module.device)
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def _refresh(module: NormNeXModule) -> float:
    """Return the milliseconds of refreshing an estimator, divided by the steps between two refreshes."""
    estimator = module.estimator
    if estimator is None or estimator.every == 1:
        return 0.0
    once = milliseconds(lambda: estimator.refresh(module.mpi), module.device, repeats=2, warm=1)
    return once / estimator.every


def step_by_rays(
    trainer: pl.Trainer, module: NormNeXModule, counts: list[int], repeats: int
) -> dict[str, Any]:
    """Measure steps of different numbers of rays; the reason for those that fail."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    result = {}
    for data.rays_per_step in counts:
        module.execution.release()  # batches of one training have one shape
        module.zero_grad()  # gradients lie in the recorded step's memory
        forget()
        try:
            result[str(data.rays_per_step)] = growth_row(trainer, module, repeats)
        except RuntimeError as error:  # out of memory: results with fewer rays are kept
            result[str(data.rays_per_step)] = {"failure": str(error).splitlines()[0]}
    return result


def growth_row(trainer: pl.Trainer, module: NormNeXModule, repeats: int) -> dict[str, Any]:
    """Return a row of the tables of growth."""
    row: dict[str, Any] = {"step_ms": step_laps(trainer, module, repeats)[-1] + _refresh(module)}
    if module.device.type == "cuda":
        row["peak_gib"] = torch.cuda.max_memory_allocated(module.device) / GIB
    return row
