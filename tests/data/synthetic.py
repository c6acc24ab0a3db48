"""Small captures on disk, and images that Pillow can't write, for the tests of the readers."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from normnex_pl.core.types import Scene
from normnex_pl.data.planes.choice import PlaneOverrides
from normnex_pl.data.readers.llff import LLFFReader
from normnex_pl.data.scene.load import load_scene

SIZE = (16, 12)


def read_llff(
    root: Path, width: int | None, holdout: int = 8, overrides: PlaneOverrides | None = None
) -> Scene:
    """Return a scene by the reader of this format, whatever else the folder may hold."""
    return load_scene(root, width, LLFFReader(), overrides=overrides or PlaneOverrides(), holdout=holdout)


@dataclass(frozen=True)
class Cameras:
    """Forward-facing cameras in OpenCV axes, with the intrinsics of photos of the stored size.

    ``c2w`` is [view, 3, 4], ``bounds`` [view, 2], ``hwf`` height, width and focal length.
    """

    c2w: NDArray[np.float64]
    bounds: NDArray[np.float64]
    hwf: tuple[float, float, float] = (48, 64, 60)


def forward_facing(count: int, seed: int = 0) -> Cameras:
    """Return cameras near the origin that look along z, give or take a few degrees."""
    rng = np.random.default_rng(seed)
    rotations = Rotation.from_rotvec(rng.normal(scale=0.05, size=(count, 3))).as_matrix()
    positions = rng.uniform(-1, 1, (count, 3)) * [0.5, 0.5, 0.05]
    near = rng.uniform(2, 3, count)
    bounds = np.stack([near, near * rng.uniform(3, 6, count)], axis=1)
    return Cameras(np.concatenate([rotations, positions[:, :, None]], axis=2), bounds)


def llff_rows(cameras: Cameras) -> NDArray[np.float64]:
    """Return rows of 17 numbers: columns down, right, backward, position, hwf; then the bounds."""
    right, down, forward, position = np.moveaxis(cameras.c2w, 2, 0)
    hwf = np.broadcast_to(np.array(cameras.hwf, dtype=float), position.shape)
    matrices = np.stack([down, right, -forward, position, hwf], axis=2)
    return np.concatenate([matrices.reshape(len(matrices), 15), cameras.bounds], axis=1)


def nex_rows(cameras: Cameras) -> NDArray[np.float64]:
    """Return rows of 14 numbers: as LLFF's, without the column hwf."""
    rows = llff_rows(cameras)
    matrices = rows[:, :15].reshape(-1, 3, 5)[:, :, :4]
    return np.concatenate([matrices.reshape(-1, 12), cameras.bounds], axis=1)


def write_photos(folder: Path, names: Sequence[str], size: tuple[int, int] = SIZE, seed: int = 0) -> None:
    """Write photos of random colours; the ending of a name says the format."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name in names:
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(folder / name)


def write_scene(
    root: Path, cameras: Cameras, layout: Literal["llff", "nex"] = "llff", size: tuple[int, int] = SIZE
) -> Path:
    """Write photos of one size and the pose files of either layout."""
    write_photos(root / "images", [f"view_{i:03}.png" for i in range(len(cameras.c2w))], size)
    if layout == "llff":
        np.save(root / "poses_bounds.npy", llff_rows(cameras))
    else:
        height, width, focal = cameras.hwf
        np.save(root / "poses_bounds.npy", nex_rows(cameras))
        np.save(root / "hwf_cxcy.npy", np.array([height, width, focal, focal, width / 2, height / 2]))
    return root


def write_png16(path: Path, pixels: NDArray[np.uint16], orientation: int | None = None) -> None:
    """Write a 16-bit PNG by hand (RFC 2083): height x width x 1, 2, 3 or 4 channels."""
    height, width, channels = pixels.shape
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    exif = (
        b""
        if orientation is None
        else b"MM\0*\0\0\0\x08" + struct.pack(">HHHLHHL", 1, 0x112, 3, 1, orientation, 0, 0)
    )
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [(b"IHDR", struct.pack(">LLBBBBB", width, height, 16, color_type, 0, 0, 0))]
    chunks += [(b"eXIf", exif)] if exif else []
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = (
        struct.pack(">L", len(data)) + tag + data + struct.pack(">L", zlib.crc32(tag + data))
        for tag, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def assert_valid(scene: Scene) -> None:
    """Assert the invariants of `Scene`, for any reader."""
    indices = set(range(len(scene.views)))
    assert len(indices) >= 2
    assert scene.train
    assert scene.test
    assert set(scene.train) | set(scene.test) <= indices
    assert not set(scene.train) & set(scene.test)
    assert scene.reference in scene.train
    assert len({view.name for view in scene.views}) == len(scene.views)
    assert scene.source_from_world.isfinite().all()
    for view in scene.views:
        camera = view.camera
        assert view.image.shape == (camera.height, camera.width, 3)
        assert (camera.width, camera.height) == (scene.geometry.width, scene.geometry.height)
        assert camera.K.isfinite().all()
        assert camera.c2w.isfinite().all()
        assert min(camera.K[0, 0], camera.K[1, 1]) > 0
        rotation = camera.c2w[:, :3].double().numpy()
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(rotation) > 0
    assert 0 < scene.geometry.near < scene.geometry.far < np.inf
    assert scene.geometry.padding >= 0
    np.testing.assert_array_equal(scene.views[scene.reference].camera.c2w.numpy(), np.eye(3, 4))
