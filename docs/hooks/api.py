"""Generate pages from files: an API page for each room of the package, and the page of configurations.

The folders are scanned, so that a new room, module or configuration is included without being listed.
Nothing is imported: mkdocstrings reads the modules' source.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = "normnex_pl"
API = "reference/api/"
CONFIGURATIONS = {
    "base.yaml": ("Base", "What all runs share; a variant and a preset complete it."),
    "shared": ("Shared", "What the variants of a kind have in common; they name it with `inherits`."),
    "variants": ("Variants", "The model: `--variant=NAME`."),
    "presets": ("Presets", "Size and schedule: `--preset=NAME`."),
    "loggers": ("Loggers", "Where scalars and pictures go beside `metrics.csv`: `--loggers=NAME`."),
    "ddp.yaml": ("Several devices", "Added where a run has more than one GPU."),
    "ablations.yaml": ("Rows of a comparison", "For `normnex compare SCENE --rows=FILE`."),
    "sweeps": ("Sweeps", "For `normnex sweep FILE SCENE`."),
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace the API's folder in the navigation of `mkdocs.yml` by a page for each room."""
    rooms = [f"{API}{name}.md" for name in _rooms(_root(config))]
    config.nav = _replaced(config.nav, [f"{API}index.md", *rooms])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    root = _root(config)
    rooms = _rooms(root)
    pages = {f"{API}{name}.md": _room_page(name, modules) for name, modules in rooms.items()}
    pages[f"{API}index.md"] = _overview(root, rooms)
    pages["reference/configurations.md"] = _configurations(root / "experiments")
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent


def _replaced(entry: Any, pages: list[str]) -> Any:
    """Return the navigation with the API's folder replaced by its pages."""
    if entry == API:
        return pages
    if isinstance(entry, list):
        return [_replaced(one, pages) for one in entry]
    if isinstance(entry, dict):
        return {name: _replaced(one, pages) for name, one in entry.items()}
    return entry


def _rooms(root: Path) -> dict[str, list[str]]:
    """Return the full names of the modules of each room; top-level ones belong to the package's own name."""
    rooms: dict[str, list[str]] = {}
    source = root / "src"
    for path in sorted((source / PACKAGE).rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        if path.name.startswith("__") or any(part.startswith(("_", ".")) for part in parts):
            continue
        room = parts[1] if len(parts) > 2 else PACKAGE
        rooms.setdefault(room, []).append(".".join(parts))
    return dict(sorted(rooms.items()))


def _room_page(name: str, modules: list[str]) -> str:
    """Return a page on which mkdocstrings documents the modules of a room."""
    title = name if name == PACKAGE else f"{PACKAGE}.{name}"
    return f"# {title}\n\n" + "\n".join(f"::: {module}\n" for module in modules)


def _overview(root: Path, rooms: dict[str, list[str]]) -> str:
    """Return a page with a table of the rooms and the first lines of their docstrings."""
    rows = []
    for name, modules in rooms.items():
        folder = root / "src" / PACKAGE / ("" if name == PACKAGE else name)
        rows.append(f"| [`{name}`]({name}.md) | {_summary(folder / '__init__.py')} | {len(modules)} |")
    return "\n".join(
        [
            "# API",
            "",
            "One page per room of the package, from the docstrings. Rooms, and which may import which,",
            "are explained under [Architecture](../../contribute/architecture.md); axes, frames and units",
            "under [Conventions](../../concepts/conventions.md).",
            "",
            "| room | purpose | modules |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _summary(path: Path) -> str:
    """Return the first line of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.exists() else None
    return (text or "").partition("\n")[0].replace("|", "\\|")


def _configurations(experiments: Path) -> str:
    """Return a page with all YAML files, each in a code block."""
    lines = [
        "# Configurations",
        "",
        "The YAML files that a run is composed of, as they ship. A later file overrides an earlier one:",
        "`base.yaml`, the variant, the preset, then the command line.",
        "[Train and evaluate](../guides/train.md) explains how, and",
        "[A preset or a variant](../contribute/preset.md) how to write your own.",
    ]
    for name, (title, purpose) in CONFIGURATIONS.items():
        place = experiments / name
        paths = [place] if place.is_file() else sorted(place.glob("*.yaml"))
        if not paths:
            continue
        lines += ["", f"## {title}", "", purpose]
        for path in paths:
            content = path.read_text(encoding="utf-8").strip()
            lines += ["", f"### `{path.relative_to(experiments)}`", "", "```yaml", content, "```"]
    return "\n".join(lines) + "\n"
