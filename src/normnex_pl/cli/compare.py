"""``normnex compare SCENE ...``: variants and ablations on one or several scenes, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.study import Study

from normnex_pl.cli.options import WordsAfterDashes
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place, folder_name, write_text
from normnex_pl.evaluation.pictures.colors import write_png
from normnex_pl.studies.comparison import Run, csv_table, markdown_table
from normnex_pl.studies.comparison_pictures import comparison_sheet
from normnex_pl.studies.comparison_work import ComparisonWork, expected_fingerprint
from normnex_pl.studies.queue.run import QueueOptions, Topic, work_on
from normnex_pl.studies.rows import ComparisonPlan, chosen_rows
from normnex_pl.studies.scene_tables import scene_tables
from normnex_pl.training.configurations import DEFAULT_PRESET


@dataclass(frozen=True)
class Options:
    """Train variants, presets and seeds on one or several scenes; write tables and a contact sheet.

    Runs that would only be repeated are kept. The same command with --worker, given any number of times on
    any machines that see the folder, shares the runs. A file for --rows names rows of the table that are more
    than a variant, such as ablations:

        rows:
          nex_rgb: {variant: nex_rgb}
          no_gradient_loss:
            variant: nex_rgb
            args: ["--model.weights.gradient=0"]
          four_basis_functions:
            variant: nex_rgb
            args: ["--model.basis.init_args.num_basis=4"]

    Attributes:
        scenes: Folders of the scenes.
        variants: Names in experiments/variants, or YAML files; by default all there are.
        rows: YAML file of rows, beside the variants if these are given too.
        preset: Presets, by their names, or YAML files: runs with each of them.
        seeds: Runs with each of them.
        queue: How the runs are shared among workers.
        out: Folder to write; by default runs/SCENE/compare-PRESET, or runs/compare-PRESET for several scenes.
        settings: What follows -- are settings and YAML files for all runs, as normnex fit takes them.
    """

    scenes: tuple[Path, ...]
    variants: tuple[str, ...] | None = None
    rows: Path | None = None
    preset: tuple[str, ...] = (DEFAULT_PRESET,)
    seeds: tuple[int, ...] = (0,)
    queue: QueueOptions = QueueOptions()  # noqa: RUF009 (frozen)
    out: Path | None = None
    settings: WordsAfterDashes = ()

    def __post_init__(self) -> None:
        """Raise a UserError if there is nothing to run."""
        if not self.seeds or not self.preset:
            raise UserError("--seeds, --preset: expected at least one seed and one preset.")

    @property
    def plan(self) -> ComparisonPlan:
        """All runs."""
        presets, seeds = tuple(dict.fromkeys(self.preset)), tuple(dict.fromkeys(self.seeds))
        name = f"compare-{'-'.join(Path(preset).stem for preset in presets)}"
        several = len(self.scenes) > 1
        default = Path("runs") / (name if several else f"{folder_name(self.scenes[0])}/{name}")
        return ComparisonPlan(self.scenes, presets, seeds, self.settings, self.out or default)

    @property
    def caption(self) -> str:
        """A sentence above the table."""
        scenes = ", ".join(map(folder_name, self.scenes))
        seeds = ", ".join(map(str, self.seeds))
        settings = f", with {' '.join(self.settings)}" if self.settings else ""
        return f"Scene {scenes}, preset {', '.join(self.preset)}, seeds {seeds}{settings}."


def run(options: Options) -> int:
    """Train what is missing, write tables and the sheet; return 1 if a run failed."""
    rows = chosen_rows(options.variants, options.rows)
    plan = options.plan
    specs = plan.runs_of(rows)
    expected = [expected_fingerprint(spec) for spec in specs]
    check_place(plan.out)

    def work_of(study: Study) -> ComparisonWork:
        return ComparisonWork(study, specs, expected, _report)

    def write(study: Study, work: ComparisonWork) -> None:
        _write_tables(plan.out, options, work.runs())

    topic = Topic({"kind": "comparison"})
    with work_on(topic, work_of, plan.out, options.queue, _report, write) as (_, work):
        work.report_kept()
        runs = work.runs()
    _report(f"\n{_write_tables(plan.out, options, runs)}")
    _report(f"Table: {plan.out / 'table.md'}, {plan.out / 'table.csv'}")
    _write_sheet(plan.out, runs)
    return int(any(run.failure for run in runs))


def _write_tables(out: Path, options: Options, runs: Sequence[Run]) -> str:
    """Write what is known so far, and return the tables."""
    tables = "\n".join(filter(None, [markdown_table(runs), scene_tables(runs, options.scenes)]))
    write_text(out / "table.md", f"{options.caption}\n\n{tables}")
    write_text(out / "table.csv", csv_table(runs))
    return tables


def _write_sheet(out: Path, runs: Sequence[Run]) -> None:
    """Write the pictures side by side; of several scenes, those of the first one that has some."""
    scenes = list(dict.fromkeys(run.scene for run in runs))
    sheets = (comparison_sheet([run for run in runs if run.scene == scene]) for scene in scenes)
    sheet = next((one for one in sheets if one is not None), None)
    if sheet is None:
        _report("Pictures: none, since no run finished")
    else:
        write_png(out / "contact_sheet.png", sheet)
        _report(f"Pictures: {out / 'contact_sheet.png'}")


def _report(line: str) -> None:
    """Print without buffering, even into a file."""
    print(line, flush=True)  # noqa: T201
