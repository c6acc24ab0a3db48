"""Closed camera paths around the place from which a scene was captured: pure functions of a `Rig`.

A path is a function of a rig and a number of frames, which are evenly spread over a loop, so that the first
frame follows the last one. To add a path, write such a function and name it in `PATHS`.

Cameras are camera-to-world matrices in OpenCV axes, in the frame of the multiplane image (world units).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import MPIGeometry

# As in LLFF, https://github.com/Fyusion/LLFF: the quantile of the training cameras' distances from the
# centre, and the depth between the planes, linear in disparity, at which the camera looks.
_TYPICAL = 0.9
_FOCUS_SHARE = 0.75
_SPIRAL_TURNS = 2
# The scale of a capture is arbitrary: where metres are needed, its width is taken as that of a hand-held one.
CAPTURE_METRES = 0.4
# No path approaches the first plane by more than this share of the distance, ...
_LARGEST_APPROACH = 0.5
# ... nor does an orbit turn by more than this: beyond it, gaps between the planes show.
_LARGEST_TURN = math.radians(30)


@dataclass(frozen=True)
class Rig:
    """The region from which a scene may be viewed.

    Attributes:
        frame: Camera to world of the central camera: at the mean position, in the mean direction.
        reach: How far a path may depart from the middle along the frame's axes (right, down, forward), world
            units.
        near: Distance from the middle to the first plane along the frame's forward axis, world units.
        focus: Distance to the point that a camera looks at, likewise: between the first and the last plane.
    """

    frame: Float[Tensor, "3 4"]
    reach: Float[Tensor, "3"]
    near: float
    focus: float

    def scaled(self, factor: float) -> Rig:
        """Scale the reach by a factor."""
        return replace(self, reach=self.reach * factor)


@dataclass(frozen=True)
class CameraPath:
    """The cameras of a video, frame by frame.

    Attributes:
        c2w: Camera to world.
        eyes: Points from which the colours are seen, in world space: the cameras' own positions, except to
            tell view-dependent colours from geometry.
    """

    c2w: Float[Tensor, "frame 3 4"]
    eyes: Float[Tensor, "frame 3"]


def rig_of_cameras(c2w: Float[Tensor, "view 3 4"], geometry: MPIGeometry) -> Rig:
    """Return the rig of a capture.

    The middle is the cameras' mean position; its rotation is the one nearest to their mean (orthogonal
    Procrustes). The reach is LLFF's: along each axis, the 90th percentile of the distances from the middle.

    Args:
        c2w: Training cameras.
        geometry: Gives the depth range.
    """
    cameras = c2w.double()
    u, _, vt = torch.linalg.svd(cameras[:, :, :3].mean(dim=0))
    position = cameras[:, :, 3].mean(dim=0)
    distances = ((cameras[:, :, 3] - position) @ (u @ vt)).abs()
    frame = torch.cat([u @ vt, position[:, None]], dim=1)
    return _rig(frame, distances.quantile(_TYPICAL, dim=0), geometry)


def rig_of_geometry(geometry: MPIGeometry) -> Rig:
    """Return the rig of a multiplane image of unknown capture: as far as its padding reaches.

    Moving sideways by d shifts the first plane by fx d / near pixels: by the padding at most.
    """
    across = [geometry.padding * geometry.near / focal for focal in (geometry.fx, geometry.fy)]
    return _rig(torch.eye(3, 4).double(), torch.tensor([*across, 0.0]).double(), geometry)


def capture_width(c2w: Float[Tensor, "view 3 4"]) -> float:
    """Return how far apart the outermost cameras of a capture stand, sideways or upwards, in world units.

    Args:
        c2w: Training cameras, in the reference frame.
    """
    return float((c2w[:, :2, 3].amax(dim=0) - c2w[:, :2, 3].amin(dim=0)).max())


def spiral(rig: Rig, num_frames: int) -> CameraPath:
    """Follow LLFF's render path: twice around an ellipse, once forward and back, looking at one point."""
    turn = _loop(num_frames)
    around = _SPIRAL_TURNS * turn
    local = torch.stack([around.cos(), around.sin(), turn.sin()], dim=-1) * rig.reach
    return _looking_at_focus(rig, local)


def orbit(rig: Rig, num_frames: int) -> CameraPath:
    """Circle once around the line of sight, at a constant distance from the point looked at."""
    turn = _loop(num_frames)
    largest = (rig.reach[:2] / rig.focus).clamp(max=math.sin(_LARGEST_TURN)).asin()
    azimuth, elevation = largest[0] * turn.cos(), largest[1] * turn.sin()
    towards_camera = torch.stack(
        [azimuth.sin() * elevation.cos(), elevation.sin(), -azimuth.cos() * elevation.cos()], dim=-1
    )
    return _looking_at_focus(rig, rig.focus * (towards_camera + towards_camera.new_tensor([0, 0, 1])))


def dolly(rig: Rig, num_frames: int) -> CameraPath:
    """Move straight towards the scene and back: as far as the rig reaches sideways, at most half of the way.

    The camera never moves back from the middle, from where a view would be wider than the canvas.
    """
    forward = min(float(rig.reach.max()), _LARGEST_APPROACH * rig.near)
    local = torch.zeros(num_frames, 3, dtype=rig.frame.dtype)
    local[:, 2] = forward * (1 - _loop(num_frames).cos()) / 2
    position = _to_world(rig, local)
    rotation = rig.frame[:, :3].expand(num_frames, 3, 3)
    return CameraPath(torch.cat([rotation, position[..., None]], dim=-1), position)


def fixed_camera(rig: Rig, num_frames: int) -> CameraPath:
    """Keep the central camera and show the colours seen along a spiral: NeX's test of the decomposition."""
    return CameraPath(rig.frame.expand(num_frames, 3, 4), spiral(rig, num_frames).eyes)


PATHS: Mapping[str, Callable[[Rig, int], CameraPath]] = {
    "spiral": spiral,
    "orbit": orbit,
    "dolly": dolly,
    "fixed": fixed_camera,
}


def look_at(
    positions: Float[Tensor, "frame 3"], target: Float[Tensor, "3"], down: Float[Tensor, "3"]
) -> Float[Tensor, "frame 3 4"]:
    """Return cameras that have a point in the middle of their view.

    Args:
        positions: Of the cameras.
        target: The point; no camera is there, or looks along ``down``.
        down: The direction that appears as down.
    """
    forward = torch.nn.functional.normalize(target - positions, dim=-1)
    right = torch.nn.functional.normalize(torch.linalg.cross(down.expand_as(forward), forward), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward, positions], dim=-1)


def _rig(frame: Float[Tensor, "3 4"], reach: Float[Tensor, "3"], geometry: MPIGeometry) -> Rig:
    """Complete a rig by the distances from the middle along the line of sight."""
    near, far = (float((depth - frame[2, 3]) / frame[2, 2]) for depth in (geometry.near, geometry.far))
    limits = reach.new_tensor([math.inf, math.inf, _LARGEST_APPROACH * near])
    return Rig(frame, reach.minimum(limits), near, focus=1 / ((1 - _FOCUS_SHARE) / near + _FOCUS_SHARE / far))


def _loop(num_frames: int) -> Float[Tensor, "frame"]:
    """Return the angles of a full turn without its end, which is its beginning."""
    return torch.arange(num_frames, dtype=torch.float64) * (2 * math.pi / num_frames)


def _to_world(rig: Rig, local: Float[Tensor, "frame 3"]) -> Float[Tensor, "frame 3"]:
    """Transform positions from the rig's frame."""
    return local @ rig.frame[:, :3].T + rig.frame[:, 3]


def _looking_at_focus(rig: Rig, local: Float[Tensor, "frame 3"]) -> CameraPath:
    """Return cameras at positions of the rig's frame that look at the focus."""
    positions = _to_world(rig, local)
    target = rig.frame[:, 3] + rig.focus * rig.frame[:, 2]
    return CameraPath(look_at(positions, target, rig.frame[:, 1]), positions)
