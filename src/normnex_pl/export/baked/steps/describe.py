"""Describe a model for the manifest: all that isn't in other files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from normnex_pl.core.types import Camera
from normnex_pl.export.baked.entries import CameraEntry, GeometryEntry
from normnex_pl.export.baked.manifest import FORMAT, VERSION
from normnex_pl.export.baked.parts import background_name, describe_color, normals_name
from normnex_pl.model.mpi import MPI


def describe(
    mpi: MPI, cameras: Sequence[Camera], provenance: Mapping[str, str | int | None]
) -> dict[str, Any]:
    """Return the fields of `Manifest` that don't depend on other files.

    Raises:
        UserError: The manifest has no name for a part of the model.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "geometry": GeometryEntry(**asdict(mpi.geometry)),
        "depths": tuple(mpi.depths.tolist()),
        "layer_depths": tuple(mpi.layer_depths.tolist()),
        "sublayers": mpi.sublayers,
        "background": background_name(mpi.background),
        "color": describe_color(mpi.color),
        "normals": normals_name(mpi.normals),
        "num_color_features": mpi.num_color_features,
        "gate": float(mpi.gate),
        "camera": _camera(cameras[0]),
        "viewpoints": tuple(tuple(map(tuple, camera.c2w.tolist())) for camera in cameras),
        "provenance": dict(provenance),
    }


def _camera(camera: Camera) -> CameraEntry:
    """Return the photos' intrinsics."""
    (fx, _, cx), (_, fy, cy), _ = camera.K.tolist()
    return CameraEntry(fx, fy, cx, cy, camera.width, camera.height)
