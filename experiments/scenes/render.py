"""Render radiance, its diffuse part, and the geometry of each pixel by mitsuba."""

from __future__ import annotations

import glob
import math
import os
import re
import sys
import warnings
from dataclasses import dataclass
from typing import Any

import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

from cameras import Camera
from light_paths import MAX_DEPTH, ROULETTE_DEPTH

LLVM_OLDEST = 17  # older versions abort the process on mitsuba's code
LLVM_FOLDERS = ("/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib*/llvm*/lib*", f"{sys.prefix}/lib")
SAMPLES_PER_PASS = 50_000_000  # of all pixels together: bounds the memory

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Geometry:
    """The surfaces at the centres of the pixels.

    Attributes:
        depth: (H, W), along the camera's forward axis, world units.
        normals: (H, W, 3), unit, in OpenCV camera axes, facing the camera.
        shape: (H, W), index of the shape in the scene.
    """

    depth: NDArray[np.float64]
    normals: NDArray[np.float64]
    shape: NDArray[np.int64]


def find_llvm() -> str | None:
    """Return the path of the newest LLVM library on Linux that is new enough, or None."""
    found = []
    for path in (path for folder in LLVM_FOLDERS for path in glob.glob(f"{folder}/libLLVM*.so*")):
        name = os.path.basename(os.path.realpath(path))
        version = re.fullmatch(r"libLLVM(?:-(\d+)[\d.]*)?\.so(?:\.(\d+)[\d.]*)?", name)
        if version and int(version[1] or version[2] or 0) >= LLVM_OLDEST:
            found.append((int(version[1] or version[2]), path))
    return max(found)[1] if found else None


def choose_variant() -> str:
    """Activate `llvm_ad_rgb` if LLVM is found, else `scalar_rgb`; return the name."""
    if "DRJIT_LIBLLVM_PATH" not in os.environ:
        path = find_llvm()
        if path is None:
            warnings.warn(
                f"No libLLVM {LLVM_OLDEST} or newer found (Debian: apt-get install libllvm19; or set "
                "DRJIT_LIBLLVM_PATH): using scalar_rgb, whose truth passes are many times slower.",
                stacklevel=2,
            )
            mi.set_variant("scalar_rgb")
            return "scalar_rgb"
        os.environ["DRJIT_LIBLLVM_PATH"] = path
    mi.set_variant("llvm_ad_rgb")
    return "llvm_ad_rgb"


def make_sensor(camera: Camera, sampler: dict[str, Any]) -> mi.Sensor:
    """Return a mitsuba sensor for a camera, with a box filter: pixels are averages over their area."""
    to_world = np.eye(4)
    to_world[:3] = np.column_stack([camera.rotation * (-1, -1, 1), camera.position])
    fov = 2 * np.degrees(np.arctan(camera.width / 2 / camera.focal))
    film = {
        "type": "hdrfilm",
        "width": camera.width,
        "height": camera.height,
        "pixel_format": "rgb",
        "component_format": "float32",
        "rfilter": {"type": "box"},
    }
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": float(fov),
            "fov_axis": "x",
            "near_clip": 0.01,
            "far_clip": 100.0,
            "to_world": mi.ScalarTransform4f(to_world),
            "film": film,
            "sampler": sampler,
        }
    )


def render_with(scene: mi.Scene, integrator: mi.Integrator, camera: Camera, spp: int, seed: int) -> Image:
    """Render in as many passes as the memory requires; return their mean, linear RGB (H, W, 3)."""
    limit = max(1, SAMPLES_PER_PASS // (camera.width * camera.height))
    per_pass = math.isqrt(min(spp, limit)) ** 2  # the sampler's strata form a square
    passes = -(-spp // per_pass)
    sensor = make_sensor(camera, {"type": "multijitter"})
    total = np.zeros((camera.height, camera.width, 3))
    for index in range(passes):
        image = mi.render(
            scene, sensor=sensor, integrator=integrator, spp=per_pass, seed=seed * 10_000 + index
        )
        total += np.asarray(image, np.float64)
    return (total / passes).astype(np.float32)


def path_tracer() -> mi.Integrator:
    """Return the integrator of the photos."""
    return mi.load_dict({"type": "path", "max_depth": MAX_DEPTH, "rr_depth": ROULETTE_DEPTH})


def render_full(scene: mi.Scene, camera: Camera, spp: int, seed: int) -> Image:
    """Render the photo: linear radiance.

    Args:
        scene: the scene.
        camera: the camera.
        spp: samples per pixel.
        seed: seed of the samples.

    Returns:
        (H, W, 3).
    """
    return render_with(scene, path_tracer(), camera, spp, seed)


def render_diffuse(scene: mi.Scene, camera: Camera, spp: int, seed: int) -> Image:
    """Render the light that the first visible surface reflects diffusely: linear radiance, as `render_full`.

    With the same `spp` and `seed` it draws the same random numbers as the photo, so that the two are equal
    where a surface is purely diffuse.
    """
    from diffuse import FirstHitDiffuse  # its base class exists only once a variant is active

    return render_with(scene, FirstHitDiffuse(mi.Properties()), camera, spp, seed)


def render_geometry(scene: mi.Scene, camera: Camera) -> Geometry:
    """Return the surfaces at the centres of the pixels."""
    integrator = mi.load_dict({"type": "aov", "aovs": "point:position,normal:sh_normal,shape:shape_index"})
    # One sample without jitter lies in the centre of its pixel.
    sampler = {"type": "stratified", "sample_count": 1, "jitter": False}
    sensor = make_sensor(camera, sampler)
    image = np.asarray(mi.render(scene, sensor=sensor, integrator=integrator, spp=1), np.float64)
    points, normals, shape = image[..., :3], image[..., 3:6], image[..., 6]
    depth = (points - camera.position) @ camera.rotation[:, 2]
    normals = normals @ camera.rotation
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    away = ((points - camera.position) @ camera.rotation * normals).sum(-1, keepdims=True) > 0
    return Geometry(depth, np.where(away, -normals, normals), np.rint(shape).astype(np.int64))
