"""One synthetic scene, written in every layout that can be read. Shares no code with the readers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from data.synthetic import SIZE, Cameras, forward_facing, write_photos, write_scene

COLMAP_MODELS = {
    "SIMPLE_PINHOLE": 0,
    "PINHOLE": 1,
    "SIMPLE_RADIAL": 2,
    "RADIAL": 3,
    "OPENCV": 4,
    "OPENCV_FISHEYE": 5,
    "FULL_OPENCV": 6,
}


@dataclass(frozen=True)
class Captured:
    """Cameras, the points that all of them see, and the bounds that these points give.

    Intrinsics are those of photos four times as large as the written ones; ``points`` is [point, 3].
    """

    cameras: Cameras
    points: NDArray[np.float64]
    lens: tuple[float, float, float, float] | None = None  # fx, fy, cx, cy; not all layouts can have one

    @property
    def names(self) -> list[str]:
        return [f"view_{i:03}.png" for i in range(len(self.cameras.c2w))]

    @property
    def size(self) -> tuple[int, int]:
        """Stored width and height."""
        return int(self.cameras.hwf[1]), int(self.cameras.hwf[0])

    @property
    def pinhole(self) -> tuple[float, float, float, float]:
        """Focal lengths and principal point."""
        if self.lens is not None:
            return self.lens
        height, width, focal = self.cameras.hwf
        return focal, focal, width / 2, height / 2


def captured(count: int = 9, seed: int = 0) -> Captured:
    """Return a scene whose bounds are LLFF's percentiles of its points."""
    cameras = forward_facing(count, seed)
    points = np.random.default_rng(seed + 1).uniform([-0.4, -0.1, 3], [0.4, 0.1, 9], (200, 3))
    depths = np.einsum("vpc,vc->vp", points - cameras.c2w[:, None, :, 3], cameras.c2w[:, :, 2])
    bounds = np.percentile(depths, [0.1, 99.9], axis=1).T
    return Captured(replace(cameras, bounds=bounds), points)


def write_llff(root: Path, scene: Captured) -> Path:
    """Write poses with 17 numbers."""
    return write_scene(root, scene.cameras)


def write_shiny(root: Path, scene: Captured) -> Path:
    """Write poses with 14 numbers and ``hwf_cxcy.npy``."""
    write_scene(root, scene.cameras, "nex")
    np.save(root / "hwf_cxcy.npy", np.array([*scene.size[::-1], *scene.pinhole]))
    return root


def world_to_camera(c2w: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return COLMAP's quaternion (w first) and translation."""
    x, y, z, w = Rotation.from_matrix(c2w[:, :3].T).as_quat()
    return np.array([w, x, y, z]), -c2w[:, :3].T @ c2w[:, 3]


def _colmap_folder(root: Path, scene: Captured, place: str) -> Path:
    """Write the photos, and make the folder of the model."""
    photos = root / "dense" if place.startswith("dense") else root
    write_photos(photos / "images", scene.names)
    folder = root / place
    folder.mkdir(parents=True)
    return folder


def write_colmap_binary(
    root: Path,
    scene: Captured,
    place: str = "sparse/0",
    model: str = "PINHOLE",
    parameters: tuple[float, ...] | None = None,
) -> Path:
    """Write identifiers that aren't indices, images in reverse order, keypoints that must be skipped."""
    folder = _colmap_folder(root, scene, place)
    values = scene.pinhole if parameters is None else parameters
    camera = struct.pack(f"<IiQQ{len(values)}d", 7, COLMAP_MODELS[model], *scene.size, *values)
    (folder / "cameras.bin").write_bytes(struct.pack("<Q", 1) + camera)
    images = []
    for i in reversed(range(len(scene.names))):
        quaternion, translation = world_to_camera(scene.cameras.c2w[i])
        keypoints = [struct.pack("<2dq", 1.5, 2.5, point) for point in range(-1, i)]
        images.append(
            struct.pack("<I7dI", 10 * i + 3, *quaternion, *translation, 7)
            + scene.names[i].encode()
            + b"\0"
            + struct.pack("<Q", len(keypoints))
            + b"".join(keypoints)
        )
    (folder / "images.bin").write_bytes(struct.pack("<Q", len(images)) + b"".join(images))
    track = b"".join(struct.pack("<II", 10 * i + 3, 0) for i in range(len(scene.names)))
    points = [
        struct.pack("<Q3d3BdQ", 100 + index, *xyz, 1, 2, 3, 0.5, len(scene.names)) + track
        for index, xyz in enumerate(scene.points)
    ]
    (folder / "points3D.bin").write_bytes(struct.pack("<Q", len(points)) + b"".join(points))
    return root


def write_colmap_text(
    root: Path,
    scene: Captured,
    place: str = "sparse",
    model: str = "PINHOLE",
    parameters: tuple[float, ...] | None = None,
) -> Path:
    """Write with comments; every other image has no keypoints, which leaves an empty line."""
    folder = _colmap_folder(root, scene, place)
    width, height = scene.size
    values = scene.pinhole if parameters is None else parameters
    words = " ".join(repr(float(value)) for value in values)
    (folder / "cameras.txt").write_text(f"# Camera list\n7 {model} {width} {height} {words}\n")
    lines = ["# Image list with two lines of data per image:"]
    for i, name in enumerate(scene.names):
        numbers = [float(value) for part in world_to_camera(scene.cameras.c2w[i]) for value in part]
        lines += [f"{10 * i + 3} {' '.join(map(repr, numbers))} 7 {name}", "1.5 2.5 -1" if i % 2 else ""]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    track = " ".join(f"{10 * i + 3} 0" for i in range(len(scene.names)))
    lines = [
        f"{100 + i} {x!r} {y!r} {z!r} 1 2 3 0.5 {track}" for i, (x, y, z) in enumerate(scene.points.tolist())
    ]
    (folder / "points3D.txt").write_text("# 3D point list\n" + "\n".join(lines) + "\n")
    return root


def spaces_content(scene: Captured, rig_positions: int = 3) -> list[list[dict[str, Any]]]:
    """Deal the views out to rig positions; orientation takes the world to the camera."""
    width, height = scene.size
    fx, fy, cx, cy = scene.pinhole
    cameras = [
        {
            "width": float(width),
            "height": float(height),
            "focal_length": fx,
            "pixel_aspect_ratio": fy / fx,
            "principal_point": [cx, cy],
            "position": c2w[:, 3].tolist(),
            "orientation": Rotation.from_matrix(c2w[:, :3].T).as_rotvec().tolist(),
            "relative_path": f"photos/{name}",
        }
        for name, c2w in zip(scene.names, scene.cameras.c2w, strict=True)
    ]
    return [cameras[start::rig_positions] for start in range(rig_positions)]


def write_spaces(root: Path, scene: Captured) -> Path:
    """Write all photos to one folder, so that they are called what other layouts call them."""
    write_photos(root / "photos", scene.names)
    (root / "models.json").write_text(json.dumps(spaces_content(scene)))
    return root


def transforms_content(scene: Captured) -> dict[str, Any]:
    """Return poses with OpenGL axes, one lens for all."""
    width, height = scene.size
    fx, fy, cx, cy = scene.pinhole
    matrices = np.tile(np.eye(4), (len(scene.names), 1, 1))
    matrices[:, :3] = scene.cameras.c2w * [1, -1, -1, 1]
    frames = [
        {"file_path": f"images/{name}", "transform_matrix": matrix.tolist()}
        for name, matrix in zip(scene.names, matrices, strict=True)
    ]
    lens = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": width, "h": height}
    return {"camera_model": "OPENCV", **lens, "ply_file_path": "sparse_pc.ply", "frames": frames}


def write_ply(path: Path, points: NDArray[np.float64]) -> None:
    """Write a binary file, with what nerfstudio writes: doubles would be unusual, but lose nothing."""
    names = ["x", "y", "z", "red", "green", "blue"]
    types = ["double"] * 3 + ["uchar"] * 3
    properties = "".join(f"property {kind} {name}\n" for kind, name in zip(types, names, strict=True))
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{properties}end_header\n"
    body = b"".join(struct.pack("<3d3B", *point, 1, 2, 3) for point in points)
    path.write_bytes(header.encode() + body)


def write_nerfstudio(root: Path, scene: Captured, **changes: Any) -> Path:
    """Write one lens at the top; ``changes`` are further keys there, None removes one."""
    write_photos(root / "images", scene.names)
    write_ply(root / "sparse_pc.ply", scene.points)
    content = transforms_content(scene) | changes
    content = {key: value for key, value in content.items() if value is not None}
    (root / "transforms.json").write_text(json.dumps(content))
    return root


LAYOUTS: dict[str, Callable[[Path, Captured], Path]] = {
    "llff": write_llff,
    "shiny": write_shiny,
    "colmap binary": write_colmap_binary,
    "colmap text": write_colmap_text,
    "colmap dense": lambda root, scene: write_colmap_binary(root, scene, "dense/sparse"),
    "spaces": write_spaces,
    "nerfstudio": write_nerfstudio,
}

__all__ = ["LAYOUTS", "SIZE", "Captured", "captured"]
