"""Percentiles of depths that near and far bounds leave out."""

from __future__ import annotations

from dataclasses import dataclass

from normnex_pl.core.errors import UserError


@dataclass(frozen=True)
class Percentiles:
    """The shares of points that may lie in front of the near bound and behind the far one.

    The defaults are those by which LLFF makes its ``poses_bounds.npy``.

    Attributes:
        near: Percentage of the depths that are smaller than the near bound.
        far: Percentage of the depths that are smaller than the far bound.
    """

    near: float = 0.1
    far: float = 99.9

    def __post_init__(self) -> None:
        if not 0 <= self.near < self.far <= 100:
            raise UserError(
                f"percentiles of the depths: expected 0 <= near < far <= 100, found near {self.near:g} and "
                f"far {self.far:g}. Choose others."
            )
