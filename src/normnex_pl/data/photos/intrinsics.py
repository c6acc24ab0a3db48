"""Intrinsics of a camera for pictures of one size, with the distortion of its lens.

Distortion is that of OpenCV, with coefficients in its order (k1, k2, p1, p2, k3, k4, k5, k6); COLMAP's
models SIMPLE_RADIAL, RADIAL, OPENCV and FULL_OPENCV and nerfstudio's keys are special cases. It acts on
coordinates of the plane z = 1, so that scaling a photo doesn't change it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from normnex_pl.core.errors import UserError

_ASPECT_TOLERANCE = 0.01
_LARGEST = 1e9


@dataclass(frozen=True)
class CameraIntrinsics:
    """Intrinsics for pictures of ``width`` x ``height``; pixel centres at integer + 0.5.

    Attributes:
        width: In pixels; as the files have it, so that it may differ from that of the photos at hand.
        height: In pixels.
        fx: Horizontal focal length in pixels.
        fy: Vertical focal length in pixels.
        cx: Principal point in pixels, from the left border.
        cy: Principal point in pixels, from the upper border.
        distortion: At most eight coefficients in OpenCV's order; those that are left out are zero.
    """

    width: float
    height: float
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()

    @property
    def is_pinhole(self) -> bool:
        """Whether there is nothing to undistort."""
        return not any(self.distortion)

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """K, without the distortion."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)

    def scaled_to(self, width: int, height: int) -> CameraIntrinsics:
        """Return the intrinsics for the same picture at another size.

        With pixel centres at integer + 0.5, borders have whole coordinates: everything scales in proportion.

        Args:
            width: Of the scaled picture in pixels.
            height: Of the scaled picture in pixels.
        """
        x, y = width / self.width, height / self.height
        return replace(
            self,
            width=float(width),
            height=float(height),
            fx=self.fx * x,
            fy=self.fy * y,
            cx=self.cx * x,
            cy=self.cy * y,
        )


def check_intrinsics(where: str, intrinsics: CameraIntrinsics) -> None:
    """Raise a UserError unless sizes and focal lengths are positive and the centre lies in the image.

    Args:
        where: File and place in it, for the message.
        intrinsics: As read there.
    """
    # Chained comparisons, since NaN fails them.
    plausible = all(1 <= size < _LARGEST for size in (intrinsics.height, intrinsics.width))
    plausible &= all(0 < focal < _LARGEST for focal in (intrinsics.fx, intrinsics.fy))
    plausible &= 0 < intrinsics.cx < intrinsics.width and 0 < intrinsics.cy < intrinsics.height
    if not plausible:
        raise UserError(
            f"{where}: expected a positive height, width and focal length in pixels, and a principal point "
            f"inside the image, found height {intrinsics.height:g}, width {intrinsics.width:g}, "
            f"fx {intrinsics.fx:g}, fy {intrinsics.fy:g}, cx {intrinsics.cx:g}, cy {intrinsics.cy:g}. "
            "Estimate the poses again."
        )
    if not np.isfinite(intrinsics.distortion).all():
        found = ", ".join(f"{value:g}" for value in intrinsics.distortion)
        raise UserError(
            f"{where}: expected finite distortion coefficients, found {found}. Estimate the poses again."
        )


def check_aspect(source: str, intrinsics: CameraIntrinsics, width: int, height: int) -> None:
    """Raise a UserError if a photo can't be a scaled copy of the one that the intrinsics belong to.

    One percent is allowed, or one pixel where rounding the size of small copies is more than that.

    Args:
        source: The file that the intrinsics come from, for the message.
        intrinsics: Of the photo that the pose was estimated from.
        width: Of the photo at hand.
        height: Of the photo at hand.
    """
    expected = width * intrinsics.height / intrinsics.width
    if not abs(height - expected) <= max(_ASPECT_TOLERANCE * expected, 1):
        raise UserError(
            f"{source}: expected photos shaped like the {intrinsics.width:g}x{intrinsics.height:g} "
            f"pixels that the poses were estimated from, found {width}x{height} as stored, before any turn "
            "by EXIF. If the photos were cropped or turned since, undo that; if the poses belong to photos "
            "that were turned by EXIF, turn the stored pixels too; otherwise estimate the poses again."
        )


def in_picture(
    points: Float[np.ndarray, "point 3"], c2w: Float[np.ndarray, "3 4"], intrinsics: CameraIntrinsics
) -> Bool[np.ndarray, "point"]:
    """Return whether points are in front of a camera and project into its picture.

    Args:
        points: In world coordinates.
        c2w: Camera to world in OpenCV axes.
        intrinsics: Of the camera; their distortion is ignored.
    """
    with np.errstate(all="ignore"):  # points at infinity and in the camera's plane fail the comparisons
        in_camera = (points - c2w[:, 3]) @ c2w[:, :3]
        uvw = in_camera @ intrinsics.matrix.T
        uv = uvw[:, :2] / uvw[:, 2:]
    size = (intrinsics.width, intrinsics.height)
    return ((uv >= 0) & (uv <= size)).all(axis=1) & (in_camera[:, 2] > 0)
