"""Add up what a computation allocates and frees, as PyTorch's allocator would do it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from typing_extensions import override

# Blocks of PyTorch's allocator are multiples of this.
_BLOCK = 512


class Allocations(TorchDispatchMode):
    """Track the memory of all tensors that are alive while the mode is active.

    PyTorch's own `torch.distributed._tools.mem_tracker.MemTracker` counts the same steps as exactly, but its
    hooks on modules fail where a step calls `torch.autograd.grad` or a module twice, as estimators of normals
    do.

    Args:
        known: Tensors that are alive already.

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

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._add(leaf)
        # Where a gradient arrives twice, autograd adds the second to the first in place; it doesn't while
        # a mode is active. The sum counts from the next operation on, when the first is gone.
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
