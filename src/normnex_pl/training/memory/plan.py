"""Say before a run what memory it needs, pick numbers of rays that fit, and advises where none does."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytorch_lightning as pl
import torch

from normnex_pl.core.errors import UserError
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.memory.advice import GIB, Count, describe, gib, parts_that_fit, training_advice
from normnex_pl.training.memory.count import (
    MemoryNeed,
    Photos,
    is_out_of_memory,
    largest,
    rays_in_pictures,
    rendering_need,
    training_need,
)
from normnex_pl.training.module import NormNeXModule

_LOG = logging.getLogger(__name__)
# Of the free memory: the rest is lost in gaps between tensors.
_USABLE = 0.93
# What is aimed at, of what was counted, where that turned out to be too much.
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
    """Count what a run needs and fit the rays that are rendered at once into what there is.

    Of the training, and only where all rays of a step at once don't fit: its result stays the same. Of the
    evaluation: `NormNeXModule.eval_chunk_size`. What it can't make fit it says, and lets the run try.

    Args:
        settings: See there.

    Raises:
        UserError: The limit isn't positive.
    """

    def __init__(self, settings: MemorySettings = MemorySettings()) -> None:
        if settings.limit_gib is not None and not settings.limit_gib > 0:
            raise UserError(f"memory.limit_gib: expected more than 0, found {settings.limit_gib:g}.")
        self.settings = settings
        self._usable: int | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Count and plans, before anything lies on the device."""
        assert isinstance(pl_module, NormNeXModule)
        self._usable = self._usable_bytes(trainer.strategy.root_device)
        try:
            said = self._plan(trainer, pl_module)
        except Exception as error:
            # What depends on the content of tensors can't be counted; it may well train.
            said = f"not counted ({type(error).__name__}: {error})"
        if trainer.is_global_zero:
            _LOG.info("Memory: %s", said)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Tell an error that says that memory is full what to do about it."""
        assert isinstance(pl_module, NormNeXModule)
        if not is_out_of_memory(exception):
            return
        if not trainer.training:
            fewer = max(1, pl_module.eval_chunk_size // 4)
            exception.add_note(f"Render fewer rays at once in evaluation: --model.eval_chunk_size={fewer}.")
            return
        count, data = _counter(trainer, pl_module), _data(trainer)
        try:
            need = count(data.rays_per_step, pl_module.train_chunk_size)
            target = min(round(_LESS * need.total), self._usable or need.total)
            advice = training_advice(count, data.rays_per_step, data.geometry.width, target)
        except Exception:  # the first error is the one to hear of
            return
        exception.add_note(f"The training needs {describe(need)}. {advice}")

    def _plan(self, trainer: pl.Trainer, module: NormNeXModule) -> str:
        """Choose and say what was chosen."""
        if trainer.state.fn != "fit":
            parameters = sum(parameter.nbytes for parameter in module.parameters())
            self._fit_chunk(trainer, module, parameters)
            return f"{module.eval_chunk_size} rays at once in evaluation"
        rays, count = _data(trainer).rays_per_step, _counter(trainer, module)
        need = count(rays, module.train_chunk_size)
        said = ""
        if self._usable is not None:
            said = f", {gib(self._usable)} GiB can be had"
            if need.total > self._usable and module.train_chunk_size is None:
                module.train_chunk_size = parts_that_fit(count, rays, self._usable)
                need = count(rays, module.train_chunk_size)
                said += f"; with all {rays} rays at once it would not fit" if module.train_chunk_size else ""
            if need.total > self._usable:
                advice = training_advice(count, rays, _data(trainer).geometry.width, self._usable)
                _LOG.warning("The training is likely to run out of memory. %s", advice)
        # Pictures and validation come between the steps, beside what these keep.
        self._fit_chunk(trainer, module, need.total if module.execution.keeps_memory else need.resident)
        return describe(need) + said

    def _fit_chunk(self, trainer: pl.Trainer, module: NormNeXModule, resident: int) -> None:
        """Lower the rays of the evaluation to what fits beside what stays there."""
        module.eval_chunk_size = rays_in_pictures(module.eval_chunk_size, trainer.strategy.root_device)
        if self._usable is None:
            return
        few, many = max(1, module.eval_chunk_size // 4), module.eval_chunk_size
        how = (str(trainer.precision), trainer.strategy.root_device.type == "cuda")
        needs = [(rays, rendering_need(module, rays, *how)) for rays in sorted({few, many})]
        if resident + needs[-1][1] > self._usable and len(needs) > 1:
            fitting = largest(self._usable - resident, needs, many)
            module.eval_chunk_size = max(fitting, min(many, _FEWEST))

    def _usable_bytes(self, device: torch.device) -> int | None:
        """Bytes that a run may take; None where nothing is known of them, as on a CPU."""
        limit = self.settings.limit_gib
        allowed = None if limit is None else round(limit * GIB)
        if device.type != "cuda":
            return allowed
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        there = round(_USABLE * (free + cached))
        return there if allowed is None else min(allowed, there)


def _data(trainer: pl.Trainer) -> SceneDataModule:
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, SceneDataModule)
    return data


def _counter(trainer: pl.Trainer, module: NormNeXModule) -> Count:
    """Count steps of a training by their rays."""
    data, precision = _data(trainer), str(trainer.precision)
    on_gpu = trainer.strategy.root_device.type == "cuda"
    photos = Photos(len(data.train_views), data.geometry.height, data.geometry.width)

    def count(rays: int, at_once: int | None) -> MemoryNeed:
        kept, module.train_chunk_size = module.train_chunk_size, at_once
        try:
            return training_need(module, photos, rays, precision, on_gpu)
        finally:
            module.train_chunk_size = kept

    return count
