"""One run of a sweep: the `program` of experiments/sweeps/*.yaml, started by W&B's agent or by sweep.py.

Takes the sweep's parameters as options: those below, and all of `normnex fit`. The training is judged by
training views that were left out, a few times on the way and in the end; held-out views stay unseen.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from normnex_pl.cli.main import main as normnex
from normnex_pl.core.errors import UserError
from normnex_pl.studies.batch import resolved_config

EXPERIMENTS = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--scene", type=Path, required=True, help="folder of the scene")
    parser.add_argument("--variant", default="nex_rgb", help="in experiments/variants/")
    parser.add_argument("--preset", default="fast", help="in experiments/presets/")
    parser.add_argument("--seed", type=int, default=0, help="of weights and rays")
    parser.add_argument("--validations", type=int, default=10, help="in the course of a run")
    parser.add_argument("--folder", type=Path, help="run folder; default: where a W&B agent's runs are")
    options, more = parser.parse_known_args(arguments)
    try:
        words = fit_arguments(options, more)
    except UserError as error:
        sys.exit(f"error: {error}")
    sys.argv = [sys.argv[0]]  # Lightning wants arguments from one place alone
    normnex(["fit", *words])


def fit_arguments(options: argparse.Namespace, more: Sequence[str]) -> list[str]:
    """What `normnex fit` is called with."""
    if options.validations < 1:
        raise UserError(f"--validations: expected at least 1, found {options.validations}.")
    files = ["base", f"variants/{options.variant}", f"presets/{options.preset}"]
    if "WANDB_SWEEP_ID" in os.environ:  # its agent listens at W&B alone
        files.append("loggers/wandb")
    for file in files:
        if not (EXPERIMENTS / f"{file}.yaml").is_file():
            raise UserError(f"{EXPERIMENTS / file}.yaml: expected a configuration, found none.")
    words = [word for file in files for word in ("-c", str(EXPERIMENTS / f"{file}.yaml"))]
    folder = options.folder or agents_folder(options.scene)
    words += [f"--data.scene={options.scene}", f"--run.folder={folder}", "--after_fit=validate"]
    words += [f"--seed_everything={options.seed}", f"--data.seed={options.seed}", *more]
    return words + validation_arguments(words, options.validations)


def agents_folder(scene: Path) -> Path:
    """Return a folder for each of an agent's runs, which has the run's id."""
    try:
        sweep, run = os.environ["WANDB_SWEEP_ID"], os.environ["WANDB_RUN_ID"]
    except KeyError as error:
        raise UserError(
            "--folder: expected the run folder, found none. Start sweeps by `make sweep`."
        ) from error
    place = os.environ.get("NORMNEX_SWEEP_FOLDER") or f"runs/{scene.resolve().name}/sweep-{sweep}"
    return Path(place) / "runs" / run


def validation_arguments(words: Sequence[str], count: int) -> list[str]:
    """Spread validations evenly over the run, whatever limits its length."""
    trainer = yaml.safe_load(resolved_config(words))["trainer"]
    if trainer["max_steps"] > 0:
        every = max(1, trainer["max_steps"] // count)
        return ["--trainer.check_val_every_n_epoch=null", f"--trainer.val_check_interval={every}"]
    return [f"--trainer.check_val_every_n_epoch={max(1, (trainer['max_epochs'] or 1) // count)}"]


if __name__ == "__main__":
    main()
