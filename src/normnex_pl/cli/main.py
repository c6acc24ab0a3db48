"""The command line: parses, wires parts together, and turns errors into messages. No logic of its own."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentError
from collections.abc import Sequence

from pytorch_lightning.utilities import rank_zero_only

from normnex_pl.cli.inspect import inspect
from normnex_pl.core.errors import STOPPED, RunStoppedError, UserError
from normnex_pl.training.command import run_command
from normnex_pl.training.memory.advice import out_of_memory_message
from normnex_pl.training.memory.count import is_out_of_memory


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; bad input ends with a message on stderr and status 2."""
    # What all ranks would say alike, the first one says.
    level = logging.WARNING if getattr(rank_zero_only, "rank", 0) else logging.INFO
    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
    words = sys.argv[1:] if args is None else list(args)
    try:
        if words[:1] == ["inspect"]:
            inspect(words[1:])
        else:
            run_command(words)
    except (UserError, ArgumentError) as error:
        sys.exit(_fail(error))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        sys.exit(_fail(UserError(out_of_memory_message(error))))
    except RunStoppedError as stopped:
        print(stopped, file=sys.stderr)  # noqa: T201
        sys.exit(STOPPED)


def _fail(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return 2
