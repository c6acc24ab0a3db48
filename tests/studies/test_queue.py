"""The queue of runs: shared by workers that come, go, hang and die, in a journal and in a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.studies.queue.board import (
    FAILURE,
    GIVEN_BACK,
    LOST,
    MOST_REPEATS,
    REDUNDANT,
    REPEATED,
    SLOT,
    VOID,
    Board,
    Outcome,
    Slot,
)
from normnex_pl.studies.queue.open import open_study
from normnex_pl.studies.queue.processes import RunProcess
from normnex_pl.studies.queue.run import QueueOptions, study_name
from normnex_pl.studies.queue.storage import open_storage, without_password
from normnex_pl.studies.queue.work import Done, Job, Voided, Work
from normnex_pl.studies.queue.worker import Worker
from support.postgres import Postgres, missing

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments" / "benchmarks"))

import queue_workers

LEASE = 5.0
WHOLE = {"x": IntDistribution(0, 9)}
SLOTS = [Slot(f"s{x}", {"x": x}, WHOLE) for x in range(3)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Start a server for the tests of this file, and return its address."""
    if reason := missing():
        pytest.skip(reason)
    with Postgres() as server:
        yield server.url


@pytest.fixture(params=["journal", "postgresql"])
def where(request: pytest.FixtureRequest) -> str | None:
    """Return the place of a storage: each test runs with both kinds."""
    return None if request.param == "journal" else str(request.getfixturevalue("postgres"))


class Clock:
    """A clock that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(storage: BaseStorage, slots: list[Slot], name: str = "study") -> Study:
    return open_study(
        storage, name, {"scene": "a"}, True, lambda study: Board(study, slots, LEASE).fill(), patience=0.2
    )


@pytest.fixture
def storage(where: str | None, tmp_path: Path) -> Iterator[BaseStorage]:
    """Open a storage for one test."""
    with open_storage(where, tmp_path, LEASE) as storage:
        yield storage


@pytest.fixture
def study(storage: BaseStorage, tmp_path: Path) -> Study:
    """Create a study of the three slots."""
    return opened(storage, SLOTS, tmp_path.as_posix())


def voids(study: Study) -> list[Any]:
    return [trial.user_attrs.get(VOID) for trial in study.trials]


def test_each_slot_is_enqueued_once_and_taken_once(study: Study) -> None:
    first, second = Board(study, SLOTS, LEASE), Board(study, SLOTS, LEASE)
    first.fill()
    second.fill()
    assert len(study.trials) == 3
    taken = [board.claim() for board in (first, second, first, second)]
    assert sorted(trial.params["x"] for trial in taken if trial) == [0, 1, 2]
    assert taken[3] is None
    assert not first.is_settled()
    for trial in taken[:3]:
        assert trial
        assert first.finish(trial, Outcome(value=float(trial.params["x"])))
    assert second.is_settled()
    assert study.best_params == {"x": 2}


def test_slots_of_others_are_left_alone(study: Study) -> None:
    board = Board(study, SLOTS[:1], LEASE)
    trial = board.claim()
    assert trial
    assert trial.params == {"x": 0}
    assert board.claim() is None
    board.finish(trial, Outcome(value=1.0))
    assert board.is_settled()


def test_a_given_back_trial_goes_on_with_what_it_had(study: Study) -> None:
    board = Board(study, SLOTS[:1], LEASE)
    trial = board.claim()
    assert trial
    live = optuna.trial.Trial(study, trial._trial_id)
    live.report(3.0, 1)
    study._storage.set_trial_system_attr(trial._trial_id, "completed_rung_0", 3.0)
    assert board.void(trial, GIVEN_BACK)
    board.fill()
    board.fill()
    again = board.claim()
    assert again
    assert (again.number, again.params, again.intermediate_values) == (3, {"x": 0}, {1: 3.0})
    assert again.system_attrs["completed_rung_0"] == 3.0
    assert board.claim() is None


def test_a_failed_run_is_tried_again_only_when_asked_to(study: Study) -> None:
    board = Board(study, SLOTS[:1], LEASE)
    trial = board.claim()
    assert trial
    board.finish(trial, Outcome(failure="it breaks"))
    board.fill()
    assert board.is_settled()
    assert study.trials[0].user_attrs[FAILURE] == "it breaks"
    board.fill(retry=True)
    again = board.claim()
    assert again
    assert again.params == {"x": 0}


def test_a_trial_without_a_sign_of_life_is_taken_over_by_the_clock_of_who_looks(study: Study) -> None:
    clock = Clock()
    dead, watching = Board(study, SLOTS[:1], LEASE), Board(study, SLOTS[:1], LEASE, clock)
    trial = dead.claim()
    assert trial
    assert watching.take_back_lost() == []
    clock.now = LEASE - 0.1
    assert watching.take_back_lost() == []
    dead.beat(trial)
    clock.now = LEASE + 1
    assert watching.take_back_lost() == []  # a new sign: the lease begins anew
    clock.now = 2 * LEASE + 0.9
    assert watching.take_back_lost() == []
    clock.now = 2 * LEASE + 1.1
    assert [lost.number for lost in watching.take_back_lost()] == [trial.number]
    watching.fill()
    again = watching.claim()
    assert again
    assert again.params == {"x": 0}
    # Whoever was thought dead hears of it, and can't store a second result.
    assert not dead.beat(trial)
    assert not dead.finish(trial, Outcome(value=1.0))
    assert watching.finish(again, Outcome(value=2.0))
    assert [trial.value for trial in study.trials if trial.state is TrialState.COMPLETE] == [2.0]
    assert voids(study)[0] == LOST


def test_of_two_trials_for_a_slot_the_earlier_one_stands(study: Study) -> None:
    """Enqueue a slot twice, as two workers may do at the same moment."""
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.WAITING, params={"x": 0}, distributions=WHOLE, user_attrs={SLOT: "s0"}
        )
    )
    boards = [Board(study, SLOTS, LEASE) for _ in range(4)]
    taken = [trial for board in boards if (trial := board.claim())]
    assert sorted(trial.params["x"] for trial in taken) == [0, 1, 2]
    assert [trial.number for trial in taken if trial.params["x"] == 0] == [0]
    assert voids(study).count(REDUNDANT) == 1


def test_a_slot_whose_proposals_repeat_others_is_given_up(storage: BaseStorage, tmp_path: Path) -> None:
    slots = [Slot("00000")]
    study = opened(storage, slots, tmp_path.as_posix())
    board = Board(study, slots, LEASE)
    count = 0
    while (trial := board.claim()) is not None:
        board.void(trial, REPEATED)
        board.fill()
        count += 1
    assert count == MOST_REPEATS
    assert board.is_settled()


def test_a_study_about_something_else_is_refused_once_it_has_results(
    study: Study, storage: BaseStorage
) -> None:
    name = study.study_name
    board = Board(study, SLOTS, LEASE)
    trial = board.claim()
    assert trial
    board.void(trial, GIVEN_BACK)

    def other() -> Study:
        return open_study(storage, name, {"scene": "b"}, True, lambda study: None, patience=0.2)

    begun_anew = other()
    assert begun_anew.trials == []
    begun_anew.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(UserError, match=r"found another one of this name \(scene: b there, a now\)"):
        opened(storage, SLOTS, name)


def test_a_study_whose_creator_has_died_is_filled_by_another(storage: BaseStorage, tmp_path: Path) -> None:
    name = tmp_path.as_posix()
    optuna.create_study(storage=storage, study_name=name, direction="maximize")
    assert len(opened(storage, SLOTS, name).trials) == 3
    assert len(opened(storage, SLOTS, name).trials) == 3


def test_a_study_beside_its_runs_is_the_same_however_its_folder_is_addressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alone, shared = QueueOptions(), QueueOptions(storage="studies.journal")
    assert study_name(Path("a/out"), alone) == study_name(tmp_path / "a" / "out", alone)
    assert study_name(Path("a/out"), shared) != study_name(Path("b/out"), shared)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("mysql://a@b/c", "expected the path of a file or postgresql://user@host/database, found mysql://"),
        ("postgresql://me:secret@127.0.0.1:1/none", "reached at postgresql://me@127.0.0.1:1/none, found: "),
        ("broken", "expected the journal of a study, found something else"),
    ],
)
def test_a_storage_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "broken").write_text("no journal\n")
    where = place if "://" in place else str(tmp_path / place)
    with pytest.raises(UserError) as error, open_storage(where, tmp_path, LEASE):
        pass
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_line_that_a_killed_worker_has_begun_is_cut_off(tmp_path: Path) -> None:
    with open_storage(None, tmp_path, LEASE) as storage:
        opened(storage, SLOTS)
    journal = tmp_path / "study.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "wor')
    with open_storage(None, tmp_path, LEASE) as storage:
        assert journal.read_bytes() == whole
        assert len(opened(storage, SLOTS).trials) == 3


def test_a_database_is_named_without_its_password() -> None:
    shown = without_password("postgresql+psycopg://me:secret@host:5432/studies")
    assert shown == "postgresql://me@host:5432/studies"


def wait_until(path: Path) -> str:
    """Wait for a file with something in it, and return that."""
    for _ in range(200):
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.05)
    raise AssertionError(path)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_run_ends_with_its_worker(tmp_path: Path) -> None:
    """Kill a process that has started a run, which has started another process."""
    program = "echo $$ > pid; sh -c 'echo $$ > other; exec sleep 60' & wait"
    code = f"""
from pathlib import Path
from normnex_pl.studies.queue.processes import RunProcess
RunProcess(["/bin/sh", "-c", {program!r}], Path("log"), None, lease=60.0)
import time; time.sleep(60)
"""
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    try:
        pids = [int(wait_until(tmp_path / name)) for name in ("pid", "other")]
        assert all(map(is_alive, pids))
    finally:
        worker.kill()
        worker.wait()
    for _ in range(100):
        if not any(map(is_alive, pids)):
            return
        time.sleep(0.05)
    raise AssertionError("The run outlived its worker.")


def test_a_run_ends_when_its_worker_hangs(tmp_path: Path) -> None:
    """Say nothing to the guard of a run that doesn't listen to SIGTERM."""
    code = "trap '' TERM; echo on; while :; do sleep 0.1; done"
    run = RunProcess(["/bin/sh", "-c", code], tmp_path / "log", None, lease=1.5)
    began = time.monotonic()
    while run.status is None:
        assert time.monotonic() - began < 10
        time.sleep(0.05)
    assert run.status == -signal.SIGKILL
    assert time.monotonic() - began > 0.9
    run.end()


def test_a_run_that_is_asked_to_end_does_so_in_its_own_time(tmp_path: Path) -> None:
    code = "trap 'sleep 0.5; echo saved; exit 75' TERM; echo on; while :; do sleep 0.05; done"
    run = RunProcess(["/bin/sh", "-c", code], tmp_path / "log", "7", lease=60.0)
    wait_until(tmp_path / "log")
    run.ask_to_end()
    for _ in range(200):
        if run.status is not None:
            break
        time.sleep(0.05)
    assert run.status == 75
    run.end()
    assert (tmp_path / "log").read_text().endswith("saved\n")


def test_a_program_that_is_not_there_is_named_in_the_log(tmp_path: Path) -> None:
    run = RunProcess([str(tmp_path / "none")], tmp_path / "log", None, lease=60.0)
    run.end()
    assert run.status == 127
    assert "none: expected a program, found none" in (tmp_path / "log").read_text()


class Held(Work):
    """One run of half a second, during which something happens when its worker first looks at it."""

    def __init__(self, folder: Path, happens: Callable[[FrozenTrial], object]) -> None:
        self.folder = folder
        self.happens = [happens]

    @property
    @override
    def slots(self) -> Sequence[Slot]:
        return [Slot("only")]

    @override
    def begin(self, trial: FrozenTrial) -> Job | Done | Voided:
        words = ("/bin/sh", "-c", f"sleep 0.5; [ -e {self.folder}/again ] || sleep 60")
        return Job("only", words, self.folder)

    @override
    def watch(self, trial: FrozenTrial, job: Job) -> bool:
        if self.happens:
            try:
                self.happens.pop()(trial)
            finally:
                (self.folder / "again").touch()
        return False

    @override
    def end(self, trial: FrozenTrial, job: Job, status: int) -> Outcome:
        return Outcome(value=1.0) if status == 0 else Outcome(failure=f"status {status}")

    @override
    def described(self, job: Job, outcome: Outcome) -> str:
        return str(outcome)


def test_a_run_that_was_ended_since_its_worker_hung_has_not_failed(tmp_path: Path) -> None:
    with open_storage(None, tmp_path, LEASE) as storage:
        work = Held(tmp_path, lambda _: time.sleep(1.5))
        study = opened(storage, list(work.slots))
        said: list[str] = []
        Worker(Board(study, work.slots, lease=1.6), work, jobs=1, report=said.append).go()
        assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE], said
        assert voids(study) == [GIVEN_BACK, None]
        assert said[1] == "only: interrupted, given back"


def test_a_worker_goes_on_when_a_trial_is_taken_away_just_before_a_score_is_noted(tmp_path: Path) -> None:
    with open_storage(None, tmp_path, LEASE) as storage:
        study = opened(storage, [Slot("only")])

        def take_away(trial: FrozenTrial) -> None:
            Board(study, [Slot("only")], LEASE).void(trial, LOST)
            storage.set_trial_intermediate_value(trial._trial_id, 1, 0.5)

        work, said = Held(tmp_path, take_away), list[str]()
        Worker(Board(study, work.slots, LEASE), work, jobs=1, report=said.append).go()
        assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE], said
        assert voids(study) == [LOST, None]
        assert said[1] == "only: taken over by another worker"


@pytest.mark.slow
def test_killed_workers_lose_nothing_and_repeat_nothing(
    where: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workers, two of them killed and replaced: a small version of the benchmark."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    queue_workers.prepare(tmp_path, trials=12, seconds=0.3)
    queue = QueueOptions(jobs=1, storage=where, worker=True, lease=LEASE)
    left, _ = queue_workers.campaign(tmp_path, queue, workers=3, kills=2, pause=1.0)
    assert [process.exitcode for process in left] == [0, 0, 0], (tmp_path / "worker.log").read_text()
    found = queue_workers.found(tmp_path, queue)
    assert {name: found[name] for name in ("finished", "lost", "finished_twice")} == {
        "finished": 12,
        "lost": 0,
        "finished_twice": 0,
    }
    assert not [path for path in Path("/proc").glob("[0-9]*") if _runs_in(path, tmp_path)]


def _runs_in(process: Path, folder: Path) -> bool:
    """Return whether a process has been started for this test's sweep."""
    try:
        return os.fsencode(folder) in (process / "cmdline").read_bytes()
    except OSError:
        return False
