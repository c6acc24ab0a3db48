"""Surfaces with known normals, and volumes of opacity that show them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.core.rendering import FieldOutput, PlaneSamples
from normnex_pl.core.types import MPIGeometry, Rays
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.geometry.planes import canvas_grid, canvas_points
from normnex_pl.model.appearance import NeuralBasis, NoNormals, RGBColor, ViewQuery
from normnex_pl.model.compositing import optical_depth
from normnex_pl.model.fields import Field
from normnex_pl.model.fields.base import inside_canvas
from normnex_pl.model.fields.regularizer import Regularizer
from normnex_pl.model.fields.texture import sample_layers
from normnex_pl.model.mpi import MPI

# A wide canvas with many planes, whose principal point is off its centre.
WIDE = MPIGeometry(
    fx=70.0, fy=68.0, cx=38.0, cy=29.5, width=80, height=56, padding=8, near=2.0, far=6.0, spacing="disparity"
)
WIDE_LAYOUT = PlaneLayout(WIDE, num_layers=16, sublayers=4)
WIDE_PLANES = WIDE_LAYOUT.num_planes


class Surface(ABC):
    """The surface of a scene, in the reference frame."""

    @abstractmethod
    def distances(self, rays: Rays) -> Tensor:
        """Intersect rays, in multiples of their directions; infinite for rays that miss the surface."""

    @abstractmethod
    def signed_distances(self, points: Tensor) -> Tensor:
        """Return distances to the surface, positive behind it."""

    @abstractmethod
    def normals(self, points: Tensor) -> Tensor:
        """Return unit normals that point out of the solid."""

    @abstractmethod
    def sees_inner_part(self, rays: Rays) -> Tensor:
        """Return whether rays meet the surface well within its outline, where filters see it alone."""


@dataclass(frozen=True)
class TiltedPlane(Surface):
    """Everything behind a plane through (0, 0, depth)."""

    slope_x: float = 0.5
    slope_y: float = -0.4
    depth: float = 3.2

    @property
    def normal(self) -> Tensor:
        """Unit normal, facing the camera."""
        return F.normalize(torch.tensor([self.slope_x, self.slope_y, -1.0]), dim=-1)

    @override
    def distances(self, rays: Rays) -> Tensor:
        point = torch.tensor([0.0, 0.0, self.depth])
        return (point - rays.origins) @ self.normal / (rays.directions @ self.normal)

    @override
    def signed_distances(self, points: Tensor) -> Tensor:
        return (torch.tensor([0.0, 0.0, self.depth]) - points) @ self.normal

    @override
    def normals(self, points: Tensor) -> Tensor:
        return self.normal.expand_as(points)

    @override
    def sees_inner_part(self, rays: Rays) -> Tensor:
        return torch.ones_like(rays.origins[..., 0], dtype=torch.bool)


@dataclass(frozen=True)
class Sphere(Surface):
    """A ball to the side of the optical axis."""

    centre: tuple[float, float, float] = (0.25, -0.15, 4.2)
    radius: float = 1.3

    @override
    def distances(self, rays: Rays) -> Tensor:
        return self._distances(rays, self.radius)

    def _distances(self, rays: Rays, radius: float) -> Tensor:
        from_centre = rays.origins - torch.tensor(self.centre)
        a = rays.directions.square().sum(dim=-1)
        b = (rays.directions * from_centre).sum(dim=-1)
        c = from_centre.square().sum(dim=-1) - radius**2
        root = (b.square() - a * c).sqrt()
        return ((-b - root) / a).nan_to_num(nan=torch.inf)

    @override
    def signed_distances(self, points: Tensor) -> Tensor:
        return self.radius - (points - torch.tensor(self.centre)).norm(dim=-1)

    @override
    def normals(self, points: Tensor) -> Tensor:
        return F.normalize(points - torch.tensor(self.centre), dim=-1)

    @override
    def sees_inner_part(self, rays: Rays) -> Tensor:
        return self._distances(rays, 0.75 * self.radius).isfinite()


SURFACES: dict[str, Surface] = {"plane": TiltedPlane(), "sphere": Sphere()}


def points_on(rays: Rays, distances: Tensor) -> Tensor:
    """Return the points of rays at distances."""
    return rays.origins + distances[..., None] * rays.directions


# --- Volumes of opacity ------------------------------------------------------------------------------------


def voxel_points() -> Tensor:
    """Return the points [plane, height, width, 3] of the voxels, one per canvas pixel and plane."""
    grid = canvas_grid(WIDE.canvas_height, WIDE.canvas_width, torch.device("cpu"))
    depths = WIDE_LAYOUT.depths[:, None, None].expand(-1, *grid.shape[:2])
    return canvas_points(grid.expand(WIDE_PLANES, -1, -1, -1), depths, WIDE)


def planes_behind_surface(surface: Surface) -> Tensor:
    """Return by how many planes voxels lie behind the surface on the reference camera's rays; may be -inf."""
    points = voxel_points()
    camera_rays = Rays(torch.zeros_like(points[0]), points[0] / points[0, ..., 2:])
    depths = surface.distances(camera_rays)
    gaps = (WIDE_PLANES - 1) / (1 / WIDE.near - 1 / WIDE.far)
    where = (1 / WIDE.near - 1 / depths) * gaps
    index = torch.arange(WIDE_PLANES)[:, None, None] - where
    return torch.where(depths.isfinite(), index, -torch.inf)


def soft_solid(surface: Surface) -> Tensor:
    """Make a density that grows over several planes, constant on surfaces parallel to the real one."""
    spacing = WIDE_LAYOUT.spacing
    width = 2 * float(spacing[WIDE_PLANES // 2])
    density = torch.sigmoid(surface.signed_distances(voxel_points()) / width) / width
    return -torch.expm1(-density * spacing[:, None, None])


def thin_shell(surface: Surface) -> Tensor:
    """Make a Gaussian shell with a standard deviation of half a plane."""
    return 0.95 * torch.exp(-0.5 * (planes_behind_surface(surface) / 0.5).square())


def split_planes(surface: Surface) -> Tensor:
    """Share the opacity between the planes before and behind the surface: the nearer one gets more."""
    return (1 - planes_behind_surface(surface).abs()).clamp(min=0)


def hard_voxels(surface: Surface) -> Tensor:
    """Make voxels opaque behind the surface and clear before it."""
    return (planes_behind_surface(surface) >= 0).float()


VOLUMES: dict[str, Callable[[Surface], Tensor]] = {
    "soft": soft_solid,
    "shell": thin_shell,
    "split": split_planes,
    "voxels": hard_voxels,
}


class VolumeField(Field):
    """A given volume of opacities, read trilinearly, with layers of different colours.

    Args:
        volume: Opacities [plane, height, width].
        textured: Whether colours also vary within a layer.
        layout: Planes, layers and canvas.
        num_features: Channels per layer, all zero.
    """

    def __init__(
        self,
        volume: Tensor,
        textured: bool,
        layout: PlaneLayout,
        num_features: int,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        generator = torch.Generator().manual_seed(0)
        cells = (9, 12) if textured else (1, 1)
        coarse = 0.2 + 0.6 * torch.rand(layout.num_layers, 3, *cells, generator=generator)
        size = (layout.geometry.canvas_height, layout.geometry.canvas_width)
        planes = layout.num_planes
        self.register_buffer("volume", volume)
        self.register_buffer("texture", F.interpolate(coarse, size, mode="bicubic"))
        self.register_buffer("plane_centres", (2 * torch.arange(planes) + 1) / planes - 1)

    @override
    def optical_depth(self, coordinates: Tensor, shift: Tensor, detail: int | None = None) -> Tensor:
        return optical_depth(self._alpha(coordinates, shift))

    def _alpha(self, coordinates: Tensor, shift: Tensor) -> Tensor:
        z = self.plane_centres + shift * (2 / len(self.volume))
        grid = torch.cat([coordinates, z[..., None]], dim=-1)[None, None]
        alpha = F.grid_sample(self.volume[None, None], grid, padding_mode="border", align_corners=False)
        return alpha[0, 0, 0] * inside_canvas(coordinates)

    @override
    def forward(self, samples: PlaneSamples) -> FieldOutput:
        return FieldOutput(
            self._alpha(samples.planes, torch.zeros_like(samples.planes[..., 0])),
            sample_layers(self.texture, samples.planes),
            samples.layers.new_zeros(*samples.layers.shape[:2], self.num_features),
        )

    @override
    def stored_values(self) -> int:
        return self.volume.numel()

    @override
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {}

    @override
    def regularizers(self) -> dict[str, Regularizer]:
        return {}


def volume_mpi(volume: Tensor, textured: bool = True) -> MPI:
    """Create a multiplane image of given opacities."""
    return MPI(
        WIDE_LAYOUT,
        partial(VolumeField, volume, textured),
        RGBColor(),
        NeuralBasis(ViewQuery()),
        NoNormals(),
    )
