"""Write the folder of a rendered scene step by step, so that an interrupted run can go on."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mitsuba as mi
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import llff
import render
from cameras import HELD_OUT_EVERY, Camera

BOUND_MARGIN = 0.02  # relative margin of near and far around the visible depths

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class ViewLight:
    """The light of one view: linear radiance, all (H, W, 3).

    Attributes:
        full: the photo.
        diffuse: its diffuse part, of held-out views.
        layers: further parts of held-out views, by their keys in the file of the truth.
    """

    full: render.Image
    diffuse: render.Image | None = None
    layers: Mapping[str, render.Image] = field(default_factory=dict)


RenderLight = Callable[[Camera, int, bool], ViewLight]  # of a camera, its index, and whether it is held out
RenderMaps = Callable[[Camera, render.Geometry], Mapping[str, NDArray[np.uint8]]]  # further maps of the truth


def open_partial(output: Path, settings: Mapping[str, object]) -> Path:
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
    path: Path, scene: mi.Scene, cameras: Sequence[Camera], labels: Labels
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


def _write_view(
    folder: Path,
    camera: Camera,
    index: int,
    geometry: render.Geometry,
    labels: Labels,
    render_light: RenderLight,
    render_maps: RenderMaps,
) -> None:
    """Render one photo, and its truth if it is held out, unless they exist already."""
    photo = folder / "images" / f"view_{index:03d}.jpg"
    truth = folder / "truth" / f"view_{index:03d}.npz"
    held_out = index % HELD_OUT_EVERY == 0
    if photo.exists() and (truth.exists() or not held_out):
        return
    light = render_light(camera, index, held_out)
    if light.diffuse is not None:
        llff.save_truth(
            truth,
            full=light.full,
            diffuse=light.diffuse,
            depth=geometry.depth,
            normals=geometry.normals,
            mask=labels[geometry.shape],
            layers=light.layers,
            maps=render_maps(camera, geometry),
        )
    llff.save_photo(photo, light.full)


def write_scene(
    partial: Path,
    output: Path,
    scene: mi.Scene,
    cameras: Sequence[Camera],
    labels: Labels,
    render_light: RenderLight,
    render_maps: RenderMaps = lambda camera, geometry: {},
) -> None:
    """Render all views into a temporary folder and rename it at the end.

    Args:
        partial: from `open_partial`.
        output: the folder to create.
        scene: the scene.
        cameras: all cameras, in the photos' order.
        labels: mask labels by `shape_index`.
        render_light: renders a view.
        render_maps: maps of a held-out view beside its geometry, by their keys in the file of the truth.
    """
    geometries = write_poses(partial / "poses_bounds.npy", scene, cameras, labels)
    for index, camera in enumerate(tqdm(cameras, desc="views")):
        _write_view(partial, camera, index, geometries[index], labels, render_light, render_maps)
    os.rename(partial, output)
    print(f"wrote {output}")
