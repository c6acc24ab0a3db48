"""Multiplane images trained on photos of known surfaces, and scores of estimated normals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from einops import rearrange
from torch import Tensor

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import Camera, MPIGeometry, RayBatch, Rays
from normnex_pl.geometry.cameras import pixel_rays
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.appearance import ColorModel, NeuralBasis, NoNormals, RGBColor, ViewQuery
from normnex_pl.model.fields import GridField
from normnex_pl.model.mpi import MPI
from normnex_pl.normals import NormalEstimator
from normnex_pl.training.losses import gradient_loss, mse_loss
from support.small import moved, reference_camera
from support.solids import Surface, points_on

# The same view with fewer pixels and planes, for training within seconds.
TRAINED = MPIGeometry(
    fx=42.0, fy=40.8, cx=22.8, cy=17.7, width=48, height=36, padding=6, near=2.0, far=6.0, spacing="disparity"
)
TRAINED_LAYERS, TRAINED_SUBLAYERS = 8, 4


def texture_of(points: Tensor) -> Tensor:
    """Return matte colours [..., 3] in space: waves of a fifth of a unit and more, in all directions."""
    generator = torch.Generator().manual_seed(7)
    waves = torch.randn(10, 3, generator=generator) * 5
    mixture = torch.randn(10, 3, generator=generator) * 0.12
    return (0.5 + torch.sin(points @ waves.T) @ mixture).clamp(0.02, 0.98)


def photographed(surface: Surface, rays: Rays) -> Tensor:
    """Return the colours in which rays see a surface in front of a wall at a depth of 5.5."""
    distances = surface.distances(rays)
    wall = (5.5 - rays.origins[..., 2]) / rays.directions[..., 2]
    return texture_of(points_on(rays, torch.where(distances.isfinite(), distances, wall)))


def cameras_around(geometry: MPIGeometry, count: int, spread: float = 0.3, seed: int = 0) -> list[Camera]:
    """Return the reference camera and others slightly beside it."""
    generator = torch.Generator().manual_seed(seed)
    shifts = spread * (2 * torch.rand(count - 1, 3, generator=generator) - 1)
    reference = reference_camera(geometry)
    return [reference, *(moved(reference, x, y, 0.3 * z) for x, y, z in shifts.tolist())]


def random_triplets(cameras: list[Camera], count: int, generator: torch.Generator) -> Rays:
    """Draw L-shaped triplets [triplet, 3] anywhere in the photos."""
    first = cameras[0]
    which = torch.randint(len(cameras), (count,), generator=generator)
    columns = torch.randint(first.width - 1, (count,), generator=generator)
    rows = torch.randint(first.height - 1, (count,), generator=generator)
    neighbours = torch.tensor([[0, 0], [1, 0], [0, 1]])
    pixels = torch.stack([columns, rows], dim=-1)[:, None] + neighbours
    c2w = torch.stack([camera.c2w for camera in cameras])[which]
    return pixel_rays(first.K, c2w[:, None], pixels)


def flattened(rays: Rays) -> Rays:
    """Join triplets one after the other."""
    return Rays(rays.origins.flatten(0, 1), rays.directions.flatten(0, 1))


def train(
    mpi: MPI,
    surface: Surface,
    steps: int,
    penalty: Callable[[RenderOutput], Tensor] | None = None,
    open_gate_at: int = 0,
) -> None:
    """Fit a grid field's multiplane image to photos of a surface from nine cameras.

    Args:
        mpi: The multiplane image.
        surface: Shown by the photos.
        steps: Steps of Adam.
        penalty: Added to the loss.
        open_gate_at: Step that ends the diffuse phase.
    """
    cameras = cameras_around(mpi.geometry, 9)
    generator = torch.Generator().manual_seed(1)
    rates = {"alpha": 0.1, "base_color": 0.04, "features": 0.02, "basis": 2e-3}
    groups = [{"params": group, "lr": rates[name]} for name, group in mpi.parameter_groups().items()]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.03 ** (step / steps))
    for step in range(steps):
        mpi.gate.fill_(float(step >= open_gate_at))
        rays = random_triplets(cameras, 300, generator)
        target = photographed(surface, rays)
        rendered = mpi.render(flattened(rays))
        rgb = rearrange(rendered.rgb, "(triplet pixel) rgb -> triplet pixel rgb", pixel=3)
        loss = mse_loss(rgb, target) + 0.05 * gradient_loss(rgb, target)
        if penalty is not None:
            loss = loss + penalty(rendered)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def trained_mpi(
    surface: Surface,
    color: ColorModel | None = None,
    steps: int = 200,
    penalty: Callable[[RenderOutput], Tensor] | None = None,
    open_gate_at: int = 0,
) -> MPI:
    """Train a multiplane image on photos of a surface."""
    torch.manual_seed(0)
    mpi = MPI(
        PlaneLayout(TRAINED, TRAINED_LAYERS, TRAINED_SUBLAYERS),
        partial(GridField, divisors=(8, 4, 2, 1)),
        color or RGBColor(),
        NeuralBasis(ViewQuery()),
        NoNormals(),
    )
    train(mpi, surface, steps, penalty, open_gate_at)
    return mpi


@dataclass(frozen=True)
class Score:
    """Quality of estimated normals.

    Attributes:
        degrees: Mean angle to the surface's normal, weighted as the layers are.
        constant: The same for (0, 0, -1).
        away: Share of the weight whose normals point away from the camera.
    """

    degrees: float
    constant: float
    away: float


def surface_batch(mpi: MPI, surface: Surface, count: int = 600) -> RayBatch:
    """Draw triplets that see the surface, with colours that the multiplane image explains only roughly."""
    generator = torch.Generator().manual_seed(2)
    cameras = cameras_around(mpi.geometry, 5, spread=0.15, seed=3)
    rays = random_triplets(cameras, count, generator)
    seen = surface.sees_inner_part(rays).all(dim=1)
    rays = Rays(rays.origins[seen], rays.directions[seen])
    rgb = torch.rand(*rays.origins.shape, generator=generator)
    return RayBatch(rays, rgb)


def score(mpi: MPI, surface: Surface, estimator: NormalEstimator) -> Score:
    """Compare the targets of an estimator with the normals of the surface."""
    batch = surface_batch(mpi, surface)
    rendered = mpi.render(flattened(batch.rays))
    weights = rendered.layer_weights[::3].detach()
    found = estimator(mpi, batch, rendered).detach()
    first = batch.first_rays()
    truth = surface.normals(points_on(first, surface.distances(first)))[:, None].expand_as(found)

    def mean_angle(normals: Tensor) -> float:
        angles = torch.rad2deg((normals * truth).sum(dim=-1).clamp(-1, 1).acos())
        return float((weights * angles).sum() / weights.sum())

    away = (found * first.viewdirs[:, None]).sum(dim=-1) > 0
    constant = torch.tensor([0.0, 0.0, -1.0]).expand_as(found)
    return Score(mean_angle(found), mean_angle(constant), float((weights * away).sum() / weights.sum()))
