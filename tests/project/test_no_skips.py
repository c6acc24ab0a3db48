"""The plugin no_skips, seen from outside: pytest's results on a small suite, in CI and elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SUITE = """
import pytest

def test_runs(): pass

@pytest.mark.skip(reason="no such library")
def test_skips(): pass

@pytest.mark.parametrize("n", [0, 1])
def test_skips_one(n):
    if n: pytest.skip("no weights")

@pytest.mark.xfail(reason="known")
def test_known_failure(): assert False
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Write a project with the plugin, a suite, and a file that is skipped as a whole."""
    tests = tmp_path / "tests"
    (tests / "sub").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "no_skips.py", tests)
    (tests / "conftest.py").write_text('pytest_plugins = ["no_skips"]\n')
    (tests / "test_suite.py").write_text(SUITE)
    (tests / "test_file.py").write_text(
        "import pytest\npytest.importorskip('no_such_module')\ndef test_x(): pass"
    )
    (tests / "sub" / "test_sub.py").write_text("def test_y(): pass")
    (tmp_path / ".ci").mkdir()
    options = "[pytest]\ntestpaths = tests\npythonpath = tests\naddopts = -q --import-mode=importlib\n"
    (tmp_path / "pytest.ini").write_text(options)
    return tmp_path


def run(suite: Path, entries: str, *words: str, ci: str | None = "true") -> tuple[int, str]:
    """Return the exit status and the output of pytest, with these lines on the list."""
    (suite / ".ci" / "required_tests.txt").write_text(entries)
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "PYTEST_ADDOPTS")}
    environment |= {"CI": ci} if ci is not None else {}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # this suite needs none, and they take a second each
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    result = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def test_what_is_not_listed_may_skip(suite: Path) -> None:
    status, output = run(suite, "# only these\ntests/test_suite.py::test_runs  # always\n\ntests/sub/\n")
    assert status == 0, output
    assert "required tests did not run" not in output


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("tests/test_suite.py::test_skips", "test_suite.py::test_skips was skipped: no such library"),
        ("tests/test_suite.py::test_skips_one", "test_skips_one[1] was skipped: no weights"),
        ("tests/test_suite.py", "test_suite.py::test_skips was skipped: no such library"),
        ("tests", "test_suite.py::test_skips was skipped: no such library"),
        ("tests/test_file.py", "test_file.py was skipped: could not import 'no_such_module'"),
        ("tests/test_file.py::test_x", "test_file.py was skipped: could not import 'no_such_module'"),
        ("tests/test_gone.py", "tests/test_gone.py never ran"),
        ("tests/test_suite.py::test_run", "tests/test_suite.py::test_run never ran"),
    ],
)
def test_a_listed_test_that_did_not_run_fails_the_session_in_ci(suite: Path, entry: str, line: str) -> None:
    status, output = run(suite, entry)
    assert status == 1
    assert "required tests did not run" in output
    assert line in output


@pytest.mark.parametrize("ci", [None, "", "false", "0"])
def test_outside_of_ci_skips_are_skips(suite: Path, ci: str | None) -> None:
    status, output = run(suite, "tests", ci=ci)
    assert status == 0, output


def test_an_expected_failure_has_run(suite: Path) -> None:
    status, output = run(suite, "tests/test_suite.py::test_known_failure")
    assert status == 0, output


def test_a_selection_without_the_listed_test_fails(suite: Path) -> None:
    status, output = run(suite, "tests/sub", "-k", "test_runs")
    assert status == 1
    assert "tests/sub never ran" in output


@pytest.mark.parametrize(("entry", "expected"), [("tests/test_suite.py::test_runs", 0), ("tests", 1)])
def test_parallel_workers_are_heard(suite: Path, entry: str, expected: int) -> None:
    pytest.importorskip("xdist")
    status, output = run(suite, entry, "-p", "xdist", "-n", "2")
    assert status == expected, output


def test_listing_the_tests_is_no_run(suite: Path) -> None:
    status, output = run(suite, "tests/test_suite.py", "--collect-only")
    assert status == 0, output


def test_every_entry_of_the_real_list_names_a_file_or_folder_that_exists() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    import no_skips

    for entry in no_skips.read_list(ROOT / no_skips.LIST):
        assert (ROOT / entry.partition("::")[0]).exists(), entry
