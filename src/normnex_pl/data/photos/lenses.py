"""How a camera makes its picture: intrinsics for photos of one size, and distortion, which is removed here.

Distortion is that of OpenCV, with coefficients in its order (k1, k2, p1, p2, k3, k4, k5, k6); COLMAP's
models SIMPLE_RADIAL, RADIAL, OPENCV and FULL_OPENCV and nerfstudio's keys are special cases. It acts on
coordinates of the plane z = 1, so that scaling a photo doesn't change it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from kornia.geometry.calibration import distort_points
from torch import Tensor

from normnex_pl.core.errors import UserError

_ASPECT_TOLERANCE = 0.01
_LARGEST = 1e9
# kornia takes these numbers of coefficients; missing ones are zero.
_COEFFICIENT_COUNTS = (4, 5, 8)
# Beyond a zoom of 2 in either direction the coefficients are those of no lens that a pinhole can replace.
_ZOOM_STEPS = np.geomspace(0.5, 2, 101)
_BISECTIONS = 40
_RADII = 33


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


@dataclass(frozen=True)
class Undistortion:
    """Where an undistorted picture takes its pixels from.

    Attributes:
        K: Intrinsics of the undistorted picture, which has the size of the photo.
        grid: Places in the photo, in [-1, 1] from border to border.
    """

    K: Float[np.ndarray, "3 3"]
    grid: Float[Tensor, "height width 2"]


def check_lens(where: str, lens: CameraIntrinsics) -> None:
    """Raise a UserError unless sizes and focal lengths are positive and the centre lies in the image.

    Args:
        where: File and place in it, for the message.
        lens: What was read there.
    """
    # Chained comparisons, since NaN fails them.
    plausible = all(1 <= size < _LARGEST for size in (lens.height, lens.width))
    plausible &= all(0 < focal < _LARGEST for focal in (lens.fx, lens.fy))
    if not (plausible and 0 < lens.cx < lens.width and 0 < lens.cy < lens.height):
        raise UserError(
            f"{where}: expected a positive height, width and focal length in pixels, and a "
            f"principal point inside the image, found height {lens.height:g}, width {lens.width:g}, "
            f"fx {lens.fx:g}, fy {lens.fy:g}, cx {lens.cx:g}, cy {lens.cy:g}. Estimate the poses again."
        )
    if not np.isfinite(lens.distortion).all():
        raise UserError(
            f"{where}: expected finite distortion coefficients, found {_listed(lens.distortion)}. "
            "Estimate the poses again."
        )


def check_aspect(source: str, lens: CameraIntrinsics, width: int, height: int) -> None:
    """Raise a UserError if a photo can't be a scaled copy of the one that the lens belongs to.

    One percent is allowed, or one pixel where rounding the size of small copies is more than that.

    Args:
        source: The file that the lens comes from, for the message.
        lens: Of the photo that the pose was estimated from.
        width: Of the photo at hand.
        height: Of the photo at hand.
    """
    expected = width * lens.height / lens.width
    if not abs(height - expected) <= max(_ASPECT_TOLERANCE * expected, 1):
        raise UserError(
            f"{source}: expected photos shaped like the {lens.width:g}x{lens.height:g} "
            f"pixels that the poses were estimated from, found {width}x{height}. If the photos were "
            "cropped or turned (also by EXIF) since, undo that; otherwise estimate the poses again."
        )


def intrinsic_matrix(lens: CameraIntrinsics, width: int, height: int) -> Float[np.ndarray, "3 3"]:
    """Build K for a photo of another size than the lens is given for.

    With pixel centres at integer + 0.5, borders have whole coordinates, so everything scales in proportion.

    Args:
        lens: Its distortion doesn't enter.
        width: Width of the loaded photo in pixels.
        height: Height of the loaded photo in pixels.

    Returns:
        Intrinsics in pixels of the loaded photo.
    """
    x, y = width / lens.width, height / lens.height
    return np.array([[lens.fx * x, 0, lens.cx * x], [0, lens.fy * y, lens.cy * y], [0, 0, 1]])


def in_picture(
    points: Float[np.ndarray, "point 3"],
    K: Float[np.ndarray, "3 3"],
    c2w: Float[np.ndarray, "3 4"],
    size: tuple[float, float],
) -> Bool[np.ndarray, "point"]:
    """Return whether points are in front of a pinhole camera and in its picture of a size.

    Width and height.
    """
    with np.errstate(all="ignore"):  # points at infinity and in the camera's plane fail the comparisons
        in_camera = (points - c2w[:, 3]) @ c2w[:, :3]
        uvw = in_camera @ K.T
        uv = uvw[:, :2] / uvw[:, 2:]
    return ((uv >= 0) & (uv <= size)).all(axis=1) & (in_camera[:, 2] > 0)


def undistortion(where: str, lens: CameraIntrinsics, width: int, height: int) -> Undistortion:
    """Find the pinhole camera that replaces a lens, and where its pixels come from.

    The pinhole keeps size, principal point and the ratio of the focal lengths. It sees as much as it can
    without seeing anything that the photo doesn't have: no black corners, which training would learn.

    Args:
        where: File and place in it, for messages.
        lens: With distortion.
        width: Width of the loaded photo in pixels.
        height: Height of the loaded photo in pixels.

    Raises:
        UserError: The coefficients would fold the picture, or leave hardly anything of it.
    """
    K = intrinsic_matrix(lens, width, height)
    new_K = K.copy()
    new_K[[0, 1], [0, 1]] *= _enclosed_zoom(where, lens, K, width, height)
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    pixels = torch.stack([columns, rows], dim=-1).reshape(-1, 2) + 0.5
    places = _distort(pixels, K, lens.distortion, new_K)
    grid = 2 * places / torch.tensor([width, height]) - 1
    return Undistortion(K=new_K, grid=grid.reshape(height, width, 2).float())


def undistort(
    image: UInt8[Tensor, "height width 3"], mapping: Undistortion
) -> UInt8[Tensor, "height width 3"]:
    """Resample a photo, bicubically: the picture that the pinhole of the mapping takes."""
    channels = image.movedim(-1, 0)[None].float()
    sampled = F.grid_sample(
        channels, mapping.grid[None], mode="bicubic", padding_mode="border", align_corners=False
    )
    return sampled[0].movedim(0, -1).round().clamp(0, 255).to(torch.uint8)


def _distort(
    pixels: Float[Tensor, "point 2"],
    K: Float[np.ndarray, "3 3"],
    distortion: tuple[float, ...],
    pinhole: Float[np.ndarray, "3 3"],
) -> Float[Tensor, "point 2"]:
    """Take pixels of a pinhole camera to where the lens shows the same directions.

    kornia's own `undistort_image` counts from pixel centres; points may count from anywhere, as K does.
    """
    count = next(number for number in _COEFFICIENT_COUNTS if len(distortion) <= number)
    coefficients = pixels.new_tensor([*distortion, *[0.0] * (count - len(distortion))])
    return distort_points(pixels, pixels.new_tensor(K), coefficients, pixels.new_tensor(pinhole))


def _enclosed_zoom(
    where: str, lens: CameraIntrinsics, K: Float[np.ndarray, "3 3"], width: int, height: int
) -> float:
    """Return the smallest factor on the focal lengths that leaves all pixels inside the photo."""
    border = _border_pixels(width, height)
    centre = torch.tensor(K[:2, 2])

    def encloses(zoom: float) -> bool:
        # Directions that a zoomed pinhole sees, as pixels of the unzoomed one.
        places = _distort((border - centre) / zoom + centre, K, lens.distortion, K)
        limits = torch.tensor([width - 0.5, height - 0.5]) + 1e-6
        return bool(((places >= 0.5 - 1e-6) & (places <= limits)).all())

    found = [encloses(zoom) for zoom in _ZOOM_STEPS]
    # From the largest zoom down to where the border leaves the photo: behind a fold it may come back.
    first = len(found) - found[::-1].index(False) if False in found else 0
    if first in (0, len(found)) or _folds((border - centre) / _ZOOM_STEPS[first] + centre, lens, K):
        raise UserError(
            f"{where}: expected the distortion of a lens, found coefficients that a picture of "
            f"{width}x{height} pixels can't be freed from ({_listed(lens.distortion)}). Undistort the photos "
            "with the program that estimated them, or estimate the poses again."
        )
    low, high = _ZOOM_STEPS[first - 1], _ZOOM_STEPS[first]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if encloses(middle) else (middle, high)
    return float(high)


def _folds(border: Float[Tensor, "point 2"], lens: CameraIntrinsics, K: Float[np.ndarray, "3 3"]) -> bool:
    """Return whether going straight from the centre to the border ever goes back in the photo."""
    centre = torch.tensor(K[:2, 2])
    radii = torch.linspace(0, 1, _RADII, dtype=border.dtype)[:, None, None]
    pixels = ((border - centre) * radii + centre).reshape(-1, 2)
    offsets = _distort(pixels, K, lens.distortion, K).reshape(_RADII, -1, 2) - centre
    return not bool((offsets.norm(dim=-1).diff(dim=0) > 0).all())


def _border_pixels(width: int, height: int) -> Float[Tensor, "point 2"]:
    """Centres of the pixels along the four borders."""
    columns = torch.arange(width, dtype=torch.float64) + 0.5
    rows = torch.arange(height, dtype=torch.float64) + 0.5
    horizontal = [torch.stack([columns, torch.full_like(columns, y)], dim=1) for y in (0.5, height - 0.5)]
    vertical = [torch.stack([torch.full_like(rows, x), rows], dim=1) for x in (0.5, width - 0.5)]
    return torch.cat([*horizontal, *vertical])


def _listed(coefficients: tuple[float, ...]) -> str:
    """Numbers as people write them."""
    return ", ".join(f"{value:g}" for value in coefficients)
