"""The Triton renderer against the one in PyTorch: on a GPU, or else in Triton's interpreter."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from export.small_models import MODELS, baked, make
from normnex_pl.core.types import Camera, Rays
from normnex_pl.export.baked.image import LEAST_LIGHT, BakedMPI
from normnex_pl.export.baked.renderers import Renderer, TorchRenderer, find_renderer, render_image
from normnex_pl.export.baked.steps import evaluate as bake_files
from normnex_pl.export.baked.tiled_texture import TiledTexture
from normnex_pl.export.baked.tiles import ABSENT
from normnex_pl.geometry.cameras import image_rays
from normnex_pl.geometry.planes import canvas_coordinates
from support.small import GEOMETRY, reference_camera

pytest.importorskip("triton")

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# A picture in one program, since each takes long in the interpreter.
ONE_BLOCK = (16, 16)


@pytest.fixture(scope="module", autouse=True)
def _interpreted() -> Iterator[None]:
    from export.interpreted import interpreted_triton

    with nullcontext() if DEVICE.type == "cuda" else interpreted_triton():
        yield


def triton(least_light: float = LEAST_LIGHT, block: tuple[int, int] = ONE_BLOCK) -> Renderer:
    from normnex_pl.export.baked.triton_renderer import TritonRenderer

    return TritonRenderer(least_light, block)


@cache
def files_of(name: str, num_basis: int = 3) -> BakedMPI:
    """Return a baked model; with several tiles a texture, although the canvas has but 20 x 16 pixels."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bake_files, "_TILE_PIXELS", 2)
        patch.setattr(bake_files, "_TILE_SIZES", (4,))
        return baked(make(name, num_basis=num_basis), Path(folder)).to(DEVICE)


@cache
def sparse_files_of(name: str) -> BakedMPI:
    """Return the same without one tile of five."""
    mpi = deepcopy(files_of(name))
    generator = torch.Generator().manual_seed(0)
    for texture in (mpi.alpha, mpi.base_color, mpi.features):
        dropped = torch.rand(texture.slots.shape, generator=generator) < 0.2
        assert bool(dropped.any())
        texture.slots[dropped.to(DEVICE)] = ABSENT
    return mpi


def camera_at(x: float, y: float, z: float, turn: tuple[float, float, float] = (0, 0, 0)) -> Camera:
    """Return a camera of the size of the reference view; turned by degrees about its axes."""
    rotation = torch.from_numpy(Rotation.from_euler("xyz", turn, degrees=True).as_matrix()).float()
    c2w = torch.cat([rotation, torch.tensor([[x], [y], [z]])], dim=1).to(DEVICE)
    return Camera(reference_camera().K.to(DEVICE), c2w, GEOMETRY.width, GEOMETRY.height)


def on_a_border(mpi: BakedMPI, camera: Camera) -> Tensor:
    """Mark pixels whose ray meets a plane at the border of a tile, or begins on it: rounding decides."""
    rays = image_rays(camera)
    flat = Rays(rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3))
    near = torch.zeros(len(flat.origins), dtype=torch.bool, device=DEVICE)

    def add(texture: TiledTexture, depths: Tensor) -> None:
        size = torch.tensor([texture.grid.width, texture.grid.height], device=DEVICE)
        texels = (canvas_coordinates(flat, depths, mpi.geometry) + 1) / 2 * size
        across = texels / texture.grid.shown
        close = ((across - across.round()).abs() < 1e-3) | ((texels - size).abs() < 1e-3)
        near.logical_or_(close.any(dim=-1).any(dim=-1))

    add(mpi.alpha, mpi.depths)
    add(mpi.base_color, mpi.depths)
    add(mpi.features, mpi.layer_depths)
    ahead = (mpi.depths - camera.c2w[2, 3]) / flat.directions[:, 2:]
    return (near | (ahead.abs() < 1e-4).any(dim=-1)).view(camera.height, camera.width)


def compare(mpi: BakedMPI, camera: Camera, ours: Renderer, oracle: Renderer, limit: float = 1e-4) -> None:
    """Compare all components of all pixels but those that rounding may put on either side of a border."""
    found, expected = render_image(mpi, camera, ours), render_image(mpi, camera, oracle)
    assert set(found) == set(expected)
    clear = ~on_a_border(mpi, camera)
    for name, values in expected.items():
        assert found[name].shape == values.shape, name
        assert bool(found[name].isfinite().all()), name
        scale = GEOMETRY.far if name == "depth" else 1.0
        # What is divided by next to nothing says nothing; normals may also cancel each other.
        counts = clear & (expected["acc"] > 1e-3) if name in ("normals", "depth") else clear
        far_off = ((found[name] - values)[counts].abs() > limit * scale).float().sum()
        assert float(far_off) <= (1e-3 * counts.sum() if name == "normals" else 0), name


@pytest.mark.parametrize("name", MODELS)
def test_all_components_of_all_models_equal_those_of_pytorch(name: str) -> None:
    mpi = files_of(name)
    assert float(render_image(mpi, camera_at(0, 0, 0), TorchRenderer())["acc"].mean()) > 0.3
    for camera in (camera_at(0, 0, 0), camera_at(0.12, -0.07, 0.1, (2, -3, 4))):
        compare(mpi, camera, triton(0.0), TorchRenderer(0.0))


few = settings(max_examples=10, deadline=None)
small = st.floats(-0.4, 0.4)
angles = st.floats(-30, 30)


@few
@given(
    name=st.sampled_from(["rgb", "ycbcr", "normnex"]),
    files=st.sampled_from([files_of, sparse_files_of]),
    place=st.tuples(small, small, st.floats(-0.5, 4.0)),
    turn=st.tuples(angles, angles, st.floats(-180, 180)),
    size=st.tuples(st.integers(1, 16), st.integers(1, 12)),
    zoom=st.floats(0.3, 3.0),
)
def test_from_anywhere_at_any_size_with_and_without_dropped_tiles(
    name: str,
    files: Callable[[str], BakedMPI],
    place: tuple[float, float, float],
    turn: tuple[float, float, float],
    size: tuple[int, int],
    zoom: float,
) -> None:
    """Include cameras beside the canvas and past the near planes."""
    camera = camera_at(*place, turn)
    K = camera.K.clone()
    K[0, 0] *= zoom
    K[1, 1] *= zoom
    camera = Camera(K, camera.c2w, *size)
    compare(files(name), camera, triton(0.0), TorchRenderer(0.0))


@pytest.mark.parametrize("turn", [(0, 90, 0), (0, 180, 0), (90, 0, 0)])
@pytest.mark.parametrize("name", ["rgb", "normnex"])
def test_rays_that_meet_nothing_are_black(name: str, turn: tuple[float, float, float]) -> None:
    """Turn the camera until the planes are behind it, or parallel to its rays."""
    camera = camera_at(0, 0, 0, turn)
    narrow = Camera(camera.K * torch.tensor([[1e3], [1e3], [1.0]], device=DEVICE), camera.c2w, 3, 3)
    shown = render_image(files_of(name), narrow, triton())
    for component in set(shown) - {"depth"}:
        assert float(shown[component].abs().max()) == 0, component
    assert torch.equal(shown["depth"], torch.full_like(shown["depth"], GEOMETRY.far))


@pytest.mark.parametrize("least", [LEAST_LIGHT, 0.1])
def test_rays_end_where_those_of_pytorch_end(least: float) -> None:
    mpi, camera = files_of("rgb"), camera_at(0.1, 0, 0)
    compare(mpi, camera, triton(least), TorchRenderer(least), limit=1e-4)
    whole = render_image(mpi, camera, TorchRenderer(0.0))["acc"]
    early = render_image(mpi, camera, triton(0.1))["acc"]
    assert 0.01 < float((whole - early).max()) <= 0.1


def test_blocks_of_any_shape_give_the_same_picture() -> None:
    """Compare blocks that skip different work for all of their pixels."""
    mpi, camera = sparse_files_of("normnex"), camera_at(0.1, 0.05, 0)
    camera = Camera(camera.K, camera.c2w, 8, 8)
    expected = render_image(mpi, camera, triton())
    for name, values in render_image(mpi, camera, triton(block=(8, 4))).items():
        torch.testing.assert_close(values, expected[name], atol=1e-6, rtol=0, msg=name)


def test_any_number_of_basis_functions() -> None:
    """Cover powers of two, which a GPU reads at once, and others."""
    for num_basis in (1, 8):
        mpi = files_of("ycbcr", num_basis=num_basis)
        assert mpi.features.ranges.shape[1] == 3 + num_basis
        compare(mpi, camera_at(0.1, 0, 0), triton(0.0), TorchRenderer(0.0))


def test_constants_of_the_kernel_are_what_every_version_of_triton_takes() -> None:
    """They are hashed and written out to find a compiled kernel; Triton 3.2 refuses callable ones."""
    from normnex_pl.export.baked.triton_renderer import image_constants

    one, same, other = (image_constants(files_of(name)) for name in ("ycbcr", "ycbcr", "additive"))
    assert not callable(one)
    assert one.value is one
    assert (one, hash(one), repr(one)) == (same, hash(same), repr(same))
    assert repr(one) != repr(other)


def test_triton_is_taken_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(find_renderer(torch.device("cpu")), TorchRenderer)
    assert find_renderer(torch.device("cuda")).name == "triton"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert isinstance(find_renderer(torch.device("cuda")), TorchRenderer)


def test_textures_stay_bytes_in_memory() -> None:
    mpi = files_of("rgb")
    tiles = sum(
        len(texture.tiles) * texture.grid.size**2 * texel
        for texture, texel in ((mpi.alpha, 1), (mpi.base_color, 4), (mpi.features, 12))
    )
    tables = sum(4 * texture.slots.numel() for texture in (mpi.alpha, mpi.base_color, mpi.features))
    assert tiles + tables <= mpi.memory <= tiles + tables + 2 * mpi.table.numel() + 2000


@pytest.mark.gpu
@pytest.mark.parametrize("name", MODELS)
def test_the_compiled_kernel_at_the_size_of_a_photo(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    mpi = files_of(name, num_basis=8)
    camera = camera_at(0.12, -0.07, 0.1, (2, -3, 4))
    K = camera.K * torch.tensor([[63.0], [63.0], [1.0]], device=DEVICE)
    large = Camera(K, camera.c2w, 63 * GEOMETRY.width, 63 * GEOMETRY.height)
    compare(mpi, large, triton(0.0, (8, 4)), TorchRenderer(0.0), limit=5e-4)
    assert find_renderer(DEVICE).name == "triton"
