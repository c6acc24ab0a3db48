"""The command line itself: commands and their help, options of dataclasses, and how errors end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import pytest
import torch

from cli.helpers import failure, status_of
from normnex_pl.cli import view
from normnex_pl.cli.main import COMMANDS, main, usage
from normnex_pl.cli.options import OtherWords, WordsAfterDashes, parse, parser_of
from normnex_pl.core.errors import STOPPED, RunStoppedError, UserError
from normnex_pl.export.paths import PATHS
from normnex_pl.export.video.files import WRITERS
from normnex_pl.export.video.settings import VideoSettings

LIGHTNING = ("fit", "validate", "test")
OURS = [name for name in COMMANDS if name not in LIGHTNING]


def test_the_help_fits_a_screen_and_names_every_command() -> None:
    lines = usage().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    for name, text in COMMANDS.items():
        assert f"  {name:<10}{text}" in lines


def test_the_help_needs_no_pytorch() -> None:
    program = (
        "import sys; from normnex_pl.cli.main import main; main(['--help']); "
        "sys.exit(bool({'torch', 'pytorch_lightning', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: normnex COMMAND ...")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert not caught.value.code
    assert "usage: " in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_no_output_fails_for_want_of_a_character(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "→ 写真 é \udce9"  # the last one is a byte of a file's name that is no UTF-8
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)

    def print_both(options: object) -> None:
        print(text)
        raise UserError(text)

    monkeypatch.setattr("normnex_pl.cli.report.run", print_both)
    assert status_of("report") == 2
    for stream in streams.values():
        stream.flush()
        written = stream.buffer.getvalue()  # type: ignore[attr-defined]
        assert text.encode(encoding, "backslashreplace") in written


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, "PASSIVE 1000"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None"),
        ({"GOMP_SPINCOUNT": "5"}, "None 5"),
        ({"KMP_BLOCKTIME": "5"}, "None None"),
    ],
)
def test_threads_wait_briefly_unless_the_user_chose(chosen: dict[str, str], expected: str) -> None:
    program = (
        "import os, sys; from normnex_pl.cli.main import main; main(['--help']); "
        "assert 'torch' not in sys.modules; "
        "print(os.environ.get('OMP_WAIT_POLICY'), os.environ.get('GOMP_SPINCOUNT'))"
    )
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    others = {name: value for name, value in os.environ.items() if name not in ours}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=others | chosen, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == expected


@pytest.mark.parametrize("name", ["view", "prepare"])
def test_the_package_is_the_command(name: str) -> None:
    command = [sys.executable, "-m", "normnex_pl", name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: normnex {name} ")


@pytest.mark.parametrize("name", OURS)
def test_every_option_is_documented(name: str) -> None:
    """A field that the docstring leaves out would raise."""
    options = import_module(f"normnex_pl.cli.{name}").Options
    text = parser_of(options, f"normnex {name}").format_help()
    for line in text.splitlines():
        assert not line.rstrip().endswith("--help  None")
    assert "Attributes:" not in text


def test_unknown_commands_are_answered_with_all_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    message = failure(capsys, "trian", "scenes/demo")
    assert message == f"normnex: expected one of {', '.join(COMMANDS)}, found trian."


@dataclass(frozen=True)
class Inner:
    """The way in which it is done.

    Attributes:
        share: A share, of 100%.
        kind: One of two.
    """

    share: float = 0.25
    kind: Literal["plain", "fancy"] = "plain"

    def __post_init__(self) -> None:
        """Check it."""
        if self.share > 1:
            raise UserError(f"--share: expected at most 1, found {self.share:g}.")


@dataclass(frozen=True)
class Sample:
    """Do something.

    Attributes:
        place: Where, which may take
            two lines to say.
        count: How often.
        out_file: A file.
        loud: Loudly.
        numbers: Several.
        colors: Of a few.
        inner: How.
        rest: Other words are settings.
    """

    place: Path
    count: int | None = None
    out_file: Path | None = None
    loud: bool = False
    numbers: tuple[int, ...] = (1, 2)
    colors: tuple[Literal["red", "blue"], ...] = ("red",)
    inner: Inner = field(default_factory=Inner)
    rest: OtherWords = ()


@dataclass(frozen=True)
class Strict:
    """Do something for many.

    Attributes:
        place: Where.
        rest: For all of them.
    """

    place: Path
    rest: WordsAfterDashes = ()


def test_defaults_are_those_of_the_dataclass() -> None:
    assert parse(Sample, "sample", ["here"]) == Sample(Path("here"))


def test_options_have_the_types_of_their_fields() -> None:
    words = ["here", "--count=3", "--out_file", "a b", "--loud", "--numbers", "4", "5 6", "--colors=blue red"]
    found = parse(Sample, "sample", [*words, "--share=0.5", "--kind=fancy"])
    inner = Inner(0.5, "fancy")
    assert found == Sample(Path("here"), 3, Path("a b"), True, (4, 5, 6), ("blue", "red"), inner)


def test_dashes_stand_for_underscores_in_the_names_of_options_alone() -> None:
    found = parse(Sample, "sample", ["here", "--out-file=a-b", "--other-word=c-d"])
    assert (found.out_file, found.rest) == (Path("a-b"), ("--other-word=c-d",))


def test_other_words_keep_their_order() -> None:
    words = ["--a.b=1", "--count=2", "-c", "x.yaml", "--a.c", "-1"]
    found = parse(Sample, "sample", ["here", *words, "--", "--count=3"])
    assert found.count == 2
    assert found.rest == ("--a.b=1", "-c", "x.yaml", "--a.c", "-1", "--count=3")


def test_words_for_many_follow_two_dashes() -> None:
    assert parse(Strict, "strict", ["here", "--", "--a=1", "b"]).rest == ("--a=1", "b")
    with pytest.raises(UserError, match="unrecognized arguments: --a=1"):
        parse(Strict, "strict", ["here", "--a=1"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "required: PLACE. `sample --help` lists"),
        (["here", "--count=many"], "argument --count: invalid int value: 'many'"),
        (["here", "--numbers=1 x"], "argument --numbers: invalid int value: '1 x'"),
        (["here", "--colors=green"], "argument --colors: expected some of red, blue, found green"),
        (["here", "--kind=odd"], "argument --kind: invalid choice: 'odd'"),
        (["here", "--share=2"], "--share: expected at most 1, found 2."),
    ],
)
def test_bad_words_are_errors_of_the_user(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(Sample, "sample", words)
    assert message in str(caught.value)


def test_help_is_the_documentation_of_the_fields() -> None:
    text = " ".join(parser_of(Sample, "sample").format_help().split())
    assert "usage: sample PLACE [options] [--any.setting=value ...] Do something." in text
    assert "PLACE Where, which may take two lines to say." in text
    assert "--numbers [NUMBERS ...] Several. (default: 1 2)" in text
    assert "--share SHARE A share, of 100%. (default: 0.25)" in text
    assert text.endswith("Other words are settings.")


def test_choices_are_those_that_there_are() -> None:
    hints = get_type_hints(VideoSettings)
    assert set(get_args(hints["path"])) == set(PATHS)
    assert set(get_args(get_args(hints["formats"])[0])) == set(WRITERS)


NO_PERMISSION = (
    "expected permission to read and write here, found none (Permission denied). Change the permissions, or "
    "choose another place."
)


def ends_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the status of a command that raises an error."""

    def fail(_: Path) -> Path:
        raise error

    monkeypatch.setattr(view, "baked_folder", fail)
    return status_of("view", "run")


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (UserError("x: expected\n  one, found two."), 2, "error: x: expected one, found two.\n"),
        (PermissionError(13, "Permission denied", "/x/y"), 2, f"error: /x/y: {NO_PERMISSION}\n"),
        (OSError("something of the system"), 2, "error: something of the system\n"),
        (RunStoppedError("Stopped at step 3."), STOPPED, "Stopped at step 3.\n"),
        (KeyboardInterrupt(), 130, "\nStopped.\n"),
        (KeyboardInterrupt("Go on."), 130, "\nStopped. Go on.\n"),
    ],
    ids=["user", "permission", "system", "stopped", "Ctrl-C", "Ctrl-C with advice"],
)
def test_what_a_user_can_mend_ends_with_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    text: str,
) -> None:
    assert ends_with(error, monkeypatch) == status
    assert capsys.readouterr().err == text


def test_a_full_memory_ends_with_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB. GPU 0 has less")
    assert ends_with(error, monkeypatch) == 2
    assert capsys.readouterr().err.startswith("error: Out of memory: CUDA out of memory")


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ValueError("a bug"), KeyError("a bug")])
def test_a_bug_shows_where_it_is(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    with pytest.raises(type(error), match="a bug"):
        ends_with(error, monkeypatch)
