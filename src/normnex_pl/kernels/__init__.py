"""Triton kernels for operations that cost PyTorch's own too much memory traffic.

Each has a twin in plain PyTorch beside its call, which is its oracle in the tests and takes over where
`kernels_run_on` says no: without a CUDA device, without Triton, or in another precision.

They are not custom operators of `torch.library`, whose fake implementations would serve the memory plan: the
choice between a kernel and its twin depends on more than the device (on gradients, on autocast), and a plan
made without a GPU would still have to ask for kernels. Each operator would state its allocations twice, hide
its temporary tensors from the plan, and take 25 us to call instead of 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from normnex_pl.kernels.language import HAS_TRITON

_DRY_RUN: ContextVar[bool] = ContextVar("dry_run", default=False)


def kernels_run_on(tensor: Tensor) -> bool:
    """Return whether kernels can be launched for a tensor: they are written for float32 on CUDA devices."""
    return HAS_TRITON and (tensor.is_cuda or _DRY_RUN.get()) and tensor.dtype == torch.float32


@contextmanager
def dry_run() -> Iterator[None]:
    """Choose kernels on any device, as on a GPU, and skip their launches: for counting allocations."""
    token = _DRY_RUN.set(True)
    try:
        yield
    finally:
        _DRY_RUN.reset(token)


def launch(kernel: Any, programs: tuple[int, ...], first: Tensor, *others: Any, **constants: Any) -> None:
    """Launch a kernel on the device of its first argument, except in a `dry_run`."""
    if not _DRY_RUN.get():
        with device_of(first):
            kernel[programs](first, *others, **constants)


def device_of(tensor: Tensor) -> AbstractContextManager[object]:
    """Make a tensor's GPU the current one: Triton launches there, wherever the arguments are."""
    return torch.cuda.device_of(tensor) if tensor.is_cuda else nullcontext()
