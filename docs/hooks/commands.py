"""Generate the pages of commands and settings from the output of each command's ``--help``.

The commands run once for each state of the source: their output is cached in ``.cache/docs/``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

# Print the names of all commands, in the order of the page.
NAMES = "import normnex_pl.cli.main as cli; print(*cli.COMMANDS)"
SETTINGS = "settings"  # key of the help of `fit` in the cache, with one option per line
LIGHTNING = ("fit", "validate", "test")
FIT = ("-m", "normnex_pl", "fit")
LINKED = "Linked arguments:"  # settings that the program derives itself
WRAPPED, UNWRAPPED = 100, 100_000  # columns: for reading, and for one option per line
# An option begins after two spaces; lines with more indentation continue its description.
OPTION = re.compile(r"^  (-.+?)(?:  +(.*))?$")
TYPE = re.compile(r"\s*\((?P<required>required, )?type: (?P<type>.*?)(?:, default: (?P<default>.*?))?"
                  r"(?:, known subclasses: (?P<known>.*))?\)$")  # fmt: skip

COMMANDS_INTRODUCTION = """# Commands

What each command says with `--help`. In a checkout, `make COMMAND NAME=value` does the same after
setting up the environment: see [Installation](../start/installation.md). Options of `train`, `fit`,
`validate` and `test` that begin with the name of a section, such as `--model.weights.gradient`, are
listed under [Settings](settings.md).
"""
SETTINGS_INTRODUCTION = """# Settings

Every setting of a training, as `normnex fit --help` lists them. Each is an option on the command line
(`--model.weights.gradient=0.1`) and a key in YAML (`model: {weights: {gradient: 0.1}}`); the complete
set of a run is stored in its `config.yaml`. Where a setting is a class, its own arguments follow its
name, such as `--model.estimator.init_args.divisor=8`, and `normnex fit --model.estimator.help=NAME`
lists them. Defaults are those of the code; [presets and variants](configurations.md) set their own.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    texts = _stored_texts(Path(config.config_file_path).parent)
    settings = texts.pop(SETTINGS)
    pages = {
        "reference/commands.md": _commands_page(texts),
        "reference/settings.md": _settings_page(settings),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def _stored_texts(root: Path) -> dict[str, str]:
    """Return the output of each command's ``--help``, from the cache if the source is unchanged."""
    digest = hashlib.sha256()
    sources = [*(root / "src").rglob("*.py"), *(root / "experiments").rglob("*.py"), Path(__file__)]
    for path in sorted(sources):
        digest.update(path.read_bytes())
    cache = root / ".cache" / "docs" / f"help-{digest.hexdigest()[:16]}.json"
    if cache.exists():
        return dict(json.loads(cache.read_text(encoding="utf-8")))
    commands = {SETTINGS: FIT, "": FIT[:-1], **_commands(root)}
    with ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(lambda words: _run(root, [*words, "--help"]), commands.values()))
    texts = dict(zip(commands, outputs, strict=True))
    cache.parent.mkdir(parents=True, exist_ok=True)
    for old in cache.parent.glob("help-*.json"):
        old.unlink(missing_ok=True)
    cache.write_text(json.dumps(texts), encoding="utf-8")
    return texts


def _commands(root: Path) -> dict[str, Sequence[str]]:
    """Return the arguments of Python that start each command."""
    names = _run(root, ["-c", NAMES]).split()
    return {name: ("-m", "normnex_pl", name) for name in names if name not in LIGHTNING}


def _run(root: Path, words: Sequence[str]) -> str:
    """Run Python with these arguments on the source of this checkout, and return its output."""
    paths = [str(root / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "COLUMNS": str(UNWRAPPED if tuple(words[:-1]) == FIT else WRAPPED),
        "PYTHONPATH": os.pathsep.join(paths),
        "NO_COLOR": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PluginError(f"python {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout.replace("usage: __main__.py", "usage: normnex").strip()


def _commands_page(texts: dict[str, str]) -> str:
    """Return a page with a section for each command: the output of its ``--help``."""
    lines = [COMMANDS_INTRODUCTION]
    for name, text in texts.items():
        lines += [f"## normnex {name}".rstrip(), "", "```text", text, "```", ""]
    return "\n".join(lines)


def _settings_page(text: str) -> str:
    """Return a page with a table of options for each section of the help of `fit`."""
    lines = [SETTINGS_INTRODUCTION]
    for prefix, options in _sections(text).items():
        lines += [f"## `{prefix}`" if prefix else "## General", ""]
        if prefix == "trainer":
            names = ", ".join(f"`{option.split()[0]}`" for option, _ in options)
            lines += [f"Passed on to Lightning's `Trainer`, which documents them: {names}."]
        else:
            lines += ["| option | meaning | type | default |", "|---|---|---|---|"]
            lines += [_row(option, meaning) for option, meaning in options]
        lines.append("")
    return "\n".join(lines)


def _sections(text: str) -> dict[str, list[tuple[str, str]]]:
    """Parse the options and their descriptions, grouped by the prefix that a section's options share."""
    found: list[tuple[str, str]] = []
    linked = False
    for line in text.splitlines():
        option = OPTION.match(line)
        if line and not line.startswith(" "):
            linked = line == LINKED
        elif option and not linked:
            found.append((option[1], option[2] or ""))
        elif found and line.startswith("   ") and not linked:
            name, meaning = found[-1]
            found[-1] = (name, f"{meaning} {line.strip()}".strip())
    sections: dict[str, list[tuple[str, str]]] = {"": []}
    for name, meaning in filter(lambda one: _is_setting(one[0]), found):
        prefix = name.split()[0].removeprefix("--").rpartition(".")[0]
        sections.setdefault(prefix, []).append((name, meaning))
    return sections


def _is_setting(option: str) -> bool:
    """Return whether an option is a single setting, neither a whole section nor a request for help."""
    return ".help" not in option and not re.fullmatch(r"--[a-z.]+ CONFIG", option)


def _row(option: str, meaning: str) -> str:
    """Return a table row of an option: its name without the placeholder, description, type and default."""
    found = TYPE.search(meaning)
    kind, default = (found["type"], found["default"] or "") if found else ("", "")
    if found:
        meaning = meaning[: found.start()]
        default = "required" if found["required"] else default
        known = found["known"]
        if known:
            meaning = f"{meaning.rstrip('.')}. Known: " + ", ".join(f"`{one}`" for one in known.split(", "))
    names = ", ".join(f"`{name.split()[0]}`" for name in option.split(", ") if name.startswith("-"))
    cells = (
        names,
        meaning.replace("``", "`"),
        f"`{_short(kind)}`" if kind else "",
        f"`{default}`" if default else "",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _short(kind: str) -> str:
    """Return a type in Python's own syntax."""
    return re.sub(r"<class '([^']*)'>", r"\1", kind)
