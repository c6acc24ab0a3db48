"""Communication between the processes of one run: digests of their models, results, and when to stop.

A rank is one process with one device. All ranks have to make the calls that communicate, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, TypeVar

import pytorch_lightning as pl
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor, nn

T = TypeVar("T")

# The integer type with the same bits as a value, by the value's size in bytes.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
# Values per chunk: their products with the weights take 16 bytes each.
_CHUNK = 2**22
# Odd, so that no bit of a value is lost; any large ones would do (those of splitmix64).
_STEP, _MIX = 0x1E3779B97F4A7C15, 0x3F58476D1CE4E5B9


def digest(tensor: Shaped[Tensor, "..."]) -> Int64[Tensor, ""]:
    """Return a hash of all bits of a tensor, computed on its device.

    It is the sum over all values, taken as integers and each multiplied by an odd number that depends on its
    place, modulo 2^64. A single different value always changes it; several leave it unchanged with a
    probability of about 2^-64.

    Args:
        tensor: Of any type whose values take 1, 2, 4 or 8 bytes.
    """
    flat = tensor.detach().reshape(-1)
    bits = flat.view(_BITS[flat.element_size()])
    total = torch.zeros((), dtype=torch.int64, device=tensor.device)
    for start in range(0, len(bits), _CHUNK):
        part = bits[start : start + _CHUNK].long()
        places = torch.arange(start, start + len(part), device=tensor.device)
        weights = (places * _STEP) ^ ((places + 1) * _MIX)
        total += (part * (2 * weights + 1)).sum()
    return total


def replicated_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield what all ranks have to agree on: buffers (kept targets of estimators among them), parameters."""
    yield from module.named_buffers()
    yield from module.named_parameters()


def digests(module: nn.Module) -> dict[str, int]:
    """Return the digests of `replicated_tensors` by name, synchronising with the device once."""
    named = dict(replicated_tensors(module))
    values = [digest(tensor) for tensor in named.values()]
    return dict(zip(named, torch.stack(values).tolist(), strict=True)) if values else {}


def disagreements(of_ranks: list[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Name the values that differ between ranks, and the ranks where they differ from the first one's."""
    names = dict.fromkeys(name for values in of_ranks for name in values)
    first = of_ranks[0]
    found = {
        name: [rank for rank, values in enumerate(of_ranks) if values.get(name) != first.get(name)]
        for name in names
    }
    return {name: ranks for name, ranks in found.items() if ranks}


def all_gather(trainer: pl.Trainer, value: T) -> list[T]:
    """Return the values of all ranks, on all ranks: anything small that can be pickled."""
    if trainer.world_size == 1:
        return [value]
    values: list[T | None] = [None] * trainer.world_size
    torch.distributed.all_gather_object(values, value)
    return values  # type: ignore[return-value]


def gather(trainer: pl.Trainer, value: T) -> list[T]:
    """Return the values of all ranks on the first one; nothing on the others."""
    if trainer.world_size == 1:
        return [value]
    values: list[T | None] | None = [None] * trainer.world_size if trainer.is_global_zero else None
    torch.distributed.gather_object(value, values)
    return values or []  # type: ignore[return-value]


def is_mine(trainer: pl.Trainer, index: int) -> bool:
    """Return whether this rank does the work item of this index; the ranks take turns."""
    return index % trainer.world_size == trainer.global_rank


def stop_all(trainer: pl.Trainer, error: Exception) -> NoReturn:
    """End a run that all ranks have agreed to end: the first one says why, and the others exit quietly.

    Raises:
        Exception: ``error``, on the first rank.
        SystemExit: Elsewhere, with status 0: a launcher would kill the first rank for another one.
    """
    raise error if trainer.is_global_zero else SystemExit(0)
