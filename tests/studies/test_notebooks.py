"""The notebooks: executed on real runs, and as they are stored."""

from __future__ import annotations

import ast
import base64
import importlib
import io
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image
from traitlets.config import Config

from cli.helpers import ROOT
from support.ports import free_ports

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 2_000_000  # bytes of a file

pytestmark = pytest.mark.filterwarnings("ignore:.*Proactor event loop:RuntimeWarning")


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def code_of(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def python_of(cell: Any) -> str:
    """Return the code without what only IPython reads."""
    return "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))


def outputs_of(cell: Any) -> list[dict[str, Any]]:
    """Return what it displays, by kind."""
    return [output.data for output in cell.outputs if "data" in output]


def shows_a_figure(cell: Any) -> bool:
    calls = [node.func for node in ast.walk(ast.parse(python_of(cell))) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    return any(name.endswith("_figure") or name == "Image" for name in names)


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["compare_variants", "components", "normals"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_the_first_cell_to_the_last(path: Path, paths: None) -> None:
    notebook = read(path)
    for cell in code_of(notebook):
        cell.outputs = []
    names = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    config = Config(KernelManager={"cache_ports": False, **ports})
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=200, resources=resources, config=config).execute()
    for cell in code_of(notebook):
        assert outputs_of(cell), cell.source
        kinds = [kind for data in outputs_of(cell) for kind in data]
        assert any(kind.startswith("image/") for kind in kinds) == shows_a_figure(cell), cell.source
        assert not [output for output in cell.outputs if output.output_type in ("error", "stream")], (
            cell.source
        )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_it_does_is_in_the_package(path: Path) -> None:
    own = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While)
    for cell in code_of(read(path)):
        assert not [node for node in ast.walk(ast.parse(python_of(cell))) if isinstance(node, own)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_it_imports_from_the_package_is_there(path: Path) -> None:
    for cell in code_of(read(path)):
        for node in ast.walk(ast.parse(python_of(cell))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("normnex_pl"):
                module = importlib.import_module(str(node.module))
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_files_of_the_project_that_it_names_are_there(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    named = re.findall(r"\b(?:src/)?((?:normnex_pl|experiments|scenes|docs)/[\w./-]*\w)", text)
    places = [ROOT, ROOT / "src"]
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_with_all_outputs_that_are_small_and_speak_of_no_machine(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    notebook = read(path)
    cells = code_of(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert outputs_of(cell), cell.source
        for data in outputs_of(cell):
            text = "".join(str(value) for kind, value in data.items() if not kind.startswith("image"))
            assert "/home/" not in text
            assert str(ROOT) not in text
    assert "preset tiny" in str([outputs_of(cell) for cell in cells[:1]])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_figures_are_pictures_that_a_page_has_room_for(path: Path) -> None:
    cells = [cell for cell in code_of(read(path)) if shows_a_figure(cell)]
    assert cells
    for cell in cells:
        (data,) = outputs_of(cell)
        kind = next(kind for kind in data if kind.startswith("image/"))
        with Image.open(io.BytesIO(base64.b64decode(data[kind]))) as picture:
            assert 600 <= picture.width <= 1400
            assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 16
