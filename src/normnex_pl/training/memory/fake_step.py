"""Training steps on tensors that have shapes but no data, to watch what a step does without doing it.

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
from typing_extensions import override

from normnex_pl.core.types import RayBatch, Rays
from normnex_pl.kernels import dry_run
from normnex_pl.training.module import NormNeXModule

_AUTOCAST = {"bf16-mixed": torch.bfloat16}


@dataclass(frozen=True)
class StepSettings:
    """The settings of a training step, apart from its model.

    Attributes:
        rays: Of one device.
        train_chunk_size: Rays that are rendered at once; None for all. It takes the place of the model's.
        precision: As Lightning's trainer is given it.
        on_gpu: Whether the package's own kernels run, as on a GPU, or their PyTorch twins, as on a CPU.
    """

    rays: int
    train_chunk_size: int | None = None
    precision: str = "32-true"
    on_gpu: bool = True


@dataclass(frozen=True)
class FakeTraining:
    """A training whose tensors have shapes but no data.

    Attributes:
        module: A copy, detached from its trainer.
        optimizer: Its own.
        settings: Of a step.
    """

    module: NormNeXModule
    optimizer: torch.optim.Optimizer
    settings: StepSettings

    @property
    def tensors(self) -> list[Tensor]:
        """Parameters and buffers."""
        return [*self.module.parameters(), *self.module.buffers()]

    def step(self) -> None:
        """Take one step in Lightning's order: the old gradients live until new ones are computed."""
        triplets = self.settings.rays // 3
        origins, directions, rgb = torch.zeros(3, triplets, 3, 3)
        batch = RayBatch(Rays(origins, directions), rgb, torch.zeros(triplets, dtype=torch.long))
        with self.autocast():
            loss = self.module.training_step(batch, 0)["loss"]
        self.optimizer.zero_grad()
        loss.backward()
        self.module.on_before_optimizer_step(self.optimizer)
        self.optimizer.step()

    def autocast(self) -> Any:
        """Return the context in which Lightning computes the losses."""
        dtype = _AUTOCAST.get(self.settings.precision)
        return nullcontext() if dtype is None else torch.autocast("cpu", dtype)


@contextmanager
def fake_training(module: NormNeXModule, settings: StepSettings) -> Iterator[FakeTraining]:
    """Copy a module without the data of its tensors; while the context lasts, operations compute nothing.

    The copy lies on the host, wherever the module is: it takes no memory of a device, even of a full one.

    Args:
        module: It isn't changed.
        settings: Of the steps.
    """
    # At step 0 an estimator of normals refreshes what it keeps: no step takes more memory.
    trainer = SimpleNamespace(log_every_n_steps=0, global_step=0, estimated_stepping_batches=1)
    kernels = dry_run() if settings.on_gpu else nullcontext()
    with kernels, FakeTensorMode(allow_non_fake_inputs=True) as mode, _Guesses():
        memo: dict[int, Any] = {id(module._trainer): trainer} if module._trainer is not None else {}
        memo |= {id(buffer): _fake(buffer) for buffer in module.buffers()}
        memo |= {id(parameter): nn.Parameter(_fake(parameter)) for parameter in module.parameters()}
        with FakeCopyMode(mode):
            fake = copy.deepcopy(module, memo)
        fake._trainer = trainer  # type: ignore[assignment]
        fake.train_chunk_size = settings.train_chunk_size
        optimizer = fake.configure_optimizers()["optimizer"]
        yield FakeTraining(fake, optimizer, settings)


def _fake(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype)


class _Guesses(TorchDispatchMode):
    """Answer what depends on data that isn't there.

    True for booleans, since most of them ask whether all is well; zero for numbers; and all of the indices
    where the nonzero ones are asked for.
    """

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            dtype = args[0].dtype
            return True if dtype == torch.bool else 0.0 if dtype.is_floating_point else 0
        if func is torch.ops.aten.nonzero.default:
            return args[0].new_zeros(args[0].numel(), args[0].dim(), dtype=torch.long)
        return func(*args, **(kwargs or {}))
