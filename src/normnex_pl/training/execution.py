"""How a training step renders and compares rays: operation by operation, or as one recorded graph."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.core.types import RayBatch, Rays

# Weights of the layers; predicted normals; target normals.
ComparedNormals = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class RayLosses:
    """What a batch of rays gives.

    Attributes:
        total: The sum of the losses by weight, to be differentiated.
        losses: Unweighted and detached, by their names in `LossWeights`.
        normals: Of the triplets' first rays, detached; None where normals aren't learned.
    """

    total: Tensor
    losses: dict[str, Tensor]
    normals: ComparedNormals | None


# Renders and compares a batch. It depends on the batch, on parameters and buffers alone, and always in the
# same way.
LossFunction = Callable[[RayBatch], RayLosses]


class Execution(ABC):
    """Evaluate the losses of a batch, so that ``total.backward()`` gives the gradients.

    Attributes:
        keeps_memory: Whether what a step takes stays taken until `release`.
    """

    keeps_memory: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, function: LossFunction, parameters: nn.Module, batch: RayBatch) -> RayLosses:
        """Evaluate.

        Args:
            function: The losses.
            parameters: The module whose parameters learn.
            batch: Rays; batches of one training have one shape.
        """

    def release(self) -> None:
        """Forget what was kept from one step to the next."""
        return


class Eager(Execution):
    """Operation by operation, on any device."""

    @override
    def __call__(self, function: LossFunction, parameters: nn.Module, batch: RayBatch) -> RayLosses:
        return function(batch)


class CudaGraph(Execution):
    """Record the first step's kernels, forward and backward, and replay them.

    A step of the fast preset is hundreds of small kernels, and launching them one by one takes longer than
    running them. On other devices than CUDA's, and with several processes, this is `Eager`: while one thread
    records, no other may ask the device anything, as the processes' communication does. Each backward pass
    writes its gradients where the last one's were: they can't be summed over batches.
    """

    keeps_memory = True

    def __init__(self) -> None:
        self._graph: _Flat | None = None

    @override
    def __call__(self, function: LossFunction, parameters: nn.Module, batch: RayBatch) -> RayLosses:
        if not self._can_record(batch):
            return function(batch)
        inputs = (batch.rays.origins, batch.rays.directions, batch.rgb)
        if self._graph is None:
            self._graph = self._record(_Flat(function, parameters), inputs)
        return self._graph.result(self._graph(*inputs))

    def _can_record(self, batch: RayBatch) -> bool:
        return batch.rgb.is_cuda and not torch.distributed.is_initialized()

    def _record(self, graph: _Flat, inputs: tuple[Tensor, ...]) -> _Flat:
        samples = tuple(values.clone() for values in inputs)
        with warnings.catch_warnings():
            # torch 2.11 warms up on another stream than it records on, and warns of that itself.
            warnings.filterwarnings("ignore", "The AccumulateGrad node's stream", UserWarning)
            # Replaces the module's `forward` by the replay.
            torch.cuda.make_graphed_callables(graph, samples, allow_unused_input=True)
        return graph

    @override
    def release(self) -> None:
        self._graph = None

    def __deepcopy__(self, memo: object) -> CudaGraph:
        return CudaGraph()

    def __reduce__(self) -> tuple[type[CudaGraph], tuple[()]]:
        return CudaGraph, ()


class _Flat(nn.Module):
    """The losses as tuples of tensors, which is what a graph can be made of."""

    def __init__(self, function: LossFunction, parameters: nn.Module) -> None:
        super().__init__()
        self.parameters_of = parameters
        self.function = function
        self.names: tuple[str, ...] = ()

    def forward(self, origins: Tensor, directions: Tensor, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return the total, the losses, the normals."""
        result = self.function(RayBatch(Rays(origins, directions), rgb))
        self.names = tuple(result.losses)
        return result.total, *result.losses.values(), *(result.normals or ())

    def result(self, values: tuple[Tensor, ...]) -> RayLosses:
        """What the tuple means.

        Losses are copied, since they are read later, and the next step writes to the graph's own memory.
        """
        total, *rest = values
        count = len(self.names)
        losses = {name: value.clone() for name, value in zip(self.names, rest[:count], strict=True)}
        if len(rest) == count:
            return RayLosses(total, losses, None)
        weights, predicted, target = rest[count:]
        return RayLosses(total, losses, (weights, predicted, target))
