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
    with _hollow(module) as hollow, Allocations(_tensors_of(hollow)) as allocations:
        optimizer = hollow.configure_optimizers()["optimizer"]
        parameters = allocations.live
        # The optimiser makes its state in its first step.
        _step(hollow, optimizer, rays_per_step, precision)
        gradients = _size(parameter.grad for parameter in hollow.parameters())
        state = _size(value for values in optimizer.state.values() for value in values.values())
        hollow._targets_are_stale = True  # a step that estimates them anew takes most
        allocations.peak = 0
        _step(hollow, optimizer, rays_per_step, precision)
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
    with _hollow(module) as hollow, torch.no_grad(), Allocations(_tensors_of(hollow)) as allocations:
        parameters = allocations.live
        device = hollow.mpi.depths.device
        with _precision(device, precision):
            hollow.mpi.components(hollow.mpi.render(Rays(*torch.zeros(2, rays, 3, device=device))))
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
        out = _guess(func, args)
        if out is None:
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


def _guess(func: Any, args: Any) -> Any:
    """Answers what only content could tell: the first of all choices, and nothing that can be left out."""
    if func is torch.ops.aten._local_scalar_dense.default:
        return 0.0 if args[0].dtype.is_floating_point else 0
    if func is torch.ops.aten.nonzero.default:
        return args[0].new_zeros(args[0].numel(), args[0].dim(), dtype=torch.long)
    return None


def _step(module: NormNeXModule, optimizer: torch.optim.Optimizer, rays: int, precision: str) -> None:
    """One step in the order of Lightning's: the old gradients live until the new ones are computed."""
    device = module.mpi.depths.device
    origins, directions, rgb = torch.zeros(3, rays // 3, 3, 3, device=device)
    batch = RayBatch(Rays(origins, directions), rgb)
    with _precision(device, precision):
        loss = module.training_step(batch, 0)["loss"]
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@contextmanager
def _hollow(module: NormNeXModule) -> Iterator[NormNeXModule]:
    """A copy of a module whose tensors have no content, detached from its trainer."""
    trainer = SimpleNamespace(log_every_n_steps=0, global_step=0, estimated_stepping_batches=1)
    memo = {} if module._trainer is None else {id(module._trainer): trainer}
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        with FakeCopyMode(mode):
            hollow = copy.deepcopy(module, memo)
        hollow._trainer = trainer  # type: ignore[assignment]
        yield hollow


def _precision(device: torch.device, precision: str) -> Any:
    dtype = _AUTOCAST.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def _tensors_of(module: NormNeXModule) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _size(tensors: Iterable[Any]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors if isinstance(tensor, Tensor))


def _has_matrices(module: NormNeXModule) -> bool:
    return any(isinstance(part, torch.nn.Linear) for part in module.modules())
