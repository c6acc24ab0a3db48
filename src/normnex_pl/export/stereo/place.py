"""Place the viewpoints of a layout around a camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera, MPIGeometry
from normnex_pl.export.stereo.eyes import Eyes, Viewpoints, median_depth, spread_viewpoints
from normnex_pl.export.stereo.layouts import StereoLayout, scale_camera

_COARSE = 1 / 4  # of the picture whose depth sets the convergence


def place_viewpoints(
    layout: StereoLayout,
    eyes: Eyes,
    camera: Camera,
    render: Callable[[Camera], Mapping[str, Tensor]],
    geometry: MPIGeometry,
    width: float,
) -> Viewpoints:
    """Return the viewpoints of a layout; what isn't given follows from the layout and from what is seen.

    Args:
        layout: Says how many there are.
        eyes: Of the user.
        camera: In the middle, with the intrinsics of a view.
        render: Returns disparity and acc of what a camera sees.
        geometry: Of the multiplane image.
        width: Of the capture, in world units.

    Raises:
        UserError: The capture has no width, which all distances of eyes are shares of.
    """
    if width <= 0:
        raise UserError(
            f"{layout.name}: expected photos from places beside each other, found one place, which says "
            "nothing of the distance of eyes. Choose another format, or leave --stereo out."
        )
    convergence = eyes.convergence
    if convergence is None:
        shown = render(scale_camera(camera, _COARSE))
        convergence = median_depth(shown["disparity"], shown["acc"], geometry.near, geometry.far)
    span = layout.span(width, convergence) if eyes.distance is None else eyes.distance * width
    return spread_viewpoints(layout.views, span, convergence)
