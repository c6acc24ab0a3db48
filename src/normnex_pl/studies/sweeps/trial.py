"""One run of a sweep: what W&B's agent, or a sweep on this machine, starts with a set of values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import folder_name
from normnex_pl.studies.sweeps.online import FOLDER_VARIABLE
from normnex_pl.training.command import resolved_config
from normnex_pl.training.configurations import config_files, config_words

_SWEEP, _RUN = "WANDB_SWEEP_ID", "WANDB_RUN_ID"


def trial_files(variant: str, preset: str) -> list[str]:
    """Return the arguments that name the run's files; runs of W&B's agent log to W&B, where it listens.

    Raises:
        UserError: There is no such variant or preset.
    """
    return config_words(config_files(variant, preset, ("wandb",) if _SWEEP in os.environ else ()))


def agents_folder(scene: Path) -> Path:
    """Return the run folder of an agent's run, which is called by the run's id.

    Raises:
        UserError: No agent has started this process.
    """
    try:
        sweep, run = os.environ[_SWEEP], os.environ[_RUN]
    except KeyError as error:
        raise UserError(
            "--folder: expected the run folder, found none. Start sweeps by `normnex sweep`."
        ) from error
    place = os.environ.get(FOLDER_VARIABLE) or f"runs/{folder_name(scene)}/sweep-{sweep}"
    return Path(place) / "runs" / run


def validation_words(words: Sequence[str], count: int) -> list[str]:
    """Spread validations evenly over a run, whatever limits its length.

    Args:
        words: The arguments of ``normnex fit``.
        count: Validations.

    Returns:
        More arguments.

    Raises:
        UserError: The count isn't positive, or the arguments are refused.
    """
    if count < 1:
        raise UserError(f"--validations: expected at least 1, found {count}.")
    trainer = yaml.safe_load(resolved_config(words))["trainer"]
    if trainer["max_steps"] > 0:
        every = max(1, trainer["max_steps"] // count)
        return ["--trainer.check_val_every_n_epoch=null", f"--trainer.val_check_interval={every}"]
    return [f"--trainer.check_val_every_n_epoch={max(1, (trainer['max_epochs'] or 1) // count)}"]
