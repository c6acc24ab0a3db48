"""How much memory a training takes, counted without a GPU and before it starts.

A step is run on tensors without content (`hollow`), by the very code that will train: what it allocates and
frees is added up as PyTorch's allocator would do it. What a kernel needs inside of itself isn't seen, but for
the workspace of cuBLAS.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from normnex_pl.core.types import Rays
from normnex_pl.training.memory.fake_step import hollow_training
from normnex_pl.training.module import NormNeXModule

# Blocks of PyTorch's allocator are multiples of this.
_BLOCK = 512
# What cuBLAS takes on Hopper, the largest of all; elsewhere 8 MiB (torch, CUDABlas workspace).
_WORKSPACE = 32 << 20
_MOST_ON_CPU = 16384


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
    module: NormNeXModule,
    photos: Photos,
    rays_per_step: int,
    precision: str = "32-true",
    on_gpu: bool = True,
) -> MemoryNeed:
    """Count what a training takes.

    Args:
        module: On any device; it isn't changed.
        photos: Of the training views.
        rays_per_step: Of one device.
        precision: As Lightning's trainer is given it.
        on_gpu: Or else on a CPU.
    """
    with hollow_training(module, rays_per_step, precision, on_gpu) as training:
        model, optimizer = training.module, training.optimizer
        with Allocations(training.tensors) as allocations:
            parameters = allocations.live
            training.step()  # the optimiser makes its state
            gradients = _size(parameter.grad for parameter in model.parameters())
            state = _size(value for values in optimizer.state.values() for value in values.values())
            allocations.peak = 0
            training.step()
            activations = allocations.peak - parameters - state - gradients
    workspace = _workspace(module, on_gpu)
    return MemoryNeed(parameters, state, photos.num_bytes, gradients, max(0, activations) + workspace)


def rendering_need(module: NormNeXModule, rays: int, precision: str = "32-true", on_gpu: bool = True) -> int:
    """Count the bytes that rendering takes beside the parameters.

    Args:
        module: On any device; it isn't changed.
        rays: At once.
        precision: As Lightning's trainer is given it.
        on_gpu: Or else on a CPU.
    """
    with hollow_training(module, rays, precision, on_gpu) as training, torch.no_grad():
        with Allocations(training.tensors) as allocations, training.precise():
            parameters = allocations.live
            mpi = training.module.mpi
            mpi.components(mpi.render(Rays(*torch.zeros(2, rays, 3))))
        return allocations.peak - parameters + _workspace(module, on_gpu)


def rays_in_pictures(chunk_size: int, device: torch.device) -> int:
    """Rays to be rendered at once, of as many as a GPU shall: on a CPU more take memory and save no time."""
    return chunk_size if device.type == "cuda" else min(chunk_size, _MOST_ON_CPU)


def largest(fits_up_to: int, need: Sequence[tuple[int, int]], most: int) -> int:
    """Return the largest number of rays whose need fits, where the need grows linearly with them.

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
    """Add up the memory of all tensors that live while it is entered.

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
        """Run an operation and look at what it returns."""
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


_HOST = "DefaultCPUAllocator: can't allocate memory"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a device or the host had no memory left: PyTorch has several ways to say so."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and (_HOST in text or "CUBLAS_STATUS_ALLOC_FAILED" in text)
    )


def _size(tensors: Iterable[Any]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors if isinstance(tensor, Tensor))


def _workspace(module: NormNeXModule, on_gpu: bool) -> int:
    has_products = any(isinstance(part, nn.Linear) for part in module.modules())
    return _WORKSPACE if on_gpu and has_products else 0
