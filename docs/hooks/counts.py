"""Count this package's code as the side-by-side table counts other codebases, whenever the site is built."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MARKER = "{{ counts }}"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace a page's marker by the counts of the current sources."""
    return markdown.replace(MARKER, counts(ROOT)) if MARKER in markdown else markdown


def counts(root: Path) -> str:
    """Count files and lines, median module and function, and tests to code, as the cells of a table.

    Lines are those that aren't blank; packages' faces (``__init__.py``) count as modules where they hold more
    than a docstring.
    """
    texts = [path.read_text(encoding="utf-8") for path in sorted((root / "src").rglob("*.py"))]
    modules = [lines for text in texts if (lines := _lines(text)) > 1]
    functions = [length for text in texts for length in _function_lengths(text)]
    tests = sum(_lines(path.read_text(encoding="utf-8")) for path in (root / "tests").rglob("*.py"))
    total = sum(modules)
    cells = (
        f"{len(modules)} / {total / 1000:.1f}k",
        f"{median(modules):g}",
        f"{median(functions):g}",
        f"{tests / total:.2f}".removeprefix("0"),
    )
    return " | ".join(cells)


def _lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def _function_lengths(text: str) -> list[int]:
    lines = text.splitlines()
    return [
        _lines("\n".join(lines[node.lineno - 1 : node.end_lineno]))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


if __name__ == "__main__":
    print(counts(ROOT))  # noqa: T201
