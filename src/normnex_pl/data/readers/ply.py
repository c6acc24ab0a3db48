"""Positions of the points in a PLY file; everything else in it is ignored.

Format: http://paulbourke.net/dataformats/ply/. ASCII and both binary forms; elements before the vertices
must be of fixed size.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from normnex_pl.core.errors import UserError

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_HEADER = re.compile(rb"ply\r?\n(.*?)end_header\r?\n", re.DOTALL)


def read_ply_points(path: Path) -> Float[np.ndarray, "point 3"]:
    """Read the positions of the vertices.

    Args:
        path: A PLY file.

    Returns:
        Positions in the units of the file.

    Raises:
        UserError: The file is missing, truncated, or no such PLY file.
    """
    try:
        data = path.read_bytes()
        header = _HEADER.match(data)
        if header is None:
            raise ValueError("no PLY header")
        order, elements = _parse_header(header[1].decode("ascii"))
        return _vertices(data[header.end() :], order, elements)
    # Unknown words raise KeyError and IndexError, all other faults ValueError.
    except (OSError, KeyError, IndexError, ValueError, OverflowError, MemoryError) as error:
        raise UserError(
            f"{path}: expected a PLY file of points with x, y and z, found a truncated or other file "
            f"({error}). Write it again."
        ) from error


def _parse_header(text: str) -> tuple[str, list[tuple[str, int, np.dtype[np.void]]]]:
    """Return the form of the numbers; name, count and layout of each element up to the vertices."""
    order, elements = "", []
    name, count, fields = "", 0, list[tuple[str, str]]()
    for words in map(str.split, [*text.splitlines(), "element end 0"]):
        if not words or words[0] in ("comment", "obj_info"):
            continue
        if words[0] == "format":
            order = words[1]
        elif words[0] == "property":
            # Lists have no fixed size, which matters up to the vertices alone.
            fields.append((words[-1], "" if words[1] == "list" else _ORDERS[order] + _TYPES[words[1]]))
        elif words[0] == "element":
            if name == "vertex" or (name and not all(layout for _, layout in fields)):
                break
            if name:
                elements.append((name, count, np.dtype(fields)))
            name, count, fields = words[1], int(words[2]), []
    if name != "vertex" or count < 0 or not all(layout for _, layout in fields):
        raise ValueError("no element 'vertex' of fixed size that can be found")
    return order, [*elements, (name, count, np.dtype(fields))]


def _vertices(
    body: bytes, order: str, elements: list[tuple[str, int, np.dtype[np.void]]]
) -> Float[np.ndarray, "point 3"]:
    """Return the positions, given the bytes after the header."""
    *before, (_, count, layout) = elements
    if order == "ascii":
        lines = io.StringIO(body.decode("ascii")).readlines()
        lines = lines[sum(number for _, number, _ in before) :][:count]
        names = layout.names or ()
        table = np.array([line.split() for line in lines], dtype=np.float64).reshape(count, len(names))
        columns = dict(zip(names, table.T, strict=True))
        return np.stack([columns[axis] for axis in "xyz"], axis=1)
    start = sum(number * dtype.itemsize for _, number, dtype in before)
    vertices = np.frombuffer(body, layout, count, start)
    return np.stack([vertices[axis].astype(np.float64) for axis in "xyz"], axis=1)
