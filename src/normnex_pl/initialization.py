"""What the planes show before the first step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.geometry.cameras import sample_view
from normnex_pl.geometry.planes import canvas_grid, canvas_points
from normnex_pl.model import MPI
from normnex_pl.types import MPIGeometry, View

# So little counts a photo's border, repeated, where another photo sees the point: it shows where none does.
_UNSEEN = 1e-4


class Initialization(ABC):
    """Gives a multiplane image something to start from."""

    @abstractmethod
    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        """Changes the parameters of a multiplane image that has not learned anything yet.

        Args:
            mpi: On any device.
            views: The training views, on the device to compute on; cameras in the reference frame.
        """


class RandomStart(Initialization):
    """As the field makes itself: random base colours around grey. The paper's way."""

    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        """See the base class."""


class PlaneSweep(Initialization):
    """Each layer starts with what the photos show if all they see lay on it: the mean of a plane sweep.

    Where there is a surface the photos agree, and the layer at its depth starts with its colours; elsewhere
    they blur. From grey, in a short training, textures of many pixels stay grey: each texel is looked at a
    few dozen times. Coefficients of coarse textures then learn the colours instead, and with a specular part
    that can't darken, planes near the camera become fog.

    Plane sweep volumes: Collins, A space-sweep approach to true multi-image matching, CVPR 1996.
    """

    @torch.no_grad()
    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        """See the base class."""
        texture = mpi.field.base_color
        for layer, depth in enumerate(mpi.layer_depths.tolist()):
            colors = plane_sweep_mean(views, depth, mpi.geometry, *texture.raw.shape[-2:])
            texture.start_layer(layer, colors.movedim(-1, 0))


def plane_sweep_mean(
    views: Sequence[View], depth: float, geometry: MPIGeometry, height: int, width: int
) -> Float[Tensor, "height width 3"]:
    """Mean colour of the photos that see the points of a plane.

    Args:
        views: At least one; all on one device.
        depth: Of the plane in world units.
        geometry: The canvas.
        height: Texels of the result along the canvas.
        width: Texels of the result along the canvas.

    Returns:
        sRGB in [0, 1]. Where no photo sees the plane, the mean of their nearest border pixels.
    """
    grid = canvas_grid(height, width, views[0].camera.K.device)
    points = canvas_points(grid, torch.full_like(grid[..., 0], depth), geometry)
    total, weights = torch.zeros_like(points), torch.zeros_like(points[..., :1])
    for view in views:
        colors, seen = sample_view(view, points)
        weight = torch.where(seen, 1.0, _UNSEEN)[..., None]
        total += weight * colors
        weights += weight
    return total / weights
