"""Triton kernels for what PyTorch's own operations do with too much memory traffic.

Each has a twin in plain PyTorch, which is its oracle in the tests and what runs where there is no CUDA device
or no Triton. Callers pick by `runs_on`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

_HAS_TRITON = importlib.util.find_spec("triton") is not None


def runs_on(tensor: Tensor) -> bool:
    """Return whether kernels can be launched for a tensor: they are written for float32."""
    return _HAS_TRITON and (tensor.is_cuda or _PRETENDS.get()) and tensor.dtype == torch.float32


_PRETENDS: ContextVar[bool] = ContextVar("pretends", default=False)


@contextmanager
def pretending() -> Iterator[None]:
    """Kernels seem to run anywhere, and do nothing: for counting what is allocated around them."""
    token = _PRETENDS.set(True)
    try:
        yield
    finally:
        _PRETENDS.reset(token)


def launch(kernel: Any, programs: tuple[int, ...], first: Tensor, *others: Any, **constants: Any) -> None:
    """Launch a kernel where its first argument is, unless that is only pretended."""
    if not _PRETENDS.get():
        with device_of(first):
            kernel[programs](first, *others, **constants)


def device_of(tensor: Tensor) -> AbstractContextManager[object]:
    """Make a tensor's GPU the current one for a while: Triton launches there, wherever the arguments are."""
    return torch.cuda.device_of(tensor) if tensor.is_cuda else nullcontext()
