"""Scores of baked files in a run's ``metrics.json``, and whether they still speak of the run's model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_json
from normnex_pl.training.run_folder import RunFolder

_KEY = "baked"


def check_metrics(run: Path) -> dict[str, Any]:
    """Read the scores of a run; none, if it wasn't evaluated.

    Raises:
        UserError: They are damaged.
    """
    path = run / "metrics.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(
            f"{path}: expected JSON, found a damaged file ({error}). Evaluate again (make eval RUN=...)."
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected the scores of a run, found something else. Evaluate it again.")
    return content


def store_scores(run: Path, scores: dict[str, Any], model: str) -> None:
    """Add the scores of baked files to those of the run, which may have been evaluated meanwhile.

    Args:
        run: The run folder.
        scores: Of the baked files.
        model: `model_digest` of the weights that they were baked from.
    """
    write_json(run / "metrics.json", check_metrics(run) | {_KEY: scores | {"model": model}})


def forget_scores(run: Path) -> None:
    """Remove the scores of baked files from those of the run, if there are any."""
    content = check_metrics(run)
    if content.pop(_KEY, None) is not None:
        write_json(run / "metrics.json", content)


def kept_scores(run: Path, model: nn.Module) -> dict[str, Any]:
    """What an evaluation leaves in ``metrics.json``: scores of files that were baked from this very model.

    Args:
        run: The run folder.
        model: Whose scores take the place of the others.
    """
    try:
        scores = check_metrics(run).get(_KEY)
    except UserError:  # replaced by the scores of this evaluation
        return {}
    if not isinstance(scores, dict) or not RunFolder(run).baked.is_dir():
        return {}
    return {_KEY: scores} if scores.get("model") == model_digest(model) else {}


@torch.no_grad()
def model_digest(model: nn.Module) -> str:
    """Return a hash of all weights, whatever device they are on."""
    total = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return total.hexdigest()
