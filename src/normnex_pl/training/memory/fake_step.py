"""Trainings whose tensors have sizes but no content: what a step does can be watched without doing it.

Nothing is computed (`FakeTensorMode`), no random number is drawn, and it takes a moment whatever the sizes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from normnex_pl.core.types import RayBatch, Rays
from normnex_pl.kernels import dry_run
from normnex_pl.training.module import NormNeXModule

_AUTOCAST = {"bf16-mixed": torch.bfloat16}


@dataclass(frozen=True)
class HollowTraining:
    """A training whose tensors have sizes but no content.

    Attributes:
        module: A copy, detached from its trainer.
        optimizer: Its own.
        rays: Of a step.
        precision: As Lightning's trainer is given it.
    """

    module: NormNeXModule
    optimizer: torch.optim.Optimizer
    rays: int
    precision: str

    @property
    def tensors(self) -> list[Tensor]:
        """Parameters and buffers."""
        return [*self.module.parameters(), *self.module.buffers()]

    def step(self) -> None:
        """One step in the order of Lightning's: the old gradients live until new ones are computed."""
        origins, directions, rgb = torch.zeros(3, self.rays // 3, 3, 3)
        with self.precise():
            loss = self.module.training_step(RayBatch(Rays(origins, directions), rgb), 0)["loss"]
        self.optimizer.zero_grad()
        loss.backward()
        self.module.on_before_optimizer_step(self.optimizer)
        self.optimizer.step()

    def precise(self) -> Any:
        """Return the context in which Lightning computes the losses."""
        dtype = _AUTOCAST.get(self.precision)
        return nullcontext() if dtype is None else torch.autocast("cpu", dtype)


@contextmanager
def hollow_training(
    module: NormNeXModule, rays_per_step: int, precision: str = "32-true", on_gpu: bool = True
) -> Iterator[HollowTraining]:
    """Copy a module without the content of its tensors; operations on them compute nothing meanwhile.

    The copy lies on the host, wherever the module is: it takes no memory of a device, even of a full one.

    Args:
        module: It isn't changed.
        rays_per_step: Of one device.
        precision: As Lightning's trainer is given it.
        on_gpu: Whether kernels of our own seem to run, as on a GPU; else their plain twins do.
    """
    trainer = SimpleNamespace(log_every_n_steps=0, global_step=0, estimated_stepping_batches=1)
    kernels = dry_run() if on_gpu else nullcontext()
    with kernels, FakeTensorMode(allow_non_fake_inputs=True) as mode, _Guesses():
        memo: dict[int, Any] = {id(module._trainer): trainer} if module._trainer is not None else {}
        memo |= {id(buffer): _hollow(buffer) for buffer in module.buffers()}
        memo |= {id(parameter): nn.Parameter(_hollow(parameter)) for parameter in module.parameters()}
        with FakeCopyMode(mode):
            hollow = copy.deepcopy(module, memo)
        hollow._trainer = trainer  # type: ignore[assignment]
        optimizer = hollow.configure_optimizers()["optimizer"]
        yield HollowTraining(hollow, optimizer, rays_per_step, precision)


def _hollow(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype)


class _Guesses(TorchDispatchMode):
    """Answer what only content could tell: the first of all choices, and nothing that can be left out.

    Yes, where it is asked whether something holds: most ask whether all is well.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation."""
        if func is torch.ops.aten._local_scalar_dense.default:
            dtype = args[0].dtype
            return True if dtype == torch.bool else 0.0 if dtype.is_floating_point else 0
        if func is torch.ops.aten.nonzero.default:
            return args[0].new_zeros(args[0].numel(), args[0].dim(), dtype=torch.long)
        return func(*args, **(kwargs or {}))
