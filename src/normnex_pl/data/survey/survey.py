"""Measurements of a scene: views, depths, planes and padding, in units that people can interpret."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Camera, PlaneReasons, PlaneSpacing, Scene, View
from normnex_pl.data.survey.steps import PlaneSteps, plane_steps
from normnex_pl.geometry.cameras import pixel_rays
from normnex_pl.geometry.coverage import parallax, pixel_grid, pixels_beyond_picture, share_outside
from normnex_pl.geometry.planes import plane_depths

# Rays across a picture and down, and planes, at which shares are measured.
_COLUMNS, _ROWS, _PLANES = 33, 25, 32
# Of the sRGB curve, accurate enough for comparing exposures.
_GAMMA = 2.2


@dataclass(frozen=True)
class ViewSurvey:
    """Measurements of a view.

    Attributes:
        name: Of the view.
        held_out: Whether it is for testing.
        position: In the reference frame, in world units.
        turned: Angle between its axis and that of the reference view, in degrees.
        outside: Share of the intersections of its rays with planes that lie outside of the canvas.
        nothing_behind: Share of its rays that miss the last plane's canvas, beyond which there is nothing.
        brightness: Mean linear luma over the median of all views.
        ignored: Share of its pixels that a mask ignores.
    """

    name: str
    held_out: bool
    position: tuple[float, float, float]
    turned: float
    outside: float
    nothing_behind: float
    brightness: float
    ignored: float = 0.0


@dataclass(frozen=True)
class Survey:
    """Measurements of a scene. Lengths are in units of its world, where the nearest bound is 4/3.

    Attributes:
        name: Of the scene.
        kind: Of its format.
        width: Of the photos, in pixels.
        height: Of the photos, in pixels.
        focal: Horizontal focal length in pixels.
        field_of_view: Horizontal, in degrees.
        reference: Name of the view in whose frame the planes stand.
        near: Depth of the first plane.
        far: Depth of the last plane.
        spacing: How the depths run between them; see `MPIGeometry`.
        num_planes: How many there will be.
        padding: Padding of the canvas on each side, in pixels.
        reasons: For the planes.
        points: How many points the training views see; None if the scene has none.
        points_between: Share of these between the first and the last plane.
        baseline: Largest distance between two training cameras.
        around: Largest angle between two training cameras as seen from the middle of the scene, in degrees.
        range_pixels: How far the first plane moves against the last, seen from the training camera that is
            farthest from the reference view's axis.
        neighbour_pixels: The same between neighbouring training cameras, median.
        steps: The same between neighbouring planes, and what lies between them.
        views: Each of them.
        conversion: How wide pixels became bytes; empty where all photos had bytes.
    """

    name: str
    kind: str
    width: int
    height: int
    focal: float
    field_of_view: float
    reference: str
    near: float
    far: float
    spacing: PlaneSpacing
    num_planes: int
    padding: int
    reasons: PlaneReasons
    points: int | None
    points_between: float | None
    baseline: float
    around: float
    range_pixels: float
    neighbour_pixels: float
    steps: PlaneSteps
    views: tuple[ViewSurvey, ...]
    conversion: str = ""

    @property
    def training(self) -> tuple[ViewSurvey, ...]:
        """The training views."""
        return tuple(view for view in self.views if not view.held_out)

    @property
    def held_out(self) -> tuple[ViewSurvey, ...]:
        """The views for testing."""
        return tuple(view for view in self.views if view.held_out)


def survey(scene: Scene, num_planes: int) -> Survey:
    """Measure a scene.

    Args:
        scene: With its planes.
        num_planes: How many planes a training will have; at least 2.
    """
    geometry = scene.geometry
    training = [scene.views[index].camera for index in scene.train]
    centres = torch.stack([camera.c2w[:, 3].double() for camera in training])
    far_off = float(centres[:, :2].norm(dim=1).max())
    neighbour = median_neighbour_distance(centres)
    return Survey(
        name=scene.name,
        kind=scene.kind,
        width=geometry.width,
        height=geometry.height,
        focal=geometry.fx,
        field_of_view=math.degrees(2 * math.atan(geometry.width / 2 / geometry.fx)),
        reference=scene.views[scene.reference].name,
        near=geometry.near,
        far=geometry.far,
        spacing=geometry.spacing,
        num_planes=num_planes,
        padding=geometry.padding,
        reasons=scene.reasons,
        points=None if scene.points is None else len(scene.points),
        points_between=_share_between(scene.points, geometry.near, geometry.far),
        baseline=float(torch.cdist(centres, centres).max()),
        around=largest_angle(centres, middle_of(scene)),
        range_pixels=parallax(geometry.fx, far_off, geometry.near, geometry.far),
        neighbour_pixels=parallax(geometry.fx, neighbour, geometry.near, geometry.far),
        steps=plane_steps(geometry, num_planes, far_off, scene.seen),
        views=_survey_views(scene),
        conversion=scene.conversion,
    )


def middle_of(scene: Scene) -> Float[Tensor, "3"]:
    """Return a point on the reference view's axis: at the points' median depth, else midway in disparity."""
    near, far = scene.geometry.near, scene.geometry.far
    depth = 2 / (1 / near + 1 / far)
    if scene.points is not None and len(scene.points):
        depth = float(scene.points[:, 2].median().clamp(near, far))
    return torch.tensor([0, 0, depth], dtype=torch.float64)


def largest_angle(centres: Float[Tensor, "view 3"], point: Float[Tensor, "3"]) -> float:
    """Return the largest angle between two of the centres as seen from a point, in degrees."""
    directions = torch.nn.functional.normalize(centres - point, dim=1)
    return float(torch.rad2deg((directions @ directions.T).clamp(-1, 1).acos().max()))


def median_neighbour_distance(centres: Float[Tensor, "view 3"]) -> float:
    """Return the median over cameras of the distance to the nearest other one; zero for a single camera."""
    if len(centres) < 2:
        return 0.0
    return float(torch.cdist(centres, centres).fill_diagonal_(math.inf).min(dim=1).values.median())


def brightness(views: Sequence[View]) -> list[float]:
    """Return the mean linear luma of photos, over the median of these means."""
    means = torch.tensor([_mean_light(view) for view in views])
    return (means / means.median().clamp(min=1e-6)).tolist()


def _mean_light(view: View) -> float:
    """Return the mean linear luma of the pixels of a photo that count."""
    light = (view.image[::4, ::4].float() / 255).pow(_GAMMA).mean(dim=-1)
    counts = None if view.mask is None else view.mask[::4, ::4]
    return float(light.mean() if counts is None or not counts.any() else light[counts].mean())


def _survey_views(scene: Scene) -> tuple[ViewSurvey, ...]:
    surveyed = []
    used = sorted({*scene.train, *scene.test})
    views = [scene.views[index] for index in used]
    for index, view, relative in zip(used, views, brightness(views), strict=True):
        beyond = _beyond(scene, view.camera)
        position = view.camera.c2w[:, 3].tolist()
        surveyed.append(
            ViewSurvey(
                name=view.name,
                held_out=index in scene.test,
                position=(position[0], position[1], position[2]),
                turned=math.degrees(math.acos(min(1.0, max(-1.0, float(view.camera.c2w[2, 2]))))),
                outside=share_outside(beyond, scene.geometry.padding),
                nothing_behind=share_outside(beyond[:, -1], scene.geometry.padding),
                brightness=relative,
                ignored=0.0 if view.mask is None else float((~view.mask).double().mean()),
            )
        )
    return tuple(surveyed)


def _beyond(scene: Scene, camera: Camera) -> Float[Tensor, "ray plane"]:
    """Return how far outside of the reference picture a camera's rays meet planes, in pixels."""
    pixels = pixel_grid(camera.width, camera.height, _COLUMNS, _ROWS)
    rays = pixel_rays(camera.K.double(), camera.c2w.double(), pixels)
    return pixels_beyond_picture(rays, plane_depths(scene.geometry, _PLANES).double(), scene.geometry)


def _share_between(points: Float[Tensor, "point 3"] | None, near: float, far: float) -> float | None:
    if points is None or not len(points):
        return None
    return float(((points[:, 2] >= near) & (points[:, 2] <= far)).double().mean())
