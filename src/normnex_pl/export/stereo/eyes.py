"""Viewpoints beside each other, whose pictures meet at one depth: pure functions of a camera.

The cameras stay parallel, and their principal points are shifted instead (asymmetric frusta). Cameras that
were turned towards a point would raise and lower points at the sides differently for each eye, which hurts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera
from normnex_pl.export.paths import CAPTURE_METRES

EYE_METRES = 0.063
# Of the capture's width, which stands for the distance of a person's eyes.
EYE_SHARE = EYE_METRES / CAPTURE_METRES
_COVERED = 0.5  # opacity of a pixel whose depth counts


@dataclass(frozen=True)
class Eyes:
    """Where the viewpoints stand.

    Attributes:
        distance: Between the outermost ones, as a share of the capture's width; None for the layout's
            default.
        convergence: Depth at which all pictures agree, from the camera, in world units; None for the median
            of what the middle camera sees.
    """

    distance: float | None = None
    convergence: float | None = None

    def __post_init__(self) -> None:
        """Raise a UserError if a number is out of range."""
        for name, value in (("eye_distance", self.distance), ("convergence", self.convergence)):
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise UserError(f"--{name}: expected a positive number, found {value:g}.")


@dataclass(frozen=True)
class Viewpoints:
    """Viewpoints relative to a camera.

    Attributes:
        offsets: To the right, in world units, from left to right.
        convergence: Depth at which the pictures agree, in world units.
    """

    offsets: tuple[float, ...]
    convergence: float

    def around(self, camera: Camera) -> list[Camera]:
        """Return the cameras of the viewpoints, from left to right."""
        return [eye_camera(camera, offset, self.convergence) for offset in self.offsets]


def spread_viewpoints(count: int, span: float, convergence: float) -> Viewpoints:
    """Return viewpoints at equal distances.

    Args:
        count: At least two.
        span: Between the first and the last, in world units.
        convergence: Depth at which their pictures agree.
    """
    return Viewpoints(tuple(span * (i / (count - 1) - 0.5) for i in range(count)), convergence)


def eye_camera(camera: Camera, offset: float, convergence: float) -> Camera:
    """Move a camera to its right, and its principal point so that points at the convergence stay in place.

    A point at depth Z moves to the left by fx offset / Z pixels; the principal point moves back by
    fx offset / convergence. Nearer points then have a crossed disparity: they float in front of the screen.
    """
    K, c2w = camera.K.clone(), camera.c2w.clone()
    K[0, 2] += K[0, 0] * offset / convergence
    c2w[:, 3] += offset * c2w[:, 0]
    return replace(camera, K=K, c2w=c2w)


def median_depth(
    disparity: Float[Tensor, "height width"], acc: Float[Tensor, "height width"], near: float, far: float
) -> float:
    """Return the depth in the middle of a picture's disparities.

    Args:
        disparity: Expected inverse depths, weighted by the opacity.
        acc: Opacities.
        near: Depth of the first plane, for pictures that show nothing.
        far: Depth of the last plane, likewise.
    """
    shown = acc > _COVERED
    if not bool(shown.any()):
        return 2 / (1 / near + 1 / far)
    return float(1 / torch.median(disparity[shown] / acc[shown]))
