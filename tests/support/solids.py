"""Surfaces whose normals are known, and volumes of opacity that show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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

# A wide canvas of many planes, whose principal point lies beside its middle.
WIDE = MPIGeometry(
    fx=70.0, fy=68.0, cx=38.0, cy=29.5, width=80, height=56, padding=8, near=2.0, far=6.0, spacing="disparity"
)
WIDE_LAYERS, WIDE_SUBLAYERS = 16, 4
WIDE_LAYOUT = PlaneLayout(WIDE, WIDE_LAYERS, WIDE_SUBLAYERS)
WIDE_PLANES = WIDE_LAYOUT.num_planes


class Surface(Protocol):
    """What a scene is made of, in the reference frame."""

    def distances(self, rays: Rays) -> Tensor:
        """How many times its direction a ray goes until it meets the surface; infinite if it never does."""
        ...

    def signed_distances(self, points: Tensor) -> Tensor:
        """Distances to the surface, positive behind it."""
        ...

    def normals(self, points: Tensor) -> Tensor:
        """Unit normals that point out of the solid."""
        ...

    def sees_inner_part(self, rays: Rays) -> Tensor:
        """Whether rays meet it well within its outline, where no filter can mix it with what is behind."""
        ...


@dataclass(frozen=True)
class TiltedPlane:
    """Everything behind a plane through (0, 0, depth)."""

    slope_x: float = 0.5
    slope_y: float = -0.4
    depth: float = 3.2

    @property
    def normal(self) -> Tensor:
        """It faces the camera."""
        return F.normalize(torch.tensor([self.slope_x, self.slope_y, -1.0]), dim=-1)

    def distances(self, rays: Rays) -> Tensor:
        """See the base class."""
        point = torch.tensor([0.0, 0.0, self.depth])
        return (point - rays.origins) @ self.normal / (rays.directions @ self.normal)

    def signed_distances(self, points: Tensor) -> Tensor:
        """See the base class."""
        return (torch.tensor([0.0, 0.0, self.depth]) - points) @ self.normal

    def normals(self, points: Tensor) -> Tensor:
        """See the base class."""
        return self.normal.expand_as(points)

    def sees_inner_part(self, rays: Rays) -> Tensor:
        """See the base class."""
        return torch.ones_like(rays.origins[..., 0], dtype=torch.bool)


@dataclass(frozen=True)
class Sphere:
    """A ball to the side of the optical axis."""

    centre: tuple[float, float, float] = (0.25, -0.15, 4.2)
    radius: float = 1.3

    def distances(self, rays: Rays) -> Tensor:
        """See the base class."""
        return self._distances(rays, self.radius)

    def _distances(self, rays: Rays, radius: float) -> Tensor:
        from_centre = rays.origins - torch.tensor(self.centre)
        a = rays.directions.square().sum(dim=-1)
        b = (rays.directions * from_centre).sum(dim=-1)
        c = from_centre.square().sum(dim=-1) - radius**2
        root = (b.square() - a * c).sqrt()
        return ((-b - root) / a).nan_to_num(nan=torch.inf)

    def signed_distances(self, points: Tensor) -> Tensor:
        """See the base class."""
        return self.radius - (points - torch.tensor(self.centre)).norm(dim=-1)

    def normals(self, points: Tensor) -> Tensor:
        """See the base class."""
        return F.normalize(points - torch.tensor(self.centre), dim=-1)

    def sees_inner_part(self, rays: Rays) -> Tensor:
        """See the base class."""
        return self._distances(rays, 0.75 * self.radius).isfinite()


SURFACES: dict[str, Surface] = {"plane": TiltedPlane(), "sphere": Sphere()}


def points_on(rays: Rays, distances: Tensor) -> Tensor:
    """Where rays are at distances."""
    return rays.origins + distances[..., None] * rays.directions


# --- Volumes of opacity ------------------------------------------------------------------------------------


def voxel_points() -> Tensor:
    """The places [plane, height, width, 3] of the voxels, at a pixel of the canvas each."""
    grid = canvas_grid(WIDE.canvas_height, WIDE.canvas_width, torch.device("cpu"))
    depths = WIDE_LAYOUT.depths[:, None, None].expand(-1, *grid.shape[:2])
    return canvas_points(grid.expand(WIDE_PLANES, -1, -1, -1), depths, WIDE)


def planes_behind_surface(surface: Surface) -> Tensor:
    """How many planes each voxel lies behind the surface, along the reference camera's ray; may be -inf."""
    points = voxel_points()
    camera_rays = Rays(torch.zeros_like(points[0]), points[0] / points[0, ..., 2:])
    depths = surface.distances(camera_rays)
    gaps = (WIDE_PLANES - 1) / (1 / WIDE.near - 1 / WIDE.far)
    where = (1 / WIDE.near - 1 / depths) * gaps
    index = torch.arange(WIDE_PLANES)[:, None, None] - where
    return torch.where(depths.isfinite(), index, -torch.inf)


def soft_solid(surface: Surface) -> Tensor:
    """A density that grows over several planes, and is constant on surfaces parallel to the real one."""
    spacing = WIDE_LAYOUT.spacing_at(WIDE_LAYOUT.depths)
    width = 2 * float(spacing[WIDE_PLANES // 2])
    density = torch.sigmoid(surface.signed_distances(voxel_points()) / width) / width
    return -torch.expm1(-density * spacing[:, None, None])


def thin_shell(surface: Surface) -> Tensor:
    """A Gaussian bell with a standard deviation of half a plane."""
    return 0.95 * torch.exp(-0.5 * (planes_behind_surface(surface) / 0.5).square())


def split_planes(surface: Surface) -> Tensor:
    """Opacity shared by the planes before and behind the surface: the nearer one gets more."""
    return (1 - planes_behind_surface(surface).abs()).clamp(min=0)


def hard_voxels(surface: Surface) -> Tensor:
    """Opaque behind the surface, clear before it."""
    return (planes_behind_surface(surface) >= 0).float()


VOLUMES: dict[str, Callable[[Surface], Tensor]] = {
    "soft": soft_solid,
    "shell": thin_shell,
    "split": split_planes,
    "voxels": hard_voxels,
}


class VolumeField(Field):
    """Reads a given volume of opacities trilinearly; its layers have colours of their own.

    Args:
        volume: Opacities [plane, height, width].
        textured: Whether colours also change within a layer.
        layout: Planes, layers and canvas.
        num_features: Channels of a layer; all zero.
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

    def optical_depth(self, coordinates: Tensor, shift: Tensor, detail: int | None = None) -> Tensor:
        """See the base class."""
        return optical_depth(self._alpha(coordinates, shift))

    def _alpha(self, coordinates: Tensor, shift: Tensor) -> Tensor:
        z = self.plane_centres + shift * (2 / len(self.volume))
        grid = torch.cat([coordinates, z[..., None]], dim=-1)[None, None]
        alpha = F.grid_sample(self.volume[None, None], grid, padding_mode="border", align_corners=False)
        return alpha[0, 0, 0] * inside_canvas(coordinates)

    def forward(self, samples: PlaneSamples) -> FieldOutput:
        """See the base class."""
        return FieldOutput(
            self._alpha(samples.planes, torch.zeros_like(samples.planes[..., 0])),
            sample_layers(self.texture, samples.planes),
            samples.layers.new_zeros(*samples.layers.shape[:2], self.num_features),
        )

    def stored_values(self) -> int:
        """See the base class."""
        return self.volume.numel()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """See the base class."""
        return {}

    def regularizers(self) -> dict[str, Regularizer]:
        """See the base class."""
        return {}


def volume_mpi(volume: Tensor, textured: bool = True) -> MPI:
    """A multiplane image of given opacities."""
    return MPI(
        WIDE_LAYOUT,
        partial(VolumeField, volume, textured),
        RGBColor(),
        NeuralBasis(ViewQuery()),
        NoNormals(),
    )
