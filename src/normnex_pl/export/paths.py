"""Closed camera paths through the place that a scene was taken from: pure functions of a `Rig`.

A path is a function of a rig and a number of frames; these are evenly spread over a loop, so that the first
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

# As in LLFF, https://github.com/Fyusion/LLFF: how far a typical training camera stands from the centre,
# and where between the planes, linear in disparity, the camera looks.
_TYPICAL = 0.9
_FOCUS_SHARE = 0.75
_SPIRAL_TURNS = 2
# No path comes nearer to the first plane than this share of the way, ...
_LARGEST_APPROACH = 0.5
# ... nor does an orbit turn by more than this: beyond it one sees between the planes.
_LARGEST_TURN = math.radians(30)


@dataclass(frozen=True)
class Rig:
    """Where a scene may be looked at from.

    Attributes:
        frame: Camera to world of the central camera: in the middle, looking where all look on average.
        reach: How far a path may leave the middle along the frame's axes (right, down, forward), world units.
        near: Distance from the middle to the first plane along the frame's forward axis, world units.
        focus: Distance to the point that a camera looks at, likewise; between the first and the last plane.
    """

    frame: Float[Tensor, "3 4"]
    reach: Float[Tensor, "3"]
    near: float
    focus: float

    def scaled(self, factor: float) -> Rig:
        """Return the rig with another reach, by a factor."""
        return replace(self, reach=self.reach * factor)


@dataclass(frozen=True)
class CameraPath:
    """What a video looks at, frame by frame.

    Attributes:
        c2w: Camera to world.
        eyes: From where the colours are seen, in world space: the cameras' own positions, unless the geometry
            and what depends on the view shall be told apart.
    """

    c2w: Float[Tensor, "frame 3 4"]
    eyes: Float[Tensor, "frame 3"]


def rig_of_cameras(c2w: Float[Tensor, "view 3 4"], geometry: MPIGeometry) -> Rig:
    """Return the rig of a capture.

    The middle is the cameras' mean position; its rotation is the one nearest to their mean (orthogonal
    Procrustes). The reach is LLFF's: along each axis, the 90th percentile of the distances from the middle.

    Args:
        c2w: Training cameras.
        geometry: Whose depth range is looked at.
    """
    cameras = c2w.double()
    u, _, vt = torch.linalg.svd(cameras[:, :, :3].mean(dim=0))
    position = cameras[:, :, 3].mean(dim=0)
    distances = ((cameras[:, :, 3] - position) @ (u @ vt)).abs()
    frame = torch.cat([u @ vt, position[:, None]], dim=1)
    return _rig(frame, distances.quantile(_TYPICAL, dim=0), geometry)


def rig_of_geometry(geometry: MPIGeometry) -> Rig:
    """Return the rig of a multiplane image whose capture isn't known.

    As far as its padded canvas covers the view.

    Moving sideways by d shifts the first plane by fx d / near pixels, which the padding allows for.
    """
    across = [geometry.padding * geometry.near / focal for focal in (geometry.fx, geometry.fy)]
    return _rig(torch.eye(3, 4).double(), torch.tensor([*across, 0.0]).double(), geometry)


def spiral(rig: Rig, num_frames: int) -> CameraPath:
    """LLFF's render path: twice around an ellipse, once forward and back meanwhile, looking at one point."""
    turn = _loop(num_frames)
    around = _SPIRAL_TURNS * turn
    local = torch.stack([around.cos(), around.sin(), turn.sin()], dim=-1) * rig.reach
    return _looking_at_focus(rig, local)


def orbit(rig: Rig, num_frames: int) -> CameraPath:
    """Once around the line of sight, at one distance from the point that the camera looks at."""
    turn = _loop(num_frames)
    largest = (rig.reach[:2] / rig.focus).clamp(max=math.sin(_LARGEST_TURN)).asin()
    azimuth, elevation = largest[0] * turn.cos(), largest[1] * turn.sin()
    towards_camera = torch.stack(
        [azimuth.sin() * elevation.cos(), elevation.sin(), -azimuth.cos() * elevation.cos()], dim=-1
    )
    return _looking_at_focus(rig, rig.focus * (towards_camera + towards_camera.new_tensor([0, 0, 1])))


def dolly(rig: Rig, num_frames: int) -> CameraPath:
    """Straight towards the scene and back: as far as the rig reaches sideways, at most half of the way.

    Not backwards from the middle, where a view would be wider than the canvas.
    """
    forward = min(float(rig.reach.max()), _LARGEST_APPROACH * rig.near)
    local = torch.zeros(num_frames, 3, dtype=rig.frame.dtype)
    local[:, 2] = forward * (1 - _loop(num_frames).cos()) / 2
    position = _to_world(rig, local)
    rotation = rig.frame[:, :3].expand(num_frames, 3, 3)
    return CameraPath(torch.cat([rotation, position[..., None]], dim=-1), position)


def fixed_camera(rig: Rig, num_frames: int) -> CameraPath:
    """NeX's test of the decomposition: the central camera, its colours seen from the eyes of a spiral."""
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
    """Cameras that have a point in the middle of their view.

    Args:
        positions: Of the cameras.
        target: The point; none of the cameras is there, or looks along ``down``.
        down: What appears as down.
    """
    forward = torch.nn.functional.normalize(target - positions, dim=-1)
    right = torch.nn.functional.normalize(torch.linalg.cross(down.expand_as(forward), forward), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward, positions], dim=-1)


def _rig(frame: Float[Tensor, "3 4"], reach: Float[Tensor, "3"], geometry: MPIGeometry) -> Rig:
    """Complete a rig by distances, measured from the middle along the line of sight."""
    near, far = (float((depth - frame[2, 3]) / frame[2, 2]) for depth in (geometry.near, geometry.far))
    limits = reach.new_tensor([math.inf, math.inf, _LARGEST_APPROACH * near])
    return Rig(frame, reach.minimum(limits), near, focus=1 / ((1 - _FOCUS_SHARE) / near + _FOCUS_SHARE / far))


def _loop(num_frames: int) -> Float[Tensor, "frame"]:
    """Angles of a full turn, without its end, which is the beginning."""
    return torch.arange(num_frames, dtype=torch.float64) * (2 * math.pi / num_frames)


def _to_world(rig: Rig, local: Float[Tensor, "frame 3"]) -> Float[Tensor, "frame 3"]:
    """Positions from the rig's frame."""
    return local @ rig.frame[:, :3].T + rig.frame[:, 3]


def _looking_at_focus(rig: Rig, local: Float[Tensor, "frame 3"]) -> CameraPath:
    """Cameras at positions of the rig's frame."""
    positions = _to_world(rig, local)
    target = rig.frame[:, 3] + rig.focus * rig.frame[:, 2]
    return CameraPath(look_at(positions, target, rig.frame[:, 1]), positions)
