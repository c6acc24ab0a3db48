"""The rows of a comparison: variants, or variants with changed settings; and the runs that they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import folder_name
from normnex_pl.training.configurations import config_files, config_words, known

_OURS = ("--data.scene", "--run.folder", "--seed_everything", "--data.seed")
_SEE = "See `normnex compare --help`."


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        variant: Its variant, by name or as a YAML file.
        arguments: More arguments of ``normnex fit``.
    """

    variant: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunSpec:
    """A run that is to exist in the end.

    Attributes:
        row: Its row of the table, which several seeds and scenes share.
        seed: Of its random numbers.
        scene: The scene's folder, which ``arguments`` name too.
        shown_scene: The scene's name, where there are several.
        folder: The run folder, which ``arguments`` name too.
        arguments: Of ``normnex fit``.
    """

    row: str
    seed: int
    scene: Path
    shown_scene: str
    folder: Path
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        where = f"{self.shown_scene}, " if self.shown_scene else ""
        return f"{where}{self.row}, seed {self.seed}"


@dataclass(frozen=True)
class ComparisonPlan:
    """The runs of a comparison: scenes x rows x presets x seeds.

    Attributes:
        scenes: The scenes' folders.
        presets: Names, or YAML files.
        seeds: Of the random numbers.
        overrides: Arguments of ``normnex fit`` for all runs; those of a row take precedence.
        out: The folder of the comparison.
    """

    scenes: tuple[Path, ...]
    presets: tuple[str, ...]
    seeds: tuple[int, ...]
    overrides: tuple[str, ...]
    out: Path

    def __post_init__(self) -> None:
        """Raise a UserError if two scenes or presets have the same name, which folders have too."""
        for what, names in (
            ("scenes", [folder_name(scene) for scene in self.scenes]),
            ("presets", [Path(preset).stem for preset in self.presets]),
        ):
            if twice := {name for name in names if names.count(name) > 1}:
                raise UserError(
                    f"{what}: expected names of their own, found {', '.join(sorted(twice))} twice. "
                    "Rename one, or link to it by another name."
                )

    def runs_of(self, rows: Mapping[str, Row]) -> list[RunSpec]:
        """Return all runs, scene by scene.

        Raises:
            UserError: The name of a row can't be that of a folder, there is no such variant or preset, or an
                argument is one that the comparison sets.
        """
        return [
            self._run(scene, name, row, preset, seed)
            for scene in self.scenes
            for name, row in rows.items()
            for preset in self.presets
            for seed in self.seeds
        ]

    def _run(self, scene: Path, name: str, row: Row, preset: str, seed: int) -> RunSpec:
        if not re.fullmatch(r"[\w.-]+", name):
            raise UserError(
                f"row {name!r}: expected letters, digits, '.', '_' and '-', since a folder has its name."
            )
        arguments = (*self.overrides, *row.arguments)
        for word in arguments:
            if word.partition("=")[0] in _OURS:
                raise UserError(
                    f"{word}: expected other options, since the comparison sets this one. Leave it out."
                )
        title = f"{name}-{Path(preset).stem}" if len(self.presets) > 1 else name
        shown = folder_name(scene) if len(self.scenes) > 1 else ""
        folder = self.out / "runs" / shown / f"{title}-seed{seed}"
        ours = (scene, folder, seed, seed)
        settings = (f"{option}={value}" for option, value in zip(_OURS, ours, strict=True))
        files = config_words(config_files(row.variant, preset))
        return RunSpec(title, seed, scene, shown, folder, (*files, *settings, *arguments))


def chosen_rows(variants: Sequence[str] | None, path: Path | None) -> dict[str, Row]:
    """Return the rows of the table by name: the named variants, then those of the file.

    Args:
        variants: Names, or YAML files; None takes all there are, unless there is a file of rows.
        path: A YAML file of rows, as the help of ``normnex compare`` shows it.

    Raises:
        UserError: The file can't be read, a name stands for two rows, or there is no row.
    """
    if variants is None:
        variants = [] if path else known("variants")
    rows = {Path(name).stem: Row(name) for name in variants}
    for name, row in (read_rows(path) if path else {}).items():
        if rows.setdefault(name, row) != row:
            raise UserError(f"{path}: expected rows with names of their own, found {name} twice. Rename it.")
    if not rows:
        raise UserError("--variants: expected at least one variant, found none. Leave it out to take all.")
    return rows


def read_rows(path: Path) -> dict[str, Row]:
    """Read a file of rows.

    Raises:
        UserError: It can't be read, or has another form.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: expected a YAML file of rows, found none ({error}). {_SEE}") from error
    rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, dict) or not rows:
        raise UserError(f"{path}: expected `rows:` with a name for each, found none. {_SEE}")
    return {str(name): _row(path, str(name), row) for name, row in rows.items()}


def _row(path: Path, name: str, row: Any) -> Row:
    """Check one row of a file."""
    well_formed = (
        isinstance(row, dict) and not set(row) - {"variant", "args"} and isinstance(row.get("variant"), str)
    )
    arguments = row.get("args", []) if well_formed else None
    if not isinstance(arguments, list) or not all(isinstance(word, str) for word in arguments):
        raise UserError(
            f"{path}, row {name}: expected `variant: name` and, if there are any, a list `args:` of texts, "
            f"found {row}. {_SEE}"
        )
    return Row(row["variant"], tuple(arguments))
