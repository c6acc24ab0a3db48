"""Parts that the benchmark of several GPUs adds to trainings: a timer, and ways to sum gradients."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytorch_lightning as pl
import torch
from torch import Tensor, distributed

from normnex_pl.core.files import write_json
from normnex_pl.core.types import RayBatch
from normnex_pl.training.execution import CudaGraph, FlatLosses


class StepTimer(pl.Callback):
    """A callback that times steps after a warm-up, and ends the process.

    Args:
        path: File for the result, as JSON.
        warm: Steps of the warm-up.
        steps: Steps to time.
    """

    def __init__(self, path: Path, warm: int, steps: int) -> None:
        self.path = path
        self.warm = warm
        self.steps = steps

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Read the clock twice, each time after the devices have finished their queues."""
        step = trainer.global_step
        if step not in (self.warm, self.warm + self.steps):
            return
        trainer.strategy.barrier()
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        now = time.perf_counter()
        if step == self.warm:
            self._start = now
            return
        if trainer.is_global_zero:
            self._store(trainer, pl_module, now - self._start)
        trainer.strategy.barrier()
        raise SystemExit(0)

    def _store(self, trainer: pl.Trainer, pl_module: pl.LightningModule, seconds: float) -> None:
        rays = trainer.world_size * trainer.datamodule.rays_per_step  # type: ignore[attr-defined]
        gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
        count = sum(gradient.numel() for gradient in gradients)
        cuda = pl_module.device.type == "cuda"
        write_json(
            self.path,
            {
                "ms_per_step": 1000 * seconds / self.steps,
                "rays_per_second": rays * self.steps / seconds,
                "peak_gpu_gib": torch.cuda.max_memory_allocated() / 2**30 if cuda else None,
                "gradient_mb": 4 * count / 1e6,
                "touched": sum(int(gradient.count_nonzero()) for gradient in gradients) / count,
            },
        )


class LightningsSignals(pl.Callback):
    """A callback that restores Lightning's broadcast before each step, which `StopOnSignal` removes."""

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Remove the replacement; later steps find none."""
        vars(trainer.fit_loop.epoch_loop).pop("_broadcast_sigterm_tensor", None)


class GraphOnRanks(CudaGraph):
    """`CudaGraph` for several processes: other threads may query the device while one records."""

    def _can_record(self, batch: RayBatch) -> bool:
        return batch.rgb.is_cuda

    def _record(self, graph: FlatLosses, inputs: tuple[Tensor, ...]) -> FlatLosses:
        distributed.barrier()
        torch.cuda.synchronize()
        with patch("torch.cuda.graph", partial(torch.cuda.graph, capture_error_mode="thread_local")):
            return super()._record(graph, inputs)

    def __deepcopy__(self, memo: object) -> GraphOnRanks:
        return GraphOnRanks()

    def __reduce__(self) -> tuple[type[CudaGraph], tuple[()]]:
        return GraphOnRanks, ()


def touched_values(state: object, bucket: distributed.GradBucket) -> torch.futures.Future[Tensor]:
    """Sum the values that are nonzero on some rank, as a hook of DDP: first a mask, then these values."""
    gradient = bucket.buffer()
    mask = (gradient != 0).to(torch.uint8)
    distributed.all_reduce(mask, distributed.ReduceOp.MAX)
    places = mask.nonzero().squeeze(1)
    values = gradient[places]
    distributed.all_reduce(values)
    gradient[places] = values / distributed.get_world_size()
    cuda = [gradient.device] if gradient.device.type == "cuda" else None
    done: torch.futures.Future[Tensor] = torch.futures.Future(devices=cuda)
    done.set_result(gradient)
    return done
