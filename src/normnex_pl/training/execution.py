"""Execution of a training step: operation by operation, or as one recorded graph."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten
from typing_extensions import override

from normnex_pl.core.types import RayBatch
from normnex_pl.training.losses.terms import RayLosses

# Renders a batch and computes its losses: a function of the batch, the parameters and the buffers, which runs
# the same operations each time.
LossFunction = Callable[[RayBatch], RayLosses]


class Execution(ABC):
    """Evaluate the losses of a batch, so that ``total.backward()`` gives the gradients.

    Attributes:
        keeps_memory: Whether the memory of a step stays allocated until `release`.
    """

    keeps_memory: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, function: LossFunction, parameters: nn.Module, batch: RayBatch) -> RayLosses:
        """Evaluate the losses.

        Args:
            function: The losses.
            parameters: The module whose parameters learn.
            batch: Rays; batches of one training have one shape.
        """

    @abstractmethod
    def release(self) -> None:
        """Free what was kept from one step to the next."""


class Eager(Execution):
    """Operation by operation, on any device."""

    @override
    def __call__(self, function: LossFunction, parameters: nn.Module, batch: RayBatch) -> RayLosses:
        return function(batch)

    @override
    def release(self) -> None:
        pass


class CudaGraph(Execution):
    """Record the first step's kernels, forward and backward, and replay them.

    A step of the fast preset is hundreds of small kernels, and launching them one by one takes longer than
    running them. On a CPU, and with several processes, this is `Eager`: while one thread records, no other
    may use the device, as the communication of the processes does. Each backward pass writes its gradients
    over those of the last one: they can't be accumulated over batches.
    """

    keeps_memory = True

    def __init__(self) -> None:
        self._graph: FlatLosses | None = None

    @override
    def __call__(self, function: LossFunction, parameters: nn.Module, batch: RayBatch) -> RayLosses:
        if not self._can_record(batch):
            return function(batch)
        inputs, structure = tree_flatten(batch)
        if self._graph is None:
            self._graph = self._record(FlatLosses(function, parameters, structure), inputs)
        return self._graph.result(self._graph(*inputs))

    def _can_record(self, batch: RayBatch) -> bool:
        return batch.rgb.is_cuda and not torch.distributed.is_initialized()

    def _record(self, graph: FlatLosses, inputs: list[Tensor]) -> FlatLosses:
        samples = tuple(values.clone() for values in inputs)
        with warnings.catch_warnings():
            # torch 2.11 warms up on another stream than it records on, and warns about its own choice.
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


class FlatLosses(nn.Module):
    """Losses as a function from tensors to tuples of tensors, which is what a graph can be made of.

    Args:
        function: The losses.
        parameters: The module whose parameters learn.
        inputs: The structure of the batches, whose tensors `forward` takes.
    """

    def __init__(self, function: LossFunction, parameters: nn.Module, inputs: TreeSpec) -> None:
        super().__init__()
        self._inputs = inputs
        self.parameters_of = parameters
        self.function = function
        self._structure: TreeSpec | None = None  # of `RayLosses`, known once the function has run

    @override
    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        leaves, self._structure = tree_flatten(self.function(tree_unflatten(values, self._inputs)))
        return tuple(leaves)

    def result(self, values: tuple[Tensor, ...]) -> RayLosses:
        """Return the losses that a tuple of `forward` stands for.

        They are copied, since they are read later, and the next step writes to the graph's own memory.
        """
        assert self._structure is not None
        result: RayLosses = tree_unflatten(values, self._structure)
        return replace(result, losses={name: value.clone() for name, value in result.losses.items()})
