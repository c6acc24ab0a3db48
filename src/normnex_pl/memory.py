"""How much memory a training takes, counted without a GPU and before it starts.

A step is run on tensors that have a size but no content (`FakeTensorMode`), by the very code that will train:
what it allocates and frees is added up as PyTorch's allocator would do it. Nothing is computed, and no random
number is drawn. What a kernel needs inside of itself isn't seen, but for the workspace of cuBLAS.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from normnex_pl.module import NormNeXModule
from normnex_pl.types import RayBatch, Rays

# Blocks of PyTorch's allocator are multiples of this.
_BLOCK = 512
# What cuBLAS takes on Hopper, the largest of all; elsewhere 8 MiB (torch, CUDABlas workspace).
_WORKSPACE = 32 << 20
_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Photos:
    """The photos that lie on the device.

    Attributes:
        count: Training views.
        height: In pixels.
        width: In pixels.
    """

    count: int
    height: int
    width: int

    @property
    def num_bytes(self) -> int:
        """As sRGB bytes."""
        return self.count * self.height * self.width * 3


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a training takes on its device at its peak.

    Attributes:
        parameters: And buffers.
        optimizer: What it keeps from one step to the next.
        photos: Of the training views.
        gradients: Of the parameters.
        activations: Everything else that a step has at its peak.
    """

    parameters: int
    optimizer: int
    photos: int
    gradients: int
    activations: int

    @property
    def resident(self) -> int:
        """What stays between two steps, gradients included."""
        return self.parameters + self.optimizer + self.photos + self.gradients

    @property
    def total(self) -> int:
        """The peak."""
        return self.resident + self.activations


def training_need(
    module: NormNeXModule, photos: Photos, rays_per_step: int, precision: str = "32-true"
) -> MemoryNeed:
    """Counts what a training takes.

    Args:
        module: On any device; it isn't changed.
        photos: Of the training views.
        rays_per_step: Of one device.
        precision: As Lightning's trainer is given it.
    """
    with hollow_training(module, rays_per_step, precision) as training:
        model, optimizer = training.module, training.optimizer
        with Allocations(training.tensors) as allocations:
            parameters = allocations.live
            training.step()  # the optimiser makes its state
            gradients = _size(parameter.grad for parameter in model.parameters())
            state = _size(value for values in optimizer.state.values() for value in values.values())
            model._targets_are_stale = True  # a step that estimates them anew takes most
            allocations.peak = 0
            training.step()
            activations = allocations.peak - parameters - state - gradients
    workspace = _WORKSPACE if _has_matrices(module) else 0
    return MemoryNeed(parameters, state, photos.num_bytes, gradients, max(0, activations) + workspace)


def rendering_need(module: NormNeXModule, rays: int, precision: str = "32-true") -> int:
    """Counts the bytes that rendering takes beside the parameters.

    Args:
        module: On any device; it isn't changed.
        rays: At once.
        precision: As Lightning's trainer is given it.
    """
    with hollow_training(module, rays, precision) as training, torch.no_grad():
        with Allocations(training.tensors) as allocations, training.precise():
            parameters = allocations.live
            mpi = training.module.mpi
            mpi.components(mpi.render(Rays(*torch.zeros(2, rays, 3, device=mpi.depths.device))))
        return allocations.peak - parameters + (_WORKSPACE if _has_matrices(module) else 0)


def largest(fits_up_to: int, need: Sequence[tuple[int, int]], most: int) -> int:
    """The largest number of rays whose need fits, where the need grows linearly with them.

    Args:
        fits_up_to: Bytes.
        need: Two numbers of rays and the bytes that they take.
        most: Not more rays than this.

    Returns:
        Zero if not even one ray fits.
    """
    (few, low), (many, high) = need
    slope = (high - low) / (many - few)
    base = low - slope * few
    if base + slope * most <= fits_up_to:
        return most
    return max(0, int((fits_up_to - base) / slope))


class Allocations(TorchDispatchMode):
    """Adds up the memory of all tensors that live while it is entered.

    Args:
        known: Tensors that live already.

    Attributes:
        live: Bytes now.
        peak: Most bytes so far.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._storages: set[int] = set()
        for tensor in known:
            self._add(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operation and looks at what it returns."""
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._add(leaf)
        # Where a gradient arrives twice, autograd adds the second to the first in place; it doesn't while
        # a mode looks on. The sum counts from the next operation on, when the first is gone.
        if func is not torch.ops.aten.add.Tensor or torch.is_grad_enabled():
            self.peak = max(self.peak, self.live)
        return out

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._storages:
            self._storages.add(key)
            size = -(-storage.nbytes() // _BLOCK) * _BLOCK
            self.live += size
            weakref.finalize(storage, self._remove, key, size)

    def _remove(self, key: int, size: int) -> None:
        self._storages.discard(key)
        self.live -= size


class _Guesses(TorchDispatchMode):
    """Answers what only content could tell: the first of all choices, and nothing that can be left out.

    Yes, where it is asked whether something holds: most ask whether all is well.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operation."""
        if func is torch.ops.aten._local_scalar_dense.default:
            dtype = args[0].dtype
            return True if dtype == torch.bool else 0.0 if dtype.is_floating_point else 0
        if func is torch.ops.aten.nonzero.default:
            return args[0].new_zeros(args[0].numel(), args[0].dim(), dtype=torch.long)
        return func(*args, **(kwargs or {}))


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
        device = self.module.mpi.depths.device
        origins, directions, rgb = torch.zeros(3, self.rays // 3, 3, 3, device=device)
        with self.precise():
            loss = self.module.training_step(RayBatch(Rays(origins, directions), rgb), 0)["loss"]
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def precise(self) -> Any:
        """The context in which Lightning computes the losses."""
        dtype = _AUTOCAST.get(self.precision)
        device = self.module.mpi.depths.device
        return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


@contextmanager
def hollow_training(
    module: NormNeXModule, rays_per_step: int, precision: str = "32-true"
) -> Iterator[HollowTraining]:
    """Copies a module without the content of its tensors; operations on them compute nothing meanwhile."""
    trainer = SimpleNamespace(log_every_n_steps=0, global_step=0, estimated_stepping_batches=1)
    memo = {} if module._trainer is None else {id(module._trainer): trainer}
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, _Guesses():
        with FakeCopyMode(mode):
            hollow = copy.deepcopy(module, memo)
        hollow._trainer = trainer  # type: ignore[assignment]
        optimizer = hollow.configure_optimizers()["optimizer"]
        yield HollowTraining(hollow, optimizer, rays_per_step, precision)


def _size(tensors: Iterable[Any]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors if isinstance(tensor, Tensor))


def _has_matrices(module: NormNeXModule) -> bool:
    return any(isinstance(part, torch.nn.Linear) for part in module.modules())
