"""Render a forward-facing scene in LLFF layout, with the truth of its held-out views.

    python experiments/scenes/make_demo.py --output scenes/my_scene --width 1008

Needs the extra `scenes` (mitsuba), and for speed an LLVM library (Debian: `apt-get install libllvm19`).
An interrupted run resumes when it is started again with the same arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import mitsuba as mi
import numpy as np
from tqdm import tqdm

import layout
import llff
import render
from cameras import HELD_OUT_EVERY, Camera, make_cameras
from lights import LIGHTS
from objects import OBJECTS

BOUND_MARGIN = 0.02  # relative margin of near and far around the visible depths


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to create")
    parser.add_argument("--width", type=int, default=1008, help="pixels; the height is 3/4 of it")
    parser.add_argument("--views", type=int, default=30, help="number of photos")
    parser.add_argument("--seed", type=int, default=0, help="of cameras and textures")
    parser.add_argument("--spp", type=int, default=256, help="least number of samples per pixel")
    parser.add_argument("--objects", choices=sorted(OBJECTS), default="spheres")
    parser.add_argument("--lights", choices=sorted(LIGHTS), default="studio")
    arguments = parser.parse_args()
    if arguments.width < 8 or arguments.width % 4:
        parser.error("--width must be a positive multiple of 4")
    if arguments.views < 2 or arguments.spp < 1:
        parser.error("--views must be at least 2, and --spp at least 1")
    return arguments


def open_partial(output: Path, settings: dict[str, object]) -> Path:
    """Return a temporary folder beside `output`, that of an interrupted run if its settings were the same."""
    if output.exists():
        sys.exit(f"{output} exists already: remove it or choose another --output.")
    partial = output.with_name(f".{output.name}.partial")
    record = partial / "scene.json"
    text = json.dumps(settings, indent=2) + "\n"
    if not (record.exists() and record.read_text() == text):
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "images").mkdir(parents=True)
        (partial / "truth").mkdir()
        record.write_text(text)
    return partial


def write_poses(
    path: Path, scene: mi.Scene, cameras: list[Camera], labels: np.ndarray
) -> list[render.Geometry]:
    """Write `poses_bounds.npy`, and return the geometry that each camera sees.

    Args:
        path: of the file.
        scene: the scene.
        cameras: all cameras, in the photos' order.
        labels: mask labels by `shape_index`.
    """
    geometries, rows = [], []
    for index, camera in enumerate(tqdm(cameras, desc="depth")):
        geometry = render.render_geometry(scene, camera)
        if (labels[geometry.shape] < 0).any():
            sys.exit(f"View {index} shows a lamp or misses the wall: this scene needs another layout.")
        near = geometry.depth.min() * (1 - BOUND_MARGIN)
        far = geometry.depth.max() * (1 + BOUND_MARGIN)
        geometries.append(geometry)
        rows.append(llff.pose_row(camera, near, far))
    llff.write_whole(path, lambda partial: np.save(partial, np.stack(rows)))
    return geometries


def write_view(
    folder: Path,
    scene: mi.Scene,
    camera: Camera,
    index: int,
    spp: int,
    geometry: render.Geometry,
    labels: np.ndarray,
) -> None:
    """Render one photo, and its truth if it is held out, unless they exist already."""
    photo = folder / "images" / f"view_{index:03d}.jpg"
    truth = folder / "truth" / f"view_{index:03d}.npz"
    held_out = index % HELD_OUT_EVERY == 0
    if photo.exists() and (truth.exists() or not held_out):
        return
    full = render.render_full(scene, camera, spp, seed=index)
    if held_out:
        llff.save_truth(
            truth,
            full=full,
            diffuse=render.render_diffuse(scene, camera, spp, seed=index),
            depth=geometry.depth,
            normals=geometry.normals,
            mask=labels[geometry.shape],
        )
    llff.save_photo(photo, full)


def main() -> None:
    """Render all views into a temporary folder and rename it at the end."""
    arguments = parse_arguments()
    settings = {key: value for key, value in vars(arguments).items() if key != "output"}
    settings |= {"mask_labels": layout.LABELS, "mitsuba": mi.__version__}
    output = arguments.output.resolve()
    partial = open_partial(output, settings)
    print(f"mitsuba {mi.__version__}, {render.choose_variant()}; writing to {partial}")

    scene = layout.build_scene(arguments.objects, arguments.lights, arguments.seed)
    labels = layout.label_lookup(scene)
    cameras = make_cameras(arguments.views, arguments.width, arguments.seed)
    geometries = write_poses(partial / "poses_bounds.npy", scene, cameras, labels)
    for index, camera in enumerate(tqdm(cameras, desc="views")):
        write_view(partial, scene, camera, index, arguments.spp, geometries[index], labels)
    os.rename(partial, output)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
