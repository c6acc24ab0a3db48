"""Estimate a run's memory before it starts, choose chunk sizes that fit, and advise where none does."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import pytorch_lightning as pl
import torch
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.memory.advice import GIB, describe, gib, training_advice
from normnex_pl.training.memory.count import (
    MemoryEstimate,
    Photos,
    estimate_rendering,
    estimate_training,
    eval_chunk_on,
    is_out_of_memory,
)
from normnex_pl.training.memory.fake_step import StepSettings
from normnex_pl.training.memory.fitting import Count, chunk_that_fits, largest
from normnex_pl.training.module import NormNeXModule

_LOG = logging.getLogger(__name__)
# Of the free memory: the rest is lost in gaps between tensors.
_USABLE = 0.93
# The share of the estimate to aim at, where that much turned out to be too much.
_LESS = 0.8
# Rays of the evaluation: with fewer, a picture would take minutes.
_FEWEST = 256


@dataclass(frozen=True)
class MemorySettings:
    """Memory that a run may take.

    Attributes:
        limit_gib: GiB on each device; None for what is free there when the run starts.
    """

    limit_gib: float | None = None


class MemoryPlan(pl.Callback):
    """Estimate what a run takes, and fit the rays that are rendered at once into the memory that there is.

    `NormNeXModule.train_chunk_size` is set only where all rays of a step at once don't fit; the result stays
    the same. `NormNeXModule.eval_chunk_size` is lowered to what fits. If nothing fits, the plan says so and
    lets the run try.

    Args:
        settings: The limit.

    Raises:
        UserError: The limit isn't positive.
    """

    def __init__(self, settings: MemorySettings = MemorySettings()) -> None:
        if settings.limit_gib is not None and not settings.limit_gib > 0:
            raise UserError(f"memory.limit_gib: expected more than 0, found {settings.limit_gib:g}.")
        self.settings = settings
        self._usable: int | None = None

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Estimate and choose before anything lies on the device."""
        assert isinstance(pl_module, NormNeXModule)
        self._usable = self._usable_bytes(trainer.strategy.root_device)
        try:
            said = (
                self._plan_training(trainer, pl_module)
                if trainer.state.fn == "fit"
                else self._plan_evaluation(trainer, pl_module)
            )
        except Exception as error:
            # What depends on the data of tensors can't be estimated; it may well train.
            said = f"not counted ({type(error).__name__}: {error})"
        if trainer.is_global_zero:
            _LOG.info("Memory: %s", said)

    @override
    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Add advice to an error that says that memory is exhausted."""
        assert isinstance(pl_module, NormNeXModule)
        if not is_out_of_memory(exception):
            return
        if not trainer.training:
            fewer = max(1, pl_module.eval_chunk_size // 4)
            exception.add_note(f"Render fewer rays at once in evaluation: --model.eval_chunk_size={fewer}.")
            return
        count, data = _count(trainer, pl_module), _data(trainer)
        try:
            estimate = count(data.rays_per_step, pl_module.train_chunk_size)
            target = min(round(_LESS * estimate.total), self._usable or estimate.total)
            advice = training_advice(count, data.rays_per_step, data.geometry.width, target)
        except Exception:  # the error that memory is exhausted is the one to report
            return
        exception.add_note(f"The training needs {describe(estimate)}. {advice}")

    def _plan_evaluation(self, trainer: pl.Trainer, module: NormNeXModule) -> str:
        """Choose the rays of an evaluation and return the choice in words."""
        parameters = sum(parameter.nbytes for parameter in module.parameters())
        self._fit_chunk(trainer, module, parameters)
        return f"{module.eval_chunk_size} rays at once in evaluation"

    def _plan_training(self, trainer: pl.Trainer, module: NormNeXModule) -> str:
        """Choose the rays of training and validation and return the choice in words."""
        rays, count = _data(trainer).rays_per_step, _count(trainer, module)
        estimate = count(rays, module.train_chunk_size)
        said = ""
        if self._usable is not None:
            said = f", {gib(self._usable)} GiB available"
            if estimate.total > self._usable and module.train_chunk_size is None:
                module.train_chunk_size = chunk_that_fits(count, rays, self._usable)
                estimate = count(rays, module.train_chunk_size)
                said += f"; with all {rays} rays at once it would not fit" if module.train_chunk_size else ""
            if estimate.total > self._usable:
                advice = training_advice(count, rays, _data(trainer).geometry.width, self._usable)
                _LOG.warning("The training is likely to run out of memory. %s", advice)
        # Pictures and validation come between the steps, on top of what these keep.
        self._fit_chunk(trainer, module, _kept_between_steps(module, estimate))
        return describe(estimate) + said

    def _fit_chunk(self, trainer: pl.Trainer, module: NormNeXModule, resident: int) -> None:
        """Lower the rays of the evaluation to what fits on top of what stays allocated."""
        device = trainer.strategy.root_device
        module.eval_chunk_size = eval_chunk_on(device, module.eval_chunk_size)
        if self._usable is None:
            return
        few, many = max(1, module.eval_chunk_size // 4), module.eval_chunk_size
        settings = StepSettings(many, None, str(trainer.precision), device.type == "cuda")
        taken = [
            (rays, estimate_rendering(module, replace(settings, rays=rays))) for rays in sorted({few, many})
        ]
        if resident + taken[-1][1] > self._usable and len(taken) > 1:
            fitting = largest(self._usable - resident, taken, many)
            module.eval_chunk_size = max(fitting, min(many, _FEWEST))

    def _usable_bytes(self, device: torch.device) -> int | None:
        """Return the bytes that a run may take; None where they are unknown, as on a CPU."""
        limit = self.settings.limit_gib
        allowed = None if limit is None else round(limit * GIB)
        if device.type != "cuda":
            return allowed
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        there = round(_USABLE * (free + cached))
        return there if allowed is None else min(allowed, there)


def _kept_between_steps(module: NormNeXModule, estimate: MemoryEstimate) -> int:
    return estimate.total if module.execution.keeps_memory else estimate.resident


def _data(trainer: pl.Trainer) -> SceneDataModule:
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, SceneDataModule)
    return data


def _count(trainer: pl.Trainer, module: NormNeXModule) -> Count:
    """Return what estimates a training of this module with other numbers of rays."""
    data = _data(trainer)
    photos = Photos.of([data.scene.views[i] for i in data.train_views])
    on_gpu = trainer.strategy.root_device.type == "cuda"
    precision = str(trainer.precision)

    def count(rays: int, train_chunk_size: int | None) -> MemoryEstimate:
        return estimate_training(module, photos, StepSettings(rays, train_chunk_size, precision, on_gpu))

    return count
