"""No circles of imports: in scripts, whose bare names import-linter can't follow, and in every room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "normnex_pl"
SCRIPTS = [ROOT / "experiments" / name for name in ("scenes", "benchmarks")]
ROOMS = [PACKAGE, *sorted(path.parent for path in PACKAGE.rglob("*/__init__.py"))]


def imported(path: Path) -> Iterator[str]:
    """Return the absolute names that a file imports anywhere, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def siblings(folder: Path, prefix: str) -> dict[str, set[str]]:
    """Return which files and folders of a folder import which others of it, at any depth.

    Args:
        folder: Of modules and packages.
        prefix: Before their names in imports, with the last dot; empty for scripts.
    """
    files = {path.stem: [path] for path in folder.glob("*.py") if path.stem != "__init__"}
    packages = {path.parent.name: sorted(path.parent.rglob("*.py")) for path in folder.glob("*/__init__.py")}
    members = files | packages
    return {
        member: {
            name.removeprefix(prefix).partition(".")[0]
            for path in paths
            for name in imported(path)
            if name.startswith(prefix)
        }
        & (members.keys() - {member})
        for member, paths in members.items()
    }


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the members of a circle; none if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("folder", SCRIPTS, ids=lambda path: path.name)
def test_scripts_import_each_other_without_circles(folder: Path) -> None:
    graph = siblings(folder, "")
    assert any(graph.values())
    assert circle(graph) == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_members_of_a_room_import_each_other_without_circles(room: Path) -> None:
    name = ".".join(room.relative_to(PACKAGE.parent).parts)
    assert circle(siblings(room, f"{name}.")) == []


def test_a_circle_is_found_inside_functions_and_between_folders(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import b.deep\n")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "__init__.py").touch()
    (tmp_path / "b" / "deep.py").write_text("def late():\n    from c import name\n")
    (tmp_path / "c.py").write_text("import numpy\n")
    assert circle(siblings(tmp_path, "")) == []
    (tmp_path / "c.py").write_text("import numpy\nimport a as other\n")
    assert set(circle(siblings(tmp_path, ""))) == {"a", "b", "c"}
