"""Identity of a run's weights: the scene that they belong to, and the files that were made from them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.data.scene.fingerprint import differing_files
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_identity import first_difference

# Relative differences of the same depths: in other units, and computed on other processors.
_UNITS, _PROCESSORS = 1e-12, 1e-3
_PARTS = ("hyper_parameters", "state_dict")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, whose tensors stay on disk until they are used; nothing in it is executed.

    Raises:
        UserError: It is damaged, or something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        found = [part for part in _PARTS if isinstance(content[part], dict)]
        geometry = content["hyper_parameters"]["geometry"]
    except OSError:
        raise
    # Damaged archives make torch raise RuntimeError, KeyError, EOFError, UnpicklingError and more.
    except Exception as error:
        raise _damaged(path, " ".join(str(error).split())[:200]) from error
    if len(found) < len(_PARTS) or not isinstance(geometry, dict):
        raise _damaged(path, "a part is missing")
    assert isinstance(content, dict)
    return content


def check_scene(checkpoint: Path, data: SceneDataModule) -> None:
    """Check that a checkpoint was trained on the scene at hand: its geometry, and the files of its run.

    Raises:
        UserError: It was trained with another reference camera, canvas or depth range, or on other files.
    """
    run = RunFolder(checkpoint.parent.parent)
    stored = read_scene_files(run.scene)
    differing = [] if stored is None else differing_files(stored, data.scene_files)
    if differing:
        more = f", and {len(differing) - 1} more differ" if len(differing) > 1 else ""
        raise UserError(
            f"{run.path}: expected the scene that it was trained on, found other files in {data.scene.root} "
            f"({differing[0]}{more}). Name the scene of the run, restore its files, or train anew in another "
            "folder (--run.folder=...)."
        )
    check_geometry(checkpoint, data.geometry)


def check_geometry(checkpoint: Path, geometry: MPIGeometry) -> None:
    """Check that a checkpoint was trained with the planes at hand.

    Raises:
        UserError: It was trained with another reference camera, canvas or depth range, or is damaged.
    """
    stored, now = read_checkpoint(checkpoint)["hyper_parameters"]["geometry"], asdict(geometry)
    difference = first_difference(stored, now | _rounded_alike(stored, now), "geometry")
    if difference:
        raise UserError(
            f"{checkpoint}: expected weights that were trained on this scene, found those of another one, or "
            f"of other planes ({difference}). Name the scene of the run (--scene=...), or another run "
            "folder; if another version placed the planes, copy the run's planes.txt into the scene's folder."
        )


def _rounded_alike(stored: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored depths if those at hand are the same up to rounding.

    ``planes.txt`` has them in other units, and those that photos gave may differ from processor to processor.
    """
    depths, tolerance = [[of["near"], of["far"]] for of in (stored, now)], _UNITS
    if stored["spacing"] != now["spacing"]:
        if isinstance(stored["spacing"], str) or isinstance(now["spacing"], str):
            return {}
        depths, tolerance = [list(of["spacing"]) for of in (stored, now)], _PROCESSORS
    alike = len(depths[0]) == len(depths[1]) and all(
        map(partial(math.isclose, rel_tol=tolerance), depths[0], depths[1])
    )
    return {name: stored[name] for name in ("near", "far", "spacing") if alike}


@torch.no_grad()
def model_digest(model: nn.Module) -> str:
    """Return a hash of all weights, whatever device they are on."""
    total = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return total.hexdigest()


def read_scene_files(path: Path) -> dict[str, str] | None:
    """Read the hashes of a run's scene; None where a run has stored none.

    Raises:
        UserError: The file is damaged.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged_hashes(path, str(error)) from error
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise _damaged_hashes(path, "something else")
    return content


def _damaged(path: Path, found: str) -> UserError:
    return UserError(
        f"{path}: expected a checkpoint, found a damaged file ({found}). Delete it and train again."
    )


def _damaged_hashes(path: Path, found: str) -> UserError:
    return UserError(
        f"{path}: expected hashes of the scene's files, found a damaged file ({found}). Delete it, if the "
        "scene is that of the run."
    )
