"""Losses on stored values alone, whose gradients don't go through autograd's bookkeeping."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def everything() -> list[slice]:
    """Return all rows of a parameter."""
    return [slice(None)]


class Regularizer:
    """A loss on the values of parameters, or on rows of them that are drawn anew each time.

    Autograd makes a gradient of the whole parameter for a single row, zeros for nearly all of it: for large
    textures that costs more than the loss itself. `add_gradient` touches the drawn rows alone, behind the
    backward pass, as the trainers of Plenoxels (Fridovich-Keil et al. 2022) and DVGO (Sun et al. 2022) do.

    Args:
        loss: Of the values of a parameter's rows, unweighted.
        parameters: Their losses are summed.
        draw: Which rows of each parameter; the mean over these slices is taken.
        add: Adds the gradient of the loss of rows, times a weight, to another one in place, and returns the
            loss: what a kernel does in one pass. None for autograd.
    """

    def __init__(
        self,
        loss: Callable[[Tensor], Tensor],
        parameters: Sequence[nn.Parameter],
        draw: Callable[[], list[slice]] = everything,
        add: Callable[[Tensor, Tensor, float], Tensor] | None = None,
    ) -> None:
        self.loss = loss
        self.parameters = tuple(parameters)
        self.draw = draw
        self.add = add

    def __call__(self) -> Float[Tensor, ""]:
        """Return the loss, differentiable in the usual way."""
        return torch.stack([self._mean(parameter, self.draw()) for parameter in self.parameters]).sum()

    def add_gradient(self, weight: float) -> Float[Tensor, ""]:
        """Add the loss's gradient, times a weight, to the parameters' and return the loss.

        Args:
            weight: Of the loss.
        """
        total = []
        for parameter in self.parameters:
            rows = self.draw()
            values = parameter.detach()
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(values)
            for part in rows:
                loss = self._add(values[part], parameter.grad[part], weight / len(rows))
                total.append(loss / len(rows))
        return torch.stack(total).sum()

    def _add(self, values: Tensor, gradient: Tensor, weight: float) -> Tensor:
        if self.add is not None:
            return self.add(values, gradient, weight)
        chosen = values.requires_grad_()
        with torch.enable_grad():
            loss = self.loss(chosen)
        (by_chosen,) = torch.autograd.grad(loss, chosen)
        gradient.add_(by_chosen, alpha=weight)
        return loss.detach()

    def _mean(self, parameter: nn.Parameter, rows: Sequence[slice]) -> Tensor:
        return torch.stack([self.loss(parameter[part]) for part in rows]).mean()
