"""Estimate the memory of a training without a GPU and before it starts.

The code that will train runs a step on tensors without data (`fake_training`), and what it allocates and
frees is added up (`Allocations`). Memory that a kernel uses internally isn't seen, except for the workspace
of cuBLAS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from normnex_pl.core.types import Rays, View
from normnex_pl.training.memory.allocations import Allocations
from normnex_pl.training.memory.fake_step import StepSettings, fake_training
from normnex_pl.training.module import NormNeXModule

# What cuBLAS takes on Hopper, the largest of all; elsewhere 8 MiB (torch, CUDABlas workspace).
_WORKSPACE = 32 << 20
_MOST_ON_CPU = 16384
_LISTED = 4  # bytes of a pixel's place
_HOST = "DefaultCPUAllocator: can't allocate memory"


@dataclass(frozen=True)
class Photos:
    """The photos that lie on the device.

    Attributes:
        count: Training views.
        height: In pixels.
        width: In pixels.
        masked: Whether pixels of any are ignored: those that count are then listed.
    """

    count: int
    height: int
    width: int
    masked: bool = False

    @classmethod
    def of(cls, views: Sequence[View]) -> Photos:
        """Describe the photos of training views."""
        camera = views[0].camera
        return cls(len(views), camera.height, camera.width, any(view.mask is not None for view in views))

    @property
    def num_bytes(self) -> int:
        """Their size as sRGB bytes, with the list, which is at most as long as all pixels."""
        return self.count * self.height * self.width * (3 + _LISTED * self.masked)


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a training takes on its device at the peak of a step.

    Attributes:
        parameters: Of the parameters and buffers.
        optimizer: Of the optimiser's state.
        photos: Of the training views.
        gradients: Of the parameters.
        activations: Of everything else that is alive at the peak.
    """

    parameters: int
    optimizer: int
    photos: int
    gradients: int
    activations: int

    @property
    def resident(self) -> int:
        """Bytes that stay allocated between two steps, gradients included."""
        return self.parameters + self.optimizer + self.photos + self.gradients

    @property
    def total(self) -> int:
        """The peak."""
        return self.resident + self.activations


def estimate_training(module: NormNeXModule, photos: Photos, settings: StepSettings) -> MemoryEstimate:
    """Estimate what a training takes.

    Args:
        module: On any device; it isn't changed.
        photos: Of the training views.
        settings: Of a step.
    """
    with (
        fake_training(module, settings) as training,
        Allocations(training.tensors) as allocations,
    ):
        parameters = allocations.live
        training.step()  # the optimiser allocates its state
        gradients = _size(parameter.grad for parameter in training.module.parameters())
        states = training.optimizer.state.values()
        state = _size(value for values in states for value in values.values())
        allocations.peak = 0
        training.step()
        activations = allocations.peak - parameters - state - gradients
    workspace = _workspace(module, settings.on_gpu)
    return MemoryEstimate(parameters, state, photos.num_bytes, gradients, max(0, activations) + workspace)


def estimate_rendering(module: NormNeXModule, settings: StepSettings) -> int:
    """Estimate the bytes that rendering takes in addition to the parameters.

    Args:
        module: On any device; it isn't changed.
        settings: The rays that are rendered at once, and how.
    """
    with (
        fake_training(module, settings) as training,
        torch.no_grad(),
        Allocations(training.tensors) as allocations,
        training.autocast(),
    ):
        parameters = allocations.live
        mpi = training.module.mpi
        mpi.components(mpi.render(Rays(*torch.zeros(2, settings.rays, 3))))
        return allocations.peak - parameters + _workspace(module, settings.on_gpu)


def eval_chunk_on(device: torch.device, eval_chunk_size: int) -> int:
    """Return how many rays to render at once: on a CPU, more than some take memory and save no time."""
    return eval_chunk_size if device.type == "cuda" else min(eval_chunk_size, _MOST_ON_CPU)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a device or the host ran out of memory: PyTorch has several ways to say so."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and (_HOST in text or "CUBLAS_STATUS_ALLOC_FAILED" in text)
    )


def _size(tensors: Iterable[Any]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors if isinstance(tensor, Tensor))


def _workspace(module: NormNeXModule, on_gpu: bool) -> int:
    has_products = any(isinstance(part, nn.Linear) for part in module.modules())
    return _WORKSPACE if on_gpu and has_products else 0
