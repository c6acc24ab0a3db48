"""Commands that `make` runs, in an environment whose tools only record their calls."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTED = ("Makefile", "setup.cfg", "setup.py", "pyproject.toml", "constraints.txt")

# Stands for every program of the environment. PIP_EXIT and RUFF_EXIT play failures.
RECORDER = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
if "install" in sys.argv:
    sys.exit(int(os.environ.get("PIP_EXIT", 0)))
if sys.argv[0].endswith("ruff"):
    sys.exit(int(os.environ.get("RUFF_EXIT", 0)))
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


class Project:
    """A folder with the Makefile and an environment of recorders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls_file = folder / "calls"
        for name in LISTED:
            shutil.copy(ROOT / name, folder)
        for config in ("base", "variants/nex_rgb", "variants/other", "presets/fast", "presets/tiny"):
            path = folder / "experiments" / f"{config}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for tool in ("python", "normnex", "ruff", "mypy", "lint-imports", "jupyter"):
            path = folder / ".venv" / "bin" / tool
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(RECORDER)
            path.chmod(0o755)

    def make(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run make as a user would: none of the variables of a make that runs the tests reach it."""
        ours = {
            "VENV",
            "PYTHON",
            "SCENE",
            "RUN",
            "OUT",
            "GPUS",
            "VARIANT",
            "PRESET",
            "WIDTH",
            "ARGS",
            "NAME",
            "SET",
        }
        compared = {
            "VARIANTS",
            "ROWS",
            "SEEDS",
            "JOBS",
            "PHOTOS",
            "COMPARE",
            "SWEEP",
            "COUNT",
            "LOGGERS",
            "RUNS",
            "WORKERS",
        }
        theirs = ours | compared | {"PYTEST_ARGS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
        environment = {key: value for key, value in os.environ.items() if key not in theirs}
        environment |= {"CALLS": str(self.calls_file), **variables}
        return subprocess.run(
            ["make", *words], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def calls(self) -> list[list[str]]:
        """Return the calls of the tools, without the set-up's check of pip."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [call for call in map(json.loads, lines) if call[1:] != ["-m", "pip", "--version"]]

    def installations(self) -> list[str]:
        """Return what pip was asked to install, one entry a call."""
        return [call[-1] for call in self.calls() if "install" in call]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_help_tells_every_public_target(project: Project) -> None:
    text = project.make("help").stdout
    targets = set(
        re.findall(r"^\.PHONY: (?!needs-)([a-z-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    assert targets >= {
        "demo",
        "test",
        "train",
        "eval",
        "compare",
        "scene",
        "check",
        "format",
        "help",
        "clean",
    }
    for target in targets:
        assert re.search(rf"^  make {target} +\S", text, re.MULTILINE), target


def test_help_is_what_make_alone_does_and_needs_no_environment(project: Project) -> None:
    assert project.make().stdout == project.make("help").stdout
    assert project.calls() == []


def test_help_names_variants_and_presets(project: Project) -> None:
    text = project.make("help").stdout
    assert "nex_rgb other" in text
    assert "fast tiny" in text


@pytest.mark.parametrize(
    ("target", "variable"),
    [
        *(
            ("inspect", "SCENE"),
            ("train", "SCENE"),
            ("compare", "SCENE"),
            ("sweep", "SWEEP"),
            ("eval", "RUN"),
            ("view", "RUN"),
            ("video", "RUN"),
            ("scene", "OUT"),
            ("scenes", "OUT"),
        ),
        ("prepare", "PHOTOS"),
    ],
    ids=str,
)
def test_a_forgotten_word_is_named_with_the_usage_before_anything_is_installed(
    project: Project, target: str, variable: str
) -> None:
    result = project.make(target)
    assert result.returncode != 0
    assert f"{variable} is missing. Usage: make {target} {variable}=" in result.stderr
    assert project.calls() == []


@pytest.mark.parametrize(("variable", "choices"), [("VARIANT", "nex_rgb other"), ("PRESET", "fast tiny")])
def test_a_misspelt_name_is_answered_with_the_choices(project: Project, variable: str, choices: str) -> None:
    result = project.make("train", "SCENE=scenes/demo", f"{variable}=nex_rbg")
    assert result.returncode != 0
    assert f'There is no {variable} "nex_rbg". Choose from: {choices}' in result.stderr
    assert project.calls() == []


def test_compare_answers_misspelt_names_with_the_choices(project: Project) -> None:
    for words, message in (
        (["VARIANTS=other nex_rbg"], 'There is no "nex_rbg" for VARIANTS. Choose from: nex_rgb other'),
        (["PRESET=fats"], 'There is no PRESET "fats". Choose from: fast tiny'),
    ):
        result = project.make("compare", "SCENE=scenes/demo", *words)
        assert result.returncode != 0
        assert message in result.stderr
    assert project.calls() == []


def test_eval_of_a_folder_that_is_no_run_says_so(project: Project) -> None:
    result = project.make("eval", "RUN=my runs/x")
    assert result.returncode != 0
    assert "my runs/x: no config.yaml there" in result.stderr
    assert project.calls() == []


def test_train_passes_every_word_on_whole(project: Project) -> None:
    scene = "my scenes/it's 5 $x #1"
    result = project.make(
        "train", f"SCENE={scene}", "VARIANT=other", "PRESET=tiny", 'ARGS=--a="b c" --d', "GPUS=2"
    )
    assert result.returncode == 0, result.stderr
    assert project.calls()[-1] == [
        *("normnex", "train", scene, "--variant=other", "--preset=tiny", "--gpus=2"),
        *("--a=b c", "--d"),
    ]


def test_inspect_passes_every_word_on_whole(project: Project) -> None:
    scene = "my scenes/it's 5 $x #1"
    result = project.make("inspect", f"SCENE={scene}", "PRESET=tiny", "ARGS=--write_planes --json")
    assert result.returncode == 0, result.stderr
    assert project.calls()[-1] == [
        *("normnex", "inspect", scene, "--variant=nex_rgb", "--preset=tiny", "--write_planes", "--json"),
    ]


def test_loggers_are_passed_on(project: Project) -> None:
    (project.folder / "experiments" / "loggers").mkdir()
    (project.folder / "experiments" / "loggers" / "wandb.yaml").touch()
    project.make("train", "SCENE=s", "LOGGERS=wandb")
    assert project.calls()[-1][2:] == ["s", "--variant=nex_rgb", "--preset=fast", "--loggers=wandb"]
    result = project.make("train", "SCENE=s", "LOGGERS=wand")
    assert 'There is no "wand" for LOGGERS. Choose from: wandb' in result.stderr


def test_sweep_passes_every_word_on_whole(project: Project) -> None:
    (project.folder / "my sweep.yaml").touch()
    words = ["SWEEP=my sweep.yaml", "SCENE=it's", "COUNT=12", "JOBS=2", "OUT=my out", "PRESET=tiny"]
    result = project.make("sweep", *words, 'ARGS=--a="b c" --d')
    assert result.returncode == 0, result.stderr
    assert project.calls()[-1] == [
        *("normnex", "sweep", "my sweep.yaml", "it's", "--preset=tiny"),
        *("--count=12", "--jobs=2", "--out=my out", "--", "--a=b c", "--d"),
    ]


def test_a_sweep_that_is_not_there_is_answered_with_the_choices(project: Project) -> None:
    (project.folder / "experiments" / "sweeps").mkdir()
    (project.folder / "experiments" / "sweeps" / "some.yaml").touch()
    result = project.make("sweep", "SWEEP=my sweep.yaml", "SCENE=s")
    assert result.returncode != 0
    assert "my sweep.yaml: no such file. There are: experiments/sweeps/some.yaml" in result.stderr
    assert project.calls() == []


def test_train_leaves_the_devices_to_the_configuration_unless_told(project: Project) -> None:
    project.make("train", "SCENE=s")
    assert project.calls()[-1] == ["normnex", "train", "s", "--variant=nex_rgb", "--preset=fast"]


def test_compare_passes_every_word_on_whole(project: Project) -> None:
    scene = "my scenes/it's 5 $x #1"
    names = [
        "VARIANTS=nex_rgb other",
        "ROWS=my rows.yaml",
        "SEEDS=0 1",
        "JOBS=2",
        "OUT=my out",
        "PRESET=tiny",
    ]
    result = project.make("compare", f"SCENE={scene}", *names, 'ARGS=--a="b c" --d')
    assert result.returncode == 0, result.stderr
    assert project.calls()[-1] == [
        *("normnex", "compare", scene, "--preset=tiny"),
        *("--variants=nex_rgb other", "--rows=my rows.yaml", "--seeds=0 1", "--jobs=2", "--out=my out"),
        *("--", "--a=b c", "--d"),
    ]


def test_compare_leaves_what_is_not_given_to_the_command(project: Project) -> None:
    project.make("compare", "SCENE=s")
    assert project.calls()[-1] == ["normnex", "compare", "s", "--preset=fast"]


def test_bench_needs_no_words_and_passes_those_that_it_gets(project: Project) -> None:
    assert project.make("bench").returncode == 0
    script = "experiments/benchmarks/bench.py"
    assert project.calls()[-1] == ["python", script]
    (project.folder / "old one.json").touch()
    project.make("bench", "COMPARE=old one.json", "SCENE=my scene", "OUT=new.json", "ARGS=--quick")
    options = ["--scene=my scene", "--out=new.json", "--compare=old one.json", "--quick"]
    assert project.calls()[-1] == ["python", script, *options]


def test_bench_misses_what_it_shall_compare_with_before_anything_is_installed(project: Project) -> None:
    result = project.make("bench", "COMPARE=it's gone.json")
    assert result.returncode != 0
    assert "it's gone.json: no such file" in result.stderr
    assert project.calls() == []


def test_notebooks_train_what_they_show(project: Project) -> None:
    (project.folder / "experiments" / "sweeps").mkdir()
    (project.folder / "experiments" / "sweeps" / "regularizers.yaml").touch()
    result = project.make("notebooks")
    assert result.returncode == 0, result.stderr
    compare, sweep, execute = (call for call in project.calls() if "install" not in call)
    assert compare[:4] == ["normnex", "compare", "scenes/demo", "--preset=tiny"]
    assert "--data.num_validation_views=2" in compare
    assert sweep[1:5] == ["sweep", "experiments/sweeps/regularizers.yaml", "scenes/demo", "--preset=tiny"]
    assert execute == ["jupyter", "execute", "--inplace", "notebooks/*.ipynb"]
    assert project.installations() == [".[notebooks]", "."]


def test_notebooks_show_runs_of_ones_own(project: Project) -> None:
    for name in ("my runs", "my sweep", "it's mine"):
        (project.folder / name).mkdir()
    places = {"RUNS": "my runs", "SWEEP": "my sweep", "SCENE": "it's mine"}
    tool = project.folder / ".venv" / "bin" / "jupyter"
    tool.write_text('#!/bin/sh\nprintf "%s\\n" "$RUNS" "$SWEEP" "$SCENE"\n')
    result = project.make("notebooks", *(f"{name}={place}" for name, place in places.items()))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-3:] == [str(project.folder / place) for place in places.values()]
    assert [call for call in project.calls() if "install" not in call] == []


def test_notebooks_want_the_runs_of_a_scene(project: Project) -> None:
    result = project.make("notebooks", "SCENE=s")
    assert result.returncode != 0
    assert "RUNS is missing: what make compare SCENE=s wrote" in result.stderr
    assert project.calls() == []


def test_demo_trains_and_bakes_the_scene_that_comes_along(project: Project) -> None:
    for arguments, folder in ((), "runs/demo/nex_rgb-tiny"), (("ARGS=--a=1 --run.folder=x",), "x"):
        project.make("demo", *arguments)
        train, bake = project.calls()[-2:]
        assert train[:4] == ["normnex", "train", "scenes/demo", "--preset=tiny"]
        assert train[-1] == f"--run.folder={folder}"
        assert bake == ["normnex", "bake", folder]


def test_cluster_report_passes_every_word_on_whole(project: Project) -> None:
    project.make("cluster-report", "RUNS=my runs", "OUT=my table.csv")
    assert project.calls()[-1] == ["normnex", "report", "--runs=my runs", "--out=my table.csv"]


@pytest.mark.parametrize("scene", [None, "moved here"])
def test_eval_passes_every_word_on_whole(project: Project, scene: str | None) -> None:
    run = project.folder / "my runs" / "x"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    result = project.make("eval", "RUN=my runs/x", *([f"SCENE={scene}"] if scene else []))
    assert result.returncode == 0, result.stderr
    expected = ["normnex", "eval", "my runs/x", *([f"--scene={scene}"] if scene else [])]
    assert project.calls()[-1] == expected


def test_video_passes_every_word_on_whole_with_the_extra_that_it_needs(project: Project) -> None:
    run = project.folder / "my runs" / "x"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    result = project.make("video", "RUN=my runs/x", "SCENE=moved here", "ARGS=--path=orbit --frames=3")
    assert result.returncode == 0, result.stderr
    assert project.calls()[-1] == [
        *("normnex", "video", "my runs/x", "--scene=moved here"),
        *("--path=orbit", "--frames=3"),
    ]
    assert project.installations() == [".[video]"]


def test_prepare_passes_every_word_on_whole_with_the_extra_that_it_needs(project: Project) -> None:
    assert "SCENE is missing. Usage: make prepare" in project.make("prepare", "PHOTOS=x").stderr
    result = project.make("prepare", "PHOTOS=it's mine", "SCENE=my scene", "ARGS=--longest=800 --anyway")
    assert result.returncode == 0, result.stderr
    assert project.calls()[-1] == [
        *("normnex", "prepare", "it's mine", "my scene"),
        *("--longest=800", "--anyway"),
    ]
    assert project.installations() == [".[capture]"]


def test_view_passes_every_word_on_whole(project: Project) -> None:
    run = project.folder / "my runs" / "x"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    assert project.make("view", "RUN=my runs/x", "ARGS=--port=0 --export='a b'").returncode == 0
    assert project.calls()[-1] == ["normnex", "view", "my runs/x", "--port=0", "--export=a b"]


def test_export_passes_every_word_on_whole(project: Project) -> None:
    run = project.folder / "my runs" / "x"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    project.make("export", "RUN=my runs/x", "FORMAT=mpi", "OUTPUT=my folder")
    assert project.calls()[-1] == ["normnex", "export", "my runs/x", "--format=mpi", "--output=my folder"]


def test_scene_renders_with_the_extra_that_it_needs(project: Project) -> None:
    project.make("scene", "OUT=my scene", "WIDTH=64", "ARGS=--views=3")
    script = "experiments/scenes/make_demo.py"
    assert project.calls()[-1] == ["python", script, "--output=my scene", "--width=64", "--views=3"]
    assert project.installations() == [".[scenes]"]


def test_scenes_of_the_family_are_rendered_by_name_or_as_a_set(project: Project) -> None:
    script = "experiments/scenes/make_family.py"
    project.make("scene", "OUT=my scene", "NAME=dev_1", "ARGS=--views=3")
    assert project.calls()[-1] == ["python", script, "--output=my scene", "--name=dev_1", "--views=3"]
    project.make("scene", "OUT=my scene", NAME="this-computer")
    assert project.calls()[-1] == ["python", "experiments/scenes/make_demo.py", "--output=my scene"]
    project.make("scenes", "OUT=my scenes")
    assert project.calls()[-1] == ["python", script, "--output=my scenes", "--set=development"]
    project.make("scenes", "OUT=my scenes", "SET=final", "WIDTH=64")
    assert project.calls()[-1] == ["python", script, "--output=my scenes", "--set=final", "--width=64"]


def test_check_reports_on_everything_even_if_the_first_tool_complains(project: Project) -> None:
    assert project.make("check", RUFF_EXIT="1").returncode != 0
    tools = [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["lint-imports"]]
    assert project.calls()[-4:] == tools


def test_the_environment_is_used_again(project: Project) -> None:
    first, second = project.make("demo"), project.make("demo")
    assert "Setting up .venv" in first.stdout
    assert "Setting up" not in second.stdout
    assert project.installations() == ["."]


def test_an_environment_for_tests_serves_runs_scenes_and_videos_too(project: Project) -> None:
    (project.folder / "x").mkdir()
    (project.folder / "x" / "config.yaml").touch()
    for words in (
        *(["test"], ["check"], ["demo"], ["scene", "OUT=x"], ["video", "RUN=x"]),
        ["prepare", "PHOTOS=x", "SCENE=y"],
    ):
        assert project.make(*words).returncode == 0
    assert project.installations() == [".[dev,scenes,capture,video,exr,notebooks,postgresql]"]


def test_tests_add_to_an_environment_for_runs(project: Project) -> None:
    project.make("demo")
    project.make("test", "PYTEST_ARGS=-k 'a or b'")
    assert project.installations() == [".", ".[dev,scenes,capture,video,exr,notebooks,postgresql]"]
    pytest = ["python", "-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    assert project.calls()[-1] == [*pytest, "-k", "a or b"]


def test_tests_run_in_as_many_processes_as_are_wanted(project: Project) -> None:
    project.make("test", "WORKERS=0")
    assert project.calls()[-1][:5] == ["python", "-m", "pytest", "-n", "0"]


@pytest.mark.parametrize("name", LISTED[1:])
def test_a_change_of_what_to_install_installs_again(project: Project, name: str) -> None:
    project.make("demo")
    (stamp,) = (project.folder / ".venv").glob(".stamp-*")
    later = stamp.stat().st_mtime + 10
    os.utime(project.folder / name, (later, later))
    project.make("demo")
    assert project.installations() == [".", "."]


def test_a_copied_environment_is_installed_again(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its editable installation still points to the folder that it was made in."""
    project.make("demo")
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(project.folder, copy)
    moved = Project.__new__(Project)
    moved.folder, moved.calls_file = copy, copy / "calls"
    moved.make("demo")
    assert moved.installations() == [".", "."]


def test_a_failed_installation_leaves_no_stamp(project: Project) -> None:
    assert project.make("demo", PIP_EXIT="1").returncode != 0
    assert not list((project.folder / ".venv").glob(".stamp-*"))
    assert project.make("demo").returncode == 0
    assert project.installations() == [".", "."]


def test_installations_hold_to_the_pins(project: Project) -> None:
    project.make("demo")
    (install,) = (call for call in project.calls() if "install" in call)
    assert install[install.index("--constraint") + 1] == "constraints.txt"


def test_an_old_python_is_refused_in_words(project: Project) -> None:
    shutil.rmtree(project.folder / ".venv")
    old = project.folder / "python2"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = project.make("demo", f"PYTHON={old}")
    assert result.returncode != 0
    assert f"Python 3.11 or newer is needed, and is none of: {old}" in result.stderr
    assert "make demo PYTHON=path" in result.stderr
    assert not (project.folder / ".venv").exists()


def test_an_environment_path_with_a_space_is_refused(project: Project) -> None:
    result = project.make("demo", "VENV=my env")
    assert 'VENV must be one path without spaces, not "my env"' in result.stderr


def test_clean_keeps_runs(project: Project) -> None:
    for name in ("runs", "src", "tests"):
        (project.folder / name).mkdir()
    assert project.make("clean").returncode == 0
    assert (project.folder / "runs").exists()
    assert not (project.folder / ".venv").exists()
