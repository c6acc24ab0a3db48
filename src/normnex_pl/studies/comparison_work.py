"""A comparison's work: train the runs that aren't there yet, and keep those that would only be repeated.

The run folders of a comparison belong to it: a run is deleted and trained again when what it depends on
(`normnex_pl.data.scene.fingerprint`) has changed. The fingerprint is stored last, so that a run without one
never finished.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.scene.fingerprint import differences, fingerprint, read_fingerprint, write_fingerprint
from normnex_pl.evaluation.report import format_value
from normnex_pl.studies.comparison import Run, read_run
from normnex_pl.studies.queue.board import FAILURE, SLOT, Outcome, Slot
from normnex_pl.studies.queue.logs import failure_in
from normnex_pl.studies.queue.work import Done, Job, Voided, Work
from normnex_pl.studies.rows import RunSpec
from normnex_pl.training.command import resolved_config
from normnex_pl.training.run_folder import RunFolder

Fingerprint = dict[str, str]
_REFUSED = "refused"  # in the place of a fingerprint, where the settings can't be used


class ComparisonWork(Work):
    """The runs of a comparison.

    Args:
        study: Holds the trials.
        specs: The runs that are to exist in the end.
        expected: The fingerprint that each of them will have, or why it can't be run.
        report: Takes a line about a run that is kept.
    """

    def __init__(
        self,
        study: Study,
        specs: Sequence[RunSpec],
        expected: Sequence[Fingerprint | str],
        report: Callable[[str], None],
    ) -> None:
        self.study = study
        self._report = report
        self._expected = dict(zip(specs, expected, strict=True))
        self._keys = {spec: self._key(spec) for spec in specs}
        self._specs = {key: spec for spec, key in self._keys.items()}
        self._missing = [spec for spec in specs if not self._is_there(spec)]

    @property
    @override
    def slots(self) -> Sequence[Slot]:
        return [Slot(self._keys[spec]) for spec in self._missing]

    def report_kept(self) -> None:
        """Say which runs are there already."""
        for spec in self._expected:
            if spec not in self._missing:
                self._report(f"{spec}: kept, {_scores(self._read(spec))}")

    @override
    def begin(self, trial: FrozenTrial) -> Job | Done | Voided:
        spec = self._specs[trial.user_attrs[SLOT]]
        expected = self._expected[spec]
        try:
            if isinstance(expected, str):
                raise UserError(expected)
            if self._is_there(spec):
                run = self._read(spec)
                return Done(_outcome(run), f"{spec}: kept, {_scores(run)}")
            begins = _clear(spec, expected)
        except UserError as error:
            failure = " ".join(str(error).split())
            return Done(Outcome(failure=failure), f"{spec}: failed: {failure}")
        write_fingerprint(RunFolder(spec.folder).expected_fingerprint, expected)
        words = (sys.executable, "-m", "normnex_pl", "fit", *spec.arguments)
        return Job(str(spec), words, spec.folder, begins)

    @override
    def watch(self, trial: FrozenTrial, job: Job) -> bool:
        return False

    @override
    def end(self, trial: FrozenTrial, job: Job, status: int) -> Outcome:
        if status:
            return Outcome(failure=failure_in(RunFolder(job.folder).log, status))
        spec = self._specs[trial.user_attrs[SLOT]]
        try:
            run = self._read(spec)
        except UserError as error:
            return Outcome(failure=" ".join(str(error).split()))
        self._seal(spec)
        return _outcome(run)

    @override
    def described(self, job: Job, outcome: Outcome) -> str:
        if outcome.failure is not None:
            return f"failed: {outcome.failure}"
        return f"done, {_scores(read_run('', 0, job.folder))}"

    def runs(self) -> list[Run]:
        """Return all runs, with scores or why they have none."""
        failures = {
            trial.user_attrs[SLOT]: trial.user_attrs[FAILURE]
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state is TrialState.FAIL and FAILURE in trial.user_attrs
        }
        done = {
            trial.user_attrs[SLOT]
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state is TrialState.COMPLETE
        }
        found = []
        for spec, key in self._keys.items():
            if spec not in self._missing or key in done:
                found.append(self._read(spec))
            else:
                failure = failures.get(key, "not finished yet")
                found.append(Run(spec.row, spec.seed, spec.folder, {}, failure, spec.shown_scene))
        return found

    def _key(self, spec: RunSpec) -> str:
        """Return the name of a run in the queue; another one if its folder has gone since it was done."""
        expected = self._expected[spec]
        text = _REFUSED + expected if isinstance(expected, str) else json.dumps(expected, sort_keys=True)
        place = "/".join(filter(None, (spec.shown_scene, spec.folder.name)))
        key = f"{place}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        done = sum(
            trial.state is TrialState.COMPLETE and trial.user_attrs[SLOT].partition("#")[0] == key
            for trial in self.study.get_trials(deepcopy=False)
        )
        return f"{key}#{done}" if done and not self._is_there(spec) else key

    def _is_there(self, spec: RunSpec) -> bool:
        expected = self._expected[spec]
        stored = read_fingerprint(RunFolder(spec.folder).fingerprint)
        return not isinstance(expected, str) and not differences(stored, expected)

    def _read(self, spec: RunSpec) -> Run:
        return read_run(spec.row, spec.seed, spec.folder, spec.shown_scene)

    def _seal(self, spec: RunSpec) -> None:
        """Store the fingerprint, unless sources or data were changed while the run was under way."""
        expected = self._expected[spec]
        assert not isinstance(expected, str)
        config = RunFolder(spec.folder).config.read_text(encoding="utf-8")
        changed = differences(expected, fingerprint(config, spec.scene))
        if changed:
            self._report(f"{spec}: will not be kept, since this changed meanwhile: {', '.join(changed)}")
        else:
            write_fingerprint(RunFolder(spec.folder).fingerprint, expected)


def expected_fingerprint(spec: RunSpec) -> Fingerprint | str:
    """Return the fingerprint that a finished run will have, or why it can't be run.

    Raises:
        UserError: The scene isn't there.
    """
    try:
        config = resolved_config(spec.arguments)
    except UserError as error:
        return str(error)
    return fingerprint(config, spec.scene)


def _clear(spec: RunSpec, expected: Fingerprint) -> str:
    """Remove what an earlier run left, unless the run can go on with it, and say why the run trains."""
    run = RunFolder(spec.folder)
    if not run.path.exists():
        return "trains"
    if any(run.path.iterdir()) and not (run.log.is_file() or run.expected_fingerprint.is_file()):
        raise UserError(
            f"{run.path}: expected a run of an earlier comparison ({run.log.name}), found something else. "
            "Choose another folder for the comparison (--out), or move this one away."
        )
    begun = read_fingerprint(run.expected_fingerprint)
    changed = differences(begun, expected)
    if not changed:
        return "goes on"
    shutil.rmtree(run.path)
    if begun is None:
        return "trains anew, since the stored run isn't finished"
    return f"trains anew, since of the stored run differs: {', '.join(changed)}"


def _outcome(run: Run) -> Outcome:
    """Return what the queue keeps of a run: its PSNR."""
    return Outcome(value=run.values["psnr"] or 0.0)


def _scores(run: Run) -> str:
    values = run.values
    return f"PSNR {format_value(values['psnr'], 2)}, {format_value(values['train_seconds'], 0)} s of training"
