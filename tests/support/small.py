"""A tiny multiplane image, cameras around it, and slow oracles."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from normnex_pl.core.types import Camera, MPIGeometry, RayBatch, Rays
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.appearance import NeuralBasis, NoNormals, RGBColor, ViewQuery
from normnex_pl.model.fields import Field, FieldFactory, GridField, MLPField
from normnex_pl.model.mpi import MPI

GEOMETRY = MPIGeometry(
    fx=30.0, fy=28.0, cx=8.3, cy=5.6, width=16, height=12, padding=2, near=1.5, far=9.0, spacing="disparity"
)
LAYERS, SUBLAYERS = 2, 3
PLANES = LAYERS * SUBLAYERS
LAYOUT = PlaneLayout(GEOMETRY, LAYERS, SUBLAYERS)

FIELDS: dict[str, FieldFactory] = {
    "mlp": partial(MLPField, width=16, hidden_layers=1, xy_octaves=3, plane_octaves=3),
    "grid": partial(GridField, divisors=(4, 2, 1)),
}

few = settings(max_examples=20, deadline=None)


def reference_camera(geometry: MPIGeometry = GEOMETRY) -> Camera:
    """Return the camera in whose frame the multiplane image stands."""
    K = torch.tensor([[geometry.fx, 0, geometry.cx], [0, geometry.fy, geometry.cy], [0, 0, 1]])
    return Camera(K, torch.eye(3, 4), geometry.width, geometry.height)


def moved(camera: Camera, x: float = 0, y: float = 0, z: float = 0) -> Camera:
    """Shift a camera in the world."""
    shift = torch.zeros(3, 4)
    shift[:, 3] = torch.tensor([x, y, z])
    return Camera(camera.K, camera.c2w + shift, camera.width, camera.height)


def forward_rays(count: int, seed: int = 0) -> Rays:
    """Draw float32 rays from around the origin, roughly along z; some of them miss the canvas."""
    rng = np.random.default_rng(seed)
    origins = rng.uniform(-1, 1, (count, 3)) * [0.3, 0.3, 0.2]
    directions = np.concatenate([rng.uniform(-0.3, 0.3, (count, 2)), np.ones((count, 1))], axis=1)
    lengths = rng.uniform(0.5, 2, (count, 1))
    return Rays(torch.from_numpy(origins).float(), torch.from_numpy(directions * lengths).float())


def some_batch(triplets: int = 12, seed: int = 0) -> RayBatch:
    """Draw triplets of neighbouring rays, some of which miss the canvas."""
    first = forward_rays(triplets, seed)
    directions = first.directions / first.directions[:, 2:]
    shifts = torch.tensor([[0, 0, 0], [1 / GEOMETRY.fx, 0, 0], [0, 1 / GEOMETRY.fy, 0]])
    rays = Rays(first.origins[:, None].expand(-1, 3, -1), directions[:, None] + shifts)
    rgb = torch.rand(triplets, 3, 3, generator=torch.Generator().manual_seed(seed))
    return RayBatch(rays, rgb)


@st.composite
def cameras(draw: st.DrawFn, max_angle: float = np.pi) -> Camera:
    """Draw float64 cameras with any focal lengths, skew, principal point, position and rotation."""
    fx, fy = draw(st.floats(5, 50)), draw(st.floats(5, 50))
    skew, cx, cy = draw(st.floats(-5, 5)), draw(st.floats(-5, 20)), draw(st.floats(-5, 20))
    K = np.array([[fx, skew, cx], [0, fy, cy], [0, 0, 1]])
    angles = st.floats(-max_angle / np.sqrt(3), max_angle / np.sqrt(3))
    rotation = Rotation.from_rotvec(draw(st.tuples(angles, angles, angles))).as_matrix()
    position = np.array(draw(st.tuples(*[st.floats(-0.5, 0.5)] * 3)))
    c2w = np.concatenate([rotation, position[:, None]], axis=1)
    width, height = draw(st.integers(1, 16)), draw(st.integers(1, 12))
    return Camera(torch.from_numpy(K), torch.from_numpy(c2w), width, height)


def make_field(kind: str) -> Field:
    """Create a field as it is before training."""
    torch.manual_seed(0)
    return FIELDS[kind](LAYOUT, 24)


def excite(field: Field) -> None:
    """Give a field opacities of all sizes, and features and colours that vary."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(2 * torch.randn(parameter.shape, generator=generator))
        if isinstance(field, GridField):
            field.alpha[0] += 4
        elif isinstance(field, MLPField):
            field.trunk[0].weight /= 4
            field.alpha_head.weight /= 4
            field.feature_head.weight /= 4
            field.alpha_head.bias += 4


def nex(field: FieldFactory, geometry: MPIGeometry = GEOMETRY) -> MPI:
    """Create a multiplane image of the paper's parts around a field."""
    layout = PlaneLayout(geometry, LAYERS, SUBLAYERS)
    return MPI(layout, field, RGBColor(), NeuralBasis(ViewQuery()), NoNormals())


def make_mpi(kind: str) -> MPI:
    """Create a multiplane image whose planes vary in opacity and colour."""
    torch.manual_seed(0)
    mpi = nex(FIELDS[kind])
    excite(mpi.field)
    return mpi


def canvas_oracle(
    origins: NDArray[np.float64],
    directions: NDArray[np.float64],
    depths: NDArray[np.float64],
    geometry: MPIGeometry,
) -> NDArray[np.float64]:
    """Compute canvas coordinates [ray, plane, 2], one ray and plane at a time: intersect, project, scale."""
    K = np.array(
        [
            [geometry.fx, 0, geometry.cx + geometry.padding],
            [0, geometry.fy, geometry.cy + geometry.padding],
            [0, 0, 1],
        ]
    )
    size = np.array([geometry.width + 2 * geometry.padding, geometry.height + 2 * geometry.padding])
    result = np.empty((len(origins), len(depths), 2))
    for ray, (o, v) in enumerate(zip(origins, directions, strict=True)):
        for plane, depth in enumerate(depths):
            X = o + (depth - o[2]) / v[2] * v
            uvw = K @ X
            result[ray, plane] = 2 * (uvw[:2] / uvw[2]) / size - 1
    return result


def composite_oracle(
    alpha: NDArray[np.float64], colors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Composite one ray by painting the planes over each other, back to front; return colour and weights."""
    color = np.zeros(colors.shape[-1])
    for a, c in zip(alpha[::-1], colors[::-1], strict=True):
        color = a * c + (1 - a) * color
    weights = np.array([a * np.prod(1 - alpha[:i]) for i, a in enumerate(alpha)])
    return color, weights


def numpy64(tensor: Tensor) -> NDArray[np.float64]:
    """Convert a tensor for an oracle in NumPy."""
    return tensor.detach().double().numpy()
