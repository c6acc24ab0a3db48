"""``normnex sweep SWEEP SCENE``: a search of settings, at Weights & Biases or on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from normnex_pl.cli.options import WordsAfterDashes
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place, folder_name
from normnex_pl.studies.sweeps.config import Config, read_sweep
from normnex_pl.studies.sweeps.engine import Engine, prepare
from normnex_pl.studies.sweeps.local import LocalSweep
from normnex_pl.studies.sweeps.online import run_at_wandb
from normnex_pl.studies.sweeps.plot import write_plot
from normnex_pl.studies.sweeps.report import comparable, sweep_title, write_tables
from normnex_pl.studies.sweeps.state import SweepState
from normnex_pl.training.configurations import DEFAULT_PRESET, config_file, experiments_folder
from normnex_pl.training.loggers.weights_and_biases import choose_mode


@dataclass(frozen=True)
class Options:
    """Run a sweep.

    With a W&B account, the sweep is created there and agents work on it, one per GPU. Without one, or with
    WANDB_MODE=offline, the same file is run on this machine by W&B's own engine.

    Attributes:
        sweep: A name in experiments/sweeps, or a YAML file of your own in W&B's format.
        scene: Folder of the scene.
        preset: Preset of all runs: a name, or a YAML file.
        count: Runs in all; by default the file's run_cap, or all of a grid.
        jobs: Runs at a time; by default one per GPU, or one.
        out: Folder to write; by default runs/SCENE/sweep-SWEEP-PRESET.
        settings: What follows -- are settings for all runs, as normnex fit takes them.
    """

    sweep: str
    scene: Path
    preset: str = DEFAULT_PRESET
    count: int | None = None
    jobs: int = 0
    out: Path | None = None
    settings: WordsAfterDashes = ()

    @property
    def folder(self) -> Path:
        """The folder that the sweep is stored in."""
        name = f"sweep-{Path(self.sweep).stem}-{Path(self.preset).stem}"
        return self.out or Path("runs") / folder_name(self.scene) / name


def run(options: Options) -> int:
    """Check the sweep and work on it; return 1 if a run failed."""
    if not options.scene.is_dir():
        raise UserError(f"{options.scene}: expected the folder of a scene, found none. Check SCENE.")
    words = [str(options.scene), f"--preset={options.preset}", *options.settings]
    config = read_sweep(config_file("sweeps", options.sweep), words)
    count = options.count or config.get("run_cap")
    if (count is None and config["method"] != "grid") or (count is not None and count < 1):
        raise UserError(f"{options.sweep}: expected a number of runs, found {count}. Say --count=n.")
    check_place(options.folder)
    with prepare(experiments_folder() / "sweeps" / "engine.py", _report) as engine:
        if faults := engine.check(config):
            raise UserError(f"{options.sweep}: expected a sweep by W&B's schema, found: {'; '.join(faults)}")
        if choose_mode() == "online":
            return run_at_wandb(config, options.folder, count, _report)
        return _run_here(config, options.folder, count, options.jobs, engine)


def _run_here(config: Config, out: Path, count: int | None, jobs: int, engine: Engine) -> int:
    """Run the sweep on this machine, without an account."""
    state = SweepState.of(out, config)
    LocalSweep(state, engine, count, jobs, _report, ended=lambda: write_tables(state)).go()
    write_tables(state)
    _report(f"\n{(out / 'table.md').read_text(encoding='utf-8')}")
    _report(f"Table: {out / 'table.md'}, {out / 'table.csv'}")
    runs = comparable(state)
    if runs is None:
        _report("Importance: none, since there are fewer than three runs with scores, or nothing differs")
    else:
        found = engine.importance(runs.values, runs.scores)
        write_plot(out / "importance.png", sweep_title(config), config, found, runs)
        _report(f"Importance: {out / 'importance.png'}")
    return int(any(run.state == "failed" for run in state.runs))


def _report(line: str) -> None:
    """Print without buffering, even into a file."""
    print(line, flush=True)  # noqa: T201
