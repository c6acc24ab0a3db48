"""Triton kernels for what PyTorch's own operations do with too much memory traffic.

Each has a twin in plain PyTorch, which is its oracle in the tests and what runs where there is no CUDA device
or no Triton. Callers pick by `runs_on`.
"""

from __future__ import annotations

import importlib.util

from torch import Tensor

_HAS_TRITON = importlib.util.find_spec("triton") is not None


def runs_on(tensor: Tensor) -> bool:
    """Whether kernels can be launched where a tensor is."""
    return _HAS_TRITON and tensor.is_cuda
