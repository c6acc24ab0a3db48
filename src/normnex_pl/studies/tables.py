"""Tables of numbers, as Markdown that is legible in a terminal too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from normnex_pl.evaluation.report import Number, format_value


@dataclass(frozen=True)
class Column:
    """A number that runs are compared by.

    Attributes:
        name: Its column of the CSV file.
        title: Its column of the Markdown table.
        digits: After the decimal point, in the Markdown table.
    """

    name: str
    title: str
    digits: int


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        names: Its first cells.
        values: A number for each column, by name; what is missing is shown as a dash.
        last: Its last cells.
    """

    names: Sequence[str]
    values: Mapping[str, Number]
    last: Sequence[str] = ()


def score_table(
    names: Sequence[str], columns: Sequence[Column], lines: Sequence[Line], last: Sequence[str] = ()
) -> str:
    """Return a table of lines with numbers.

    Args:
        names: Titles of the first cells.
        columns: Of the numbers.
        lines: The lines.
        last: Titles of the last cells.
    """
    cells = [
        [
            *line.names,
            *(format_value(line.values.get(column.name), column.digits) for column in columns),
            *line.last,
        ]
        for line in lines
    ]
    return aligned([[*names, *(column.title for column in columns), *last], *cells])


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that is legible in a terminal too: names flush left, numbers flush right."""
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    text = ""
    for line in (lines[0], rule, *lines[1:]):
        numbers = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        text += f"| {' | '.join([line[0].ljust(widths[0]), *numbers])} |\n"
    return text
