"""``normnex sweep SWEEP SCENE``: a search of settings, at Weights & Biases or by Optuna."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from optuna.study import Study

from normnex_pl.cli.options import WordsAfterDashes
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place, folder_name
from normnex_pl.studies.queue.run import QueueOptions, Topic, work_on
from normnex_pl.studies.sweeps.config import Config, Search, read_search, read_sweep, run_count
from normnex_pl.studies.sweeps.online import run_at_wandb
from normnex_pl.studies.sweeps.plot import write_plots
from normnex_pl.studies.sweeps.report import sweep_title, write_tables
from normnex_pl.studies.sweeps.results import Sweep
from normnex_pl.studies.sweeps.work import SweepWork
from normnex_pl.training.configurations import DEFAULT_PRESET, config_file
from normnex_pl.training.loggers.weights_and_biases import choose_mode


@dataclass(frozen=True)
class Options:
    """Run a sweep.

    With a W&B account, the sweep is created there and agents work on it, one per GPU. Without one, with
    WANDB_MODE=offline, --storage or --worker, Optuna runs the same file: on this machine, or on all where the
    same command is given with --worker.

    Attributes:
        sweep: A name in experiments/sweeps, or a YAML file of your own in W&B's format.
        scene: Folder of the scene.
        preset: Preset of all runs: a name, or a YAML file.
        count: Runs in all; by default the file's run_cap, or all of a grid.
        queue: How the runs are shared among workers.
        out: Folder to write; by default runs/SCENE/sweep-SWEEP-PRESET.
        settings: What follows -- are settings for all runs, as normnex fit takes them.
    """

    sweep: str
    scene: Path
    preset: str = DEFAULT_PRESET
    count: int | None = None
    queue: QueueOptions = QueueOptions()  # noqa: RUF009 (frozen)
    out: Path | None = None
    settings: WordsAfterDashes = ()

    @property
    def folder(self) -> Path:
        """The folder that the sweep is stored in."""
        name = f"sweep-{Path(self.sweep).stem}-{Path(self.preset).stem}"
        return self.out or Path("runs") / folder_name(self.scene) / name

    @property
    def is_shared(self) -> bool:
        """Whether workers share the runs by a storage that the user has chosen."""
        return self.queue.worker or self.queue.storage is not None


def run(options: Options) -> int:
    """Check the sweep and work on it; return 1 if a run failed."""
    if not options.scene.is_dir():
        raise UserError(f"{options.scene}: expected the folder of a scene, found none. Check SCENE.")
    words = [str(options.scene), f"--preset={options.preset}", *options.settings]
    path = config_file("sweeps", options.sweep)
    config = read_sweep(path, words)
    check_place(options.folder)
    if not options.is_shared and choose_mode() == "online":
        return run_at_wandb(config, options.folder, run_count(path, config, options.count), _report)
    return _run_here(options, config, read_search(path, config, options.count))


def _run_here(options: Options, config: Config, search: Search) -> int:
    """Run the sweep without an account."""
    out = options.folder
    # How many runs there are may change from call to call.
    about = {name: value for name, value in config.items() if name != "run_cap"}

    def work_of(study: Study) -> SweepWork:
        return SweepWork(study, config, search, out)

    def write(study: Study, work: SweepWork) -> None:
        write_tables(Sweep.of(study, work))

    topic = Topic(about, search.maximize)
    with work_on(topic, work_of, out, options.queue, _report, write) as (study, work):
        sweep = Sweep.of(study, work)
    write_tables(sweep)
    _report(f"\n{(out / 'table.md').read_text(encoding='utf-8')}")
    _report(f"Table: {out / 'table.md'}, {out / 'table.csv'}")
    _write_plots(out, sweep)
    return int(any(run.failure for run in sweep.runs))


def _write_plots(out: Path, sweep: Sweep) -> None:
    """Draw what depends on what, where there are enough runs."""
    found = sweep.comparable()
    if found is None:
        _report("Importance: none, since there are fewer than three runs with scores, or nothing differs")
        return
    study, step = found
    title = f"{sweep_title(sweep.config)}; {len(study.trials)} runs, all at step {step}"
    plots = write_plots(out, title, sweep.search.metric, study)
    _report(f"Importance, history, each parameter: {', '.join(map(str, plots))}")


def _report(line: str) -> None:
    """Print without buffering, even into a file."""
    print(line, flush=True)  # noqa: T201
