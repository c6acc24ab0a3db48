"""Cells of a layer that one splat each stands for, and joining those whose neighbours look alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Cells:
    """A grid of cells, some of which show something.

    Attributes:
        alpha: Opacity; 0 where there is nothing.
        disparity: Mean inverse depth.
        weight: The largest share of a pixel that a cell has in any view.
        color: Base colour.
    """

    alpha: Float[Tensor, "height width"]
    disparity: Float[Tensor, "height width"]
    weight: Float[Tensor, "height width"]
    color: Float[Tensor, "height width 3"]

    @property
    def shown(self) -> Bool[Tensor, "height width"]:
        """Where there is something."""
        return self.alpha > 0


@dataclass(frozen=True)
class Tolerance:
    """How much cells may differ that are joined.

    Attributes:
        color: Of colours, in a cell of full weight.
        alpha: Of opacities.
        disparity: Of inverse depths.
    """

    color: float
    alpha: float
    disparity: float


def group_planes(
    alpha: Float[Tensor, "plane height width"],
    weight: Float[Tensor, "plane height width"],
    disparities: Float[Tensor, "plane"],
    color: Float[Tensor, "height width 3"],
    spread: float,
) -> list[Cells]:
    """Composite consecutive planes of a layer where they are close together.

    Args:
        alpha: Opacities, front to back.
        weight: Largest share of a pixel in any view.
        disparities: Of the planes.
        color: Base colours, which the planes share.
        spread: How far, in disparity, a plane may be from the mean of those before it.

    Returns:
        Grids of cells, front to back at each place; the first one holds the foremost group of every place.
    """
    shape = alpha.shape[1:]
    groups: list[_Group] = []
    number = torch.full(shape, -1, device=alpha.device)  # of the group that is open at each place
    for opacity, share, disparity in zip(alpha, weight, disparities, strict=True):
        new = torch.ones_like(number, dtype=torch.bool)
        for index, group in enumerate(groups):
            open_here = (number == index) & ((group.mean - disparity).abs() <= spread)
            group.add(torch.where(open_here, opacity, 0), share, disparity)
            new &= ~open_here
        starts = new & (opacity > 0)
        number = torch.where(starts, number + 1, number)
        while len(groups) <= int(number.max()):
            groups.append(_Group(alpha.new_zeros(shape)))
        for index, group in enumerate(groups):
            group.add(torch.where(starts & (number == index), opacity, 0), share, disparity)
    return [group.cells(color) for group in groups]


class _Group:
    """Sums over the planes of a group."""

    def __init__(self, zeros: Float[Tensor, "height width"]) -> None:
        self._light, self._sum = torch.ones_like(zeros), zeros.clone()
        self._weight, self.mean = zeros.clone(), zeros.clone()

    def add(
        self,
        alpha: Float[Tensor, "height width"],
        share: Float[Tensor, "height width"],
        disparity: Float[Tensor, ""],
    ) -> None:
        """Add a plane where it is opaque."""
        self._sum += self._light * alpha * disparity
        self._light *= 1 - alpha
        self._weight += share * (alpha > 0)
        self.mean = self._sum / (1 - self._light).clamp(min=1e-8)

    def cells(self, color: Float[Tensor, "height width 3"]) -> Cells:
        """Return the group at all places."""
        return Cells(1 - self._light, self.mean, self._weight.clamp(max=1), color)


def join_neighbours(cells: Cells, tolerance: Tolerance, levels: int) -> list[Cells]:
    """Replace squares of 2 x 2 cells that look alike by one cell each, and those again.

    Args:
        cells: The finest grid.
        tolerance: How much they may differ: in colour the more, the less they weigh.
        levels: How often.

    Returns:
        The cells that remain on each grid, from the finest one; cells of the next grid are twice as wide.
    """
    remaining = []
    whole = cells.shown
    for _ in range(levels):
        coarse, alike = _joined(cells, whole, tolerance)
        height, width = cells.alpha.shape
        covered = alike.repeat_interleave(2, 0).repeat_interleave(2, 1)
        covered = F.pad(covered, (0, width - covered.shape[1], 0, height - covered.shape[0]))
        remaining.append(_masked(cells, whole & ~covered))
        cells, whole = _masked(coarse, alike), alike
        if not whole.any():
            return remaining
    return [*remaining, cells]


def _joined(
    cells: Cells, whole: Bool[Tensor, "height width"], tolerance: Tolerance
) -> tuple[Cells, Bool[Tensor, "half_height half_width"]]:
    """Return the means of squares of cells, and which squares look alike."""
    alpha, disparity, weight = (_squares(part) for part in (cells.alpha, cells.disparity, cells.weight))
    color = torch.stack([_squares(channel) for channel in cells.color.unbind(dim=-1)], dim=-1)
    heaviest = weight.amax(dim=-1)
    largest = _range(color, 2).amax(dim=-1)
    alike = (
        _squares(whole).all(dim=-1)
        & (largest * heaviest <= tolerance.color)
        & (_range(alpha, -1) <= tolerance.alpha)
        & (_range(disparity, -1) <= tolerance.disparity)
    )
    means = Cells(alpha.mean(dim=-1), disparity.mean(dim=-1), heaviest, color.mean(dim=2))
    return means, alike


def _squares(values: Tensor) -> Tensor:
    """Return the four values of each square of 2 x 2 cells, as the last axis."""
    height, width = (size // 2 * 2 for size in values.shape)
    parts = values[:height, :width].unflatten(0, (-1, 2)).unflatten(2, (-1, 2))
    return parts.transpose(1, 2).flatten(2)


def _range(values: Tensor, axis: int) -> Tensor:
    return values.amax(dim=axis) - values.amin(dim=axis)


def _masked(cells: Cells, keep: Bool[Tensor, "height width"]) -> Cells:
    return Cells(cells.alpha * keep, cells.disparity, cells.weight, cells.color)
