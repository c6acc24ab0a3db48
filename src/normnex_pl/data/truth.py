"""Ground truth of rendered photos: ``truth/<view name>.npz`` in a scene's folder.

The demo scene's README tells what the files hold and how they were made. A scene without them is complete;
the scores against the truth are then left out.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.truth import PaneLayers, ViewTruth

logger = logging.getLogger(__name__)

LABELS = {"wall": 0, "table": 1, "glossy": 2, "mirror": 3}

_FOLDER = "truth"
_MAPS = ("depth", "mask", "pane")
_REQUIRED = {"normals": "f", "depth": "f", "diffuse": "u", "specular": "i", "mask": "u"}
_PANE = {"transmitted": "f", "mirrored": "f", "pane": "u"}  # all of them or none
_KINDS = _REQUIRED | _PANE
_KIND_NAMES = {"f": "floating-point numbers", "u": "unsigned bytes", "i": "signed integers"}
# Float16 rounds the length of a unit vector by up to 0.002.
_LENGTH_TOLERANCE = 0.01


def read_truth(root: Path, name: str, height: int, width: int) -> ViewTruth | None:
    """Read the truth about one view.

    Args:
        root: The scene's folder.
        name: Of the view.
        height: Of its loaded photo in pixels.
        width: Of its loaded photo in pixels.

    Returns:
        The truth, with normals of length 1 to float32's accuracy. None if the scene has none about this view,
        or has it for photos of another size: labels and normals can't be scaled without making some up. The
        latter is logged, once for each scene and pair of sizes.

    Raises:
        UserError: The file is damaged, lacks something, or holds what can't be true.
    """
    path = root / _FOLDER / f"{name}.npz"
    if not os.path.exists(path):  # unlike Path.exists, False where a view's name is as long as names can be
        return None
    arrays = _read_arrays(path)
    stored_height, stored_width = _checked_size(path, arrays)
    _check_values(path, arrays)
    if (stored_height, stored_width) != (height, width):
        _warn_of_size(path.parent, f"{stored_width}x{stored_height}", f"{width}x{height}")
        return None
    normals = arrays["normals"].astype(np.float32)
    return ViewTruth(
        normals=torch.from_numpy(normals / np.linalg.norm(normals, axis=-1, keepdims=True)),
        depth=torch.from_numpy(arrays["depth"].astype(np.float32)),
        diffuse=_fractions(arrays["diffuse"]),
        specular=_fractions(arrays["specular"]),
        mask=torch.from_numpy(arrays["mask"].astype(np.uint8)),
        layers=_pane_layers(arrays),
    )


def _pane_layers(arrays: dict[str, NDArray[np.generic]]) -> PaneLayers | None:
    """Return the layers of a pane of glass; None if the view has none."""
    if not _PANE.keys() <= arrays.keys():
        return None
    return PaneLayers(
        transmitted=torch.from_numpy(arrays["transmitted"].astype(np.float32)),
        mirrored=torch.from_numpy(arrays["mirrored"].astype(np.float32)),
        pane=torch.from_numpy(arrays["pane"].astype(np.uint8)),
    )


def _fractions(steps: NDArray[np.generic]) -> Float[Tensor, "height width 3"]:
    """Decode colours that are stored in steps of 1/255."""
    return torch.from_numpy(steps.astype(np.float32) / 255)


def truth_files(root: Path) -> list[Path]:
    """List the files in the folder of the truth."""
    return [path for path in (root / _FOLDER).rglob("*") if path.is_file()]


@cache
def _warn_of_size(folder: Path, found: str, wanted: str) -> None:
    """Log once what holds for all views."""
    logger.warning(
        "%s: expected the truth about photos of %s pixels, as they were loaded, found %s. The scores against "
        "the truth are left out (null); load the photos at that size (data.width) to have them.",
        folder,
        wanted,
        found,
    )


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read all that is needed of an archive; never unpickles."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found = sorted(archive.files)
            arrays = {key: archive[key] for key in _KINDS if key in archive.files}
    # Damaged archives make numpy and zipfile raise BadZipFile, zlib.error, ValueError, EOFError and more.
    except Exception as error:
        raise UserError(
            f"{path}: expected a NumPy archive of arrays, found an empty, damaged, pickled or other file "
            f"({error}). Copy it again, or remove the folder {_FOLDER}/ to do without the scores against it."
        ) from error
    wanted = _KINDS if _PANE.keys() & arrays.keys() else _REQUIRED
    if not wanted.keys() <= arrays.keys():
        _refuse(path, f"the keys {', '.join(wanted)}", ", ".join(found) or "none")
    return arrays


def _checked_size(path: Path, arrays: dict[str, NDArray[np.generic]]) -> tuple[int, int]:
    """Return the height and width that all arrays agree on.

    Raises:
        UserError: They don't, or a type is another than it should be.
    """
    size = arrays["mask"].shape
    for key, array in arrays.items():
        shape = size[:2] if key in _MAPS else (*size[:2], 3)
        if len(size) != 2 or array.shape != shape or not array.size:
            found = f"{array.shape} beside a mask of {size}"
            _refuse(path, f"'{key}' of the shape {shape}, for a mask of height x width", found)
        if array.dtype.kind != _KINDS[key]:
            _refuse(path, f"'{key}' as {_KIND_NAMES[_KINDS[key]]}", f"the type {array.dtype}")
    return size[0], size[1]


def _check_values(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    """Raise a UserError at the first impossible value."""
    lengths = np.linalg.norm(arrays["normals"].astype(np.float32), axis=-1)
    # Written so that NaN fails.
    if not (np.abs(lengths - 1) < _LENGTH_TOLERANCE).all():
        worst = lengths.flat[np.abs(lengths - 1).argmax()]
        _refuse(path, "'normals' of length 1", f"one of length {worst:.3g}")
    depth = arrays["depth"].astype(np.float64)
    if not ((depth > 0) & (depth < np.inf)).all():
        _refuse(path, "positive numbers in 'depth'", f"values from {depth.min():g} to {depth.max():g}")
    for key in ("transmitted", "mirrored"):
        light = arrays.get(key, np.zeros(1)).astype(np.float64)
        if not ((light >= 0) & (light < np.inf)).all():
            found = f"values from {light.min():g} to {light.max():g}"
            _refuse(path, f"finite numbers of at least 0 in '{key}'", found)
    limits = {"mask": max(LABELS.values()), "diffuse": 255, "specular": 255, "pane": 1}
    for key, limit in limits.items():
        largest = int(np.abs(arrays.get(key, np.zeros(1)).astype(np.int64)).max())
        if largest > limit:
            _refuse(path, f"numbers up to {limit} in '{key}'", str(largest))


def _refuse(path: Path, expected: str, found: str) -> NoReturn:
    raise UserError(
        f"{path}: expected {expected}, found {found}. Make the file again (see scenes/demo/README.md), or "
        f"remove the folder {_FOLDER}/ to do without the scores against it."
    )
