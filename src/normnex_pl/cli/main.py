"""The command line: ``normnex COMMAND ...`` finds the module of the command and runs it.

Modules are imported when their command is called: looking at a scene in the browser needs no PyTorch.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from normnex_pl.cli.errors import guarded
from normnex_pl.cli.options import parse
from normnex_pl.core.errors import UserError

# Each is the module `normnex_pl.cli.NAME`, with a dataclass `Options` and a function `run(options)`.
COMMANDS = {
    "prepare": "make a scene of photos or a video: camera poses, undistorted",
    "inspect": "look at a scene before training: views, depths, planes, memory",
    "train": "train a variant at a preset on a scene, then evaluate it",
    "eval": "evaluate a trained run again",
    "bake": "write a run's textures for the viewer, and score them",
    "view": "show a baked run in the browser, or write a web site of it",
    "video": "render a video of a run along a camera path",
    "export": "write a baked run in a format for other programs",
    "compare": "train variants on one or several scenes, write one table",
    "sweep": "search settings, at Weights & Biases or by Optuna",
    "report": "say where all runs in a folder stand, as a table",
    "trial": "train one run of a sweep, as W&B's agent starts it",
    "fit": "train by YAML files alone (LightningCLI)",
    "validate": "evaluate on views left out of the training (LightningCLI)",
    "test": "evaluate on the held-out views (LightningCLI)",
}
_LIGHTNING = ("fit", "validate", "test")
_HELP = ("-h", "--help")
_USAGE = """usage: normnex COMMAND ...

Multiplane images that change with the viewing direction: NeX and Norm-NeX.

{commands}

`normnex COMMAND --help` lists a command's options; `normnex fit --help`, all
settings of a training."""
# How long threads of OpenMP wait actively: microseconds in GNU's library, not at all in others. By default
# they spin for milliseconds, and two trainings on the same cores hold each other up.
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
_CHOICES = (*_WAITING, "KMP_BLOCKTIME")
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # as launchers number their processes


def main(args: Sequence[str] | None = None) -> None:
    """Run a command.

    Args:
        args: The command and its arguments; None takes those of the process.

    Raises:
        SystemExit: The command ends with another status than 0: 1 if a run of several failed, 2 for bad
            input, 75 if a training was stopped and goes on when the command is given again, 130 after Ctrl-C.
    """
    words = sys.argv[1:] if args is None else list(args)
    _print_all_characters()
    _wait_briefly()
    # What all ranks would say alike, the first one says.
    rank = next((os.environ[name] for name in _RANKS if name in os.environ), "0")
    logging.basicConfig(
        level=logging.INFO if rank == "0" else logging.WARNING, format="%(levelname)s %(message)s"
    )
    status = guarded(lambda: _run(words))
    if status:
        sys.exit(status)


def _print_all_characters() -> None:
    """Print characters that a terminal or pipe can't encode as escapes, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _wait_briefly() -> None:
    """Shorten the busy waiting of OpenMP threads, unless the user has configured it.

    The library reads the setting when PyTorch is imported; child processes inherit it.
    """
    if not any(name in os.environ for name in _CHOICES):
        os.environ.update(_WAITING)


def _run(words: Sequence[str]) -> int | None:
    """Run the command that the first word names."""
    if not words:
        raise UserError("normnex: expected a command, found none. `normnex --help` lists them.")
    name, *others = words
    if name in _HELP:
        print(usage())  # noqa: T201
        return 0
    if name not in COMMANDS:
        raise UserError(f"normnex: expected one of {', '.join(COMMANDS)}, found {name}.")
    if name in _LIGHTNING:
        import_module("normnex_pl.training.command").run_command(words)
        return 0
    module = import_module(f"normnex_pl.cli.{name}")
    status: int | None = module.run(parse(module.Options, f"normnex {name}", others))
    return status


def usage() -> str:
    """Return the text of ``normnex --help``, which fits a screen of 80 columns and 24 lines."""
    commands = "\n".join(f"  {name:<10}{text}" for name, text in COMMANDS.items())
    return _USAGE.format(commands=commands)
