"""``normnex compare SCENE``: variants and ablations on one scene, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normnex_pl.cli.options import WordsAfterDashes
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place, folder_name, write_text
from normnex_pl.evaluation.pictures.colors import write_png
from normnex_pl.studies.comparison import Run, csv_table, markdown_table
from normnex_pl.studies.comparison_pictures import comparison_sheet
from normnex_pl.studies.queue import RunQueue
from normnex_pl.studies.rows import ComparisonPlan, chosen_rows
from normnex_pl.training.configurations import DEFAULT_PRESET


@dataclass(frozen=True)
class Options:
    """Train variants at one preset on one scene; write a table and a contact sheet.

    Runs that would only be repeated are kept. A file for --rows names rows of the table that are more than a
    variant, such as ablations:

        rows:
          nex_rgb: {variant: nex_rgb}
          no_gradient_loss:
            variant: nex_rgb
            args: ["--model.weights.gradient=0"]
          four_basis_functions:
            variant: nex_rgb
            args: ["--model.basis.init_args.num_basis=4"]

    Attributes:
        scene: Folder of the scene.
        variants: Names in experiments/variants, or YAML files; by default all there are.
        rows: YAML file of rows, beside the variants if these are given too.
        preset: Preset of all runs: a name, or a YAML file.
        seeds: A run with each of them.
        jobs: Runs at a time; by default one per GPU, or one.
        out: Folder to write; by default runs/SCENE/compare-PRESET.
        settings: What follows -- are settings and YAML files for all runs, as normnex fit takes them.
    """

    scene: Path
    variants: tuple[str, ...] | None = None
    rows: Path | None = None
    preset: str = DEFAULT_PRESET
    seeds: tuple[int, ...] = (0,)
    jobs: int = 0
    out: Path | None = None
    settings: WordsAfterDashes = ()

    def __post_init__(self) -> None:
        """Raise a UserError if a number is out of range."""
        if not self.seeds or self.jobs < 0:
            raise UserError("--seeds, --jobs: expected at least one seed, and no negative number of jobs.")

    @property
    def plan(self) -> ComparisonPlan:
        """The settings that all runs share."""
        default = Path("runs") / folder_name(self.scene) / f"compare-{Path(self.preset).stem}"
        return ComparisonPlan(self.scene, self.preset, self.settings, self.out or default)

    @property
    def caption(self) -> str:
        """A sentence above the table."""
        seeds = ", ".join(map(str, self.seeds))
        settings = f", with {' '.join(self.settings)}" if self.settings else ""
        return f"Scene {folder_name(self.scene)}, preset {self.preset}, seeds {seeds}{settings}."


def run(options: Options) -> int:
    """Train what is missing, write the table and the sheet; return 1 if a run failed."""
    rows = chosen_rows(options.variants, options.rows)
    plan = options.plan
    specs = [
        plan.run_of(name, row, seed) for name, row in rows.items() for seed in dict.fromkeys(options.seeds)
    ]
    check_place(plan.out)
    runs = RunQueue(options.jobs, _report).run(specs)
    _write_results(plan.out, options.caption, runs)
    return int(any(run.failure for run in runs))


def _write_results(out: Path, caption: str, runs: Sequence[Run]) -> None:
    """Write table and sheet, and print the table."""
    table = markdown_table(runs)
    write_text(out / "table.md", f"{caption}\n\n{table}")
    write_text(out / "table.csv", csv_table(runs))
    print(f"\n{table}\nTable: {out / 'table.md'}, {out / 'table.csv'}")  # noqa: T201
    sheet = comparison_sheet(runs)
    if sheet is None:
        print("Pictures: none, since no run finished")  # noqa: T201
    else:
        write_png(out / "contact_sheet.png", sheet)
        print(f"Pictures: {out / 'contact_sheet.png'}")  # noqa: T201


def _report(line: str) -> None:
    """Print without buffering, even into a file."""
    print(line, flush=True)  # noqa: T201
