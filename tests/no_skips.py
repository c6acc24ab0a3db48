"""A pytest plugin: in CI, a test on the list `.ci/required_tests.txt` must really run.

Tests that need something that not every machine has (a system library, downloaded weights) skip without
it. That is right on a laptop; in CI it would let a feature go untested while everything looks green. So
where the environment variable `CI` is set, the session fails if a listed test was skipped or never ran.

A line of the list is a node id, or the beginning of some: a folder, a file, a class, or a function that
stands for all of its parameters. `#` begins a comment.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

LIST = Path(".ci/required_tests.txt")  # seen from pytest's root


def read_list(path: Path) -> list[str]:
    """Return the entries of the list; none if there is no such file."""
    if not path.is_file():
        return []
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line.rstrip("/") for line in lines if line]


def covers(entry: str, nodeid: str) -> bool:
    """Return whether a line of the list names the test (or the folder, file or class) `nodeid`."""
    return nodeid == entry or nodeid.startswith((f"{entry}/", f"{entry}::", f"{entry}["))


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the reason given to pytest.skip."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


class RequiredTests:
    """A plugin that watches the required tests, and reports at the end of the session."""

    def __init__(self, entries: list[str]) -> None:
        self.entries = entries
        self.ran: set[str] = set()
        self.skipped: dict[str, str] = {}

    def problems(self) -> list[str]:
        """Return the problems: one line for each skip, and one for each entry of which nothing ran."""
        found = [
            f"{nodeid} was skipped: {reason}"
            for nodeid, reason in self.skipped.items()
            if any(self._meet(entry, nodeid) for entry in self.entries)
        ]
        silent = [
            entry
            for entry in self.entries
            if not any(covers(entry, nodeid) for nodeid in self.ran)
            and not any(self._meet(entry, nodeid) for nodeid in self.skipped)
        ]
        return found + [f"{entry} never ran: no such test was collected and executed" for entry in silent]

    @staticmethod
    def _meet(entry: str, nodeid: str) -> bool:
        """Return whether one is part of the other: a skipped file includes the listed function in it."""
        return covers(entry, nodeid) or covers(nodeid, entry)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note files that are skipped as a whole while they are collected."""
        if report.skipped:
            self.skipped[report.nodeid] = skip_reason(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the test of a report, xdist's workers' too. An expected failure is reported as skipped."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[report.nodeid] = skip_reason(report)
        elif report.when == "call":
            self.ran.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a session that would have passed."""
        passed = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if passed and self.problems():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print why the session fails."""
        problems = self.problems()
        if not problems:
            return
        terminalreporter.section("required tests did not run", red=True)
        for problem in problems:
            terminalreporter.line(problem, red=True)
        terminalreporter.line(f"CI is set, and {LIST} says that these must not be left out.")


def pytest_configure(config: pytest.Config) -> None:
    """Watch in CI, and under xdist in the main process, which hears of all reports."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    if in_ci and not hasattr(config, "workerinput") and not config.getoption("collectonly"):
        entries = read_list(config.rootpath / LIST)
        config.pluginmanager.register(RequiredTests(entries), "required-tests")
