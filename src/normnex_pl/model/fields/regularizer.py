"""Losses on stored values alone, whose gradients bypass the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def everything() -> list[slice]:
    """Select all rows of a parameter."""
    return [slice(None)]


class Regularizer:
    """A loss on the values of parameters, or on rows of them that are drawn anew each time.

    For a single row autograd computes a gradient of the whole parameter, nearly all of it zeros: for large
    textures that costs more than the loss itself. `add_gradient` touches the drawn rows alone, after the
    backward pass, as the trainers of Plenoxels (Fridovich-Keil et al. 2022) and DVGO (Sun et al. 2022) do.

    Args:
        loss: Loss of the values of a parameter's rows, unweighted.
        parameters: Parameters whose losses are summed.
        draw: Draws rows of each parameter; the loss is the mean over these slices.
        add: Adds the weighted gradient of the loss of rows to a given one in place, and returns the loss, as
            kernels do in one pass: ``(values, gradient, weight) -> loss``. None for autograd.
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
        """Compute the loss for differentiation by autograd."""
        return torch.stack([self._mean(parameter, self.draw()) for parameter in self.parameters]).sum()

    def add_gradient(self, weight: float) -> Float[Tensor, ""]:
        """Add the weighted gradient of the loss to the gradients of the parameters.

        Args:
            weight: Weight of the loss.

        Returns:
            The loss, unweighted.
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
