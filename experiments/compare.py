"""Train variants on one scene and compare them: `make compare SCENE=path`, or this file with --help."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_text
from normnex_pl.evaluation.pictures.colors import write_png
from normnex_pl.studies.batch import Batch, Job
from normnex_pl.studies.comparison import Run, csv_table, markdown_table
from normnex_pl.studies.comparison_pictures import comparison_sheet

EXPERIMENTS = Path(__file__).resolve().parent
BASELINE = "nex_rgb"
OURS = ("--data.scene", "--run.folder", "--seed_everything", "--data.seed")

ROWS_HELP = """
A file for --rows names rows of the table that are more than a variant, such as ablations:

  rows:
    nex_rgb: {variant: nex_rgb}
    no_gradient_loss:
      variant: nex_rgb
      args: ["--model.weights.gradient=0"]
    four_basis_functions:
      variant: nex_rgb
      args: ["--model.basis.init_args.num_basis=4"]
"""

# What a row adds to the configuration: the variant's name, and arguments.
Row = tuple[str, tuple[str, ...]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, 1 if a run failed, or 2 for bad input."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = parser().parse_args(arguments)
    try:
        return compare(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    result = argparse.ArgumentParser(
        description="Trains variants with one preset on one scene; writes a table and a contact sheet.",
        epilog=ROWS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("--scene", type=Path, required=True, help="folder of the scene")
    result.add_argument("--variants", type=str.split, metavar='"NAME ..."', help="default: all there are")
    result.add_argument("--rows", type=Path, help="YAML file of rows, beside VARIANTS if these are given too")
    result.add_argument("--preset", default="fast", help="of all runs; default: fast")
    result.add_argument("--seeds", type=numbers, default=[0], metavar='"N ..."', help="default: 0")
    result.add_argument("--out", type=Path, help="default: runs/<scene>/compare-<preset>")
    result.add_argument("--jobs", type=int, default=0, help="runs at a time; default: one a GPU, or one")
    result.add_argument("args", nargs="*", help="behind --: more options of normnex fit, for all runs")
    return result


def numbers(text: str) -> list[int]:
    """Read numbers between spaces; argparse tells what is wrong with others."""
    return [int(word) for word in text.split()]


def compare(options: argparse.Namespace) -> int:
    """Train what is missing, write the table and the sheet."""
    if not options.seeds or options.jobs < 0:
        raise UserError("--seeds, --jobs: expected at least one seed, and no negative number of jobs.")
    scene = options.scene
    out = options.out or Path("runs") / scene.resolve().name / f"compare-{options.preset}"
    rows = chosen_rows(options.variants, options.rows)
    jobs = [
        job(row, seed, scene, out, options) for row in rows.items() for seed in dict.fromkeys(options.seeds)
    ]
    runs = Batch(options.jobs, report).run(jobs)
    caption = f"Scene {scene.resolve().name}, preset {options.preset}, seeds {tuple_text(options.seeds)}"
    extra = f", with {' '.join(options.args)}" if options.args else ""
    write_results(out, f"{caption}{extra}.", runs)
    return int(any(run.failure for run in runs))


def chosen_rows(variants: Sequence[str] | None, path: Path | None) -> dict[str, Row]:
    """Return the rows of the table: the named variants, then those of the file.

    All variants if neither is given.
    """
    if variants is None:
        variants = [] if path else names_of("variants")
    rows: dict[str, Row] = {name: (name, ()) for name in variants}
    for name, row in (read_rows(path) if path else {}).items():
        if rows.setdefault(name, row) != row:
            raise UserError(f"{path}: expected rows with names of their own, found {name} twice. Rename it.")
    if not rows:
        raise UserError("--variants: expected at least one variant, found none. Leave it out to take all.")
    return rows


def names_of(folder: str) -> list[str]:
    """Return the YAML files in a folder of experiments/, with what all are compared with first."""
    return sorted(
        (path.stem for path in (EXPERIMENTS / folder).glob("*.yaml")),
        key=lambda name: (name != BASELINE, name),
    )


def read_rows(path: Path) -> dict[str, Row]:
    """Read a file of rows; see ``--help``."""
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: expected a YAML file of rows, found none ({error}). See --help.") from error
    rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, dict) or not rows:
        raise UserError(f"{path}: expected `rows:` with a name for each, found none. See --help.")
    return {str(name): read_row(path, str(name), row) for name, row in rows.items()}


def read_row(path: Path, name: str, row: Any) -> Row:
    """Read one row of a file."""
    known = (
        isinstance(row, dict) and not set(row) - {"variant", "args"} and isinstance(row.get("variant"), str)
    )
    arguments = row.get("args", []) if known else None
    if not isinstance(arguments, list) or not all(isinstance(word, str) for word in arguments):
        raise UserError(
            f"{path}, row {name}: expected `variant: name` and, if there are any, a list `args:` of texts, "
            f"found {row}. See --help."
        )
    return row["variant"], tuple(arguments)


def job(row: tuple[str, Row], seed: int, scene: Path, out: Path, options: argparse.Namespace) -> Job:
    """Return a run of a row."""
    name, (variant, more) = row
    if not re.fullmatch(r"[\w.-]+", name):
        raise UserError(
            f"row {name!r}: expected letters, digits, '.', '_' and '-', since a folder has its name."
        )
    for folder, choice in (("variants", variant), ("presets", options.preset)):
        if choice not in names_of(folder):
            choices = ", ".join(names_of(folder))
            raise UserError(f"{EXPERIMENTS / folder}: expected one of {choices}, found {choice}. Choose one.")
    arguments = (*options.args, *more)
    for word in arguments:
        if word.partition("=")[0] in OURS:
            raise UserError(
                f"{word}: expected other options, since the comparison sets this one. Leave it out."
            )
    folder = out / "runs" / f"{name}-seed{seed}"
    files = (
        EXPERIMENTS / f"{part}.yaml" for part in ("base", f"variants/{variant}", f"presets/{options.preset}")
    )
    configs = (word for file in files for word in ("-c", str(file)))
    ours = (scene, folder, seed, seed)
    settings = (f"{option}={value}" for option, value in zip(OURS, ours, strict=True))
    return Job(name, seed, scene, folder, (*configs, *settings, *arguments))


def write_results(out: Path, caption: str, runs: Sequence[Run]) -> None:
    """Write what the comparison is for, and print the table."""
    table = markdown_table(runs)
    write_text(out / "table.md", f"{caption}\n\n{table}")
    write_text(out / "table.csv", csv_table(runs))
    print(f"\n{table}\nTable: {out / 'table.md'}, {out / 'table.csv'}")
    sheet = comparison_sheet(runs)
    if sheet is None:
        print("Pictures: none, since no run finished")
    else:
        write_png(out / "contact_sheet.png", sheet)
        print(f"Pictures: {out / 'contact_sheet.png'}")


def tuple_text(values: Iterable[int]) -> str:
    """Numbers with commas between them."""
    return ", ".join(map(str, values))


def report(line: str) -> None:
    """Print at once, also into a file."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
