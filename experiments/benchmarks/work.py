"""Count what a training step does: operations of matrix products, and bytes that move.

Counted on tensors without data (`normnex_pl.training.memory.fake_step`), on PyTorch's plain path, without
kernels of our own: what these save shows as a larger share of the roofline. Bytes are those that an
operation's inputs and outputs have; of a texture that is read at some places, those of the texels that are
read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
# Textures are read at a few texels a sample: the position of the texture among the arguments.
_READ_AT_PLACES = {
    aten.grid_sampler_2d: 0,
    aten.grid_sampler_3d: 0,
    aten.index: 0,
    aten.grid_sampler_2d_backward: 1,
    aten.grid_sampler_3d_backward: 1,
}
_PRODUCTS = {torch.bfloat16: "bf16", torch.float16: "bf16", torch.float32: "fp32", torch.float64: "fp32"}


@dataclass
class Work:
    """What was counted.

    Attributes:
        flops: Operations of matrix products, by the precision of their inputs: ``fp32`` or ``bf16``.
        num_bytes: Read and written by all operations.
        operations: How many were called.
        pieces: Each operation's (precision, flops, bytes).
    """

    flops: dict[str, float] = field(default_factory=dict)
    num_bytes: float = 0.0
    operations: int = 0
    pieces: list[tuple[str, float, float]] = field(default_factory=list)

    def milliseconds(self, ceilings: dict[str, float], tf32: bool) -> float:
        """Return the time that it takes at least if each operation ran at the machine's ceiling.

        Args:
            ceilings: Operations a second in ``fp32``, ``tf32`` and ``bf16``, and bytes a second in ``copy``.
            tf32: Whether products in float32 may round to TF32.
        """
        rates = ceilings | {"fp32": ceilings["tf32"] if tf32 else ceilings["fp32"]}
        return 1000 * sum(
            max(flops / rates[precision], size / ceilings["copy"]) for precision, flops, size in self.pieces
        )


class WorkCounter(TorchDispatchMode):
    """Count all operations while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Work()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it, unless it is a view."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func.namespace == "aten" and not func.is_view and func._schema.name not in _FREE:
            self._count(func, args, kwargs, out)
        return out

    def _count(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        packet = func._overloadpacket
        inputs, outputs = _tensors((args, kwargs)), _tensors(out)
        size = sum(map(_bytes, inputs)) + sum(map(_bytes, outputs)) + _written(func, args, kwargs, outputs)
        if packet in _READ_AT_PLACES:
            texture = args[_READ_AT_PLACES[packet]]
            size += min(0, _touched(packet, args, outputs) - _bytes(texture))
        flops, precision = 0.0, "fp32"
        if packet in flop_registry and inputs:
            flops = float(flop_registry[packet](*args, **kwargs, out_val=out))
            precision = _PRODUCTS.get(inputs[0].dtype, "fp32")
        self.work.operations += 1
        self.work.num_bytes += size
        self.work.flops[precision] = self.work.flops.get(precision, 0.0) + flops
        self.work.pieces.append((precision, flops, size))


# They reserve memory, or look at a tensor's description alone.
_FREE = {
    "aten::empty",
    "aten::empty_like",
    "aten::empty_strided",
    "aten::new_empty",
    "aten::detach",
    "aten::alias",
}


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _bytes(tensor: Tensor) -> float:
    """Bytes in memory: repeated ones once."""
    return min(tensor.numel() * tensor.itemsize, tensor.untyped_storage().nbytes())


def _written(func: Any, args: Any, kwargs: Any, outputs: list[Tensor]) -> float:
    """Bytes of arguments that are changed in place and not returned, such as those of an optimiser.

    Its gradients may be changed by a scale, which is never used here.
    """
    returned = {id(tensor) for tensor in outputs}
    schema = func._schema.arguments
    values = list(args) + [kwargs.get(argument.name) for argument in schema[len(args) :]]
    changed = (
        value
        for argument, value in zip(schema, values, strict=True)
        if argument.alias_info is not None and argument.alias_info.is_write and argument.name != "grads"
    )
    return sum(_bytes(tensor) for tensor in _tensors(list(changed)) if id(tensor) not in returned)


def _touched(packet: Any, args: Any, outputs: list[Tensor]) -> float:
    """Bytes of a texture that are read: four or eight texels a sample, or one of an index."""
    if packet is aten.index:
        return sum(map(_bytes, outputs))
    samples = outputs[0] if packet in (aten.grid_sampler_2d, aten.grid_sampler_3d) else args[0]
    corners = 8 if packet in (aten.grid_sampler_3d, aten.grid_sampler_3d_backward) else 4
    return corners * _bytes(samples)
