"""Results of a benchmark: metadata, tables, files, and the comparison of two."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from normnex_pl.core.checkout import checkout_commit
from normnex_pl.core.errors import UserError

_PARTS = ("rays", "field", "compositing", "losses", "backward", "regularisers", "optimiser", "refresh")
_SAME = ("device", "small")  # keys that two results must share for their ratios to be meaningful


def about(device: torch.device, small: bool) -> dict[str, Any]:
    """Describe the machine and the sources."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda if cuda else None,
        "commit": checkout_commit(),
        "small": small,
    }


def report(results: dict[str, Any]) -> str:
    """Return all tables."""
    return "\n\n".join(
        text
        for text in (
            _machine(results),
            _steps(results["steps"]),
            _frames(results),
            *(_growth(axis, rows) for axis, rows in results["growth"].items()),
        )
        if text
    )


def _machine(results: dict[str, Any]) -> str:
    about, rates = results["about"], results["ceilings"]
    products = ", ".join(f"{name} {rates[name] / 1e12:.3g}" for name in ("fp32", "tf32", "bf16"))
    return (
        f"{about['device']}, torch {about['torch']}, commit {about['commit']}\n"
        f"Ceilings: products {products} Tflop/s; copy {rates['copy'] / 1e9:.4g} GB/s"
        + ("\nSmall sizes: these times are not those of a real training." if about["small"] else "")
    )


def _steps(steps: dict[str, Any]) -> str:
    head = [
        "ms",
        "step",
        "Lightning",
        *_PARTS,
        "Msamples/s",
        "GiB",
        "counted",
        "Gflop",
        "GB",
        "roofline",
        "frame",
    ]
    rows = [[name, *_step_cells(row)] for name, row in steps.items()]
    return table([head, *rows]) if rows else ""


def _step_cells(row: dict[str, Any]) -> list[str]:
    if "failure" in row:
        return [row["failure"]]
    return [
        number(row["step_ms"]),
        number(row["lightning_ms"]),
        *(number(row["parts_ms"].get(part)) for part in _PARTS),
        number(row["samples_per_second"] / 1e6),
        number(row.get("peak_gib")),
        number(row.get("need_gib")),
        number(row.get("gflop")),
        number(row.get("gigabytes")),
        f"{100 * row['roofline_share']:.0f} %" if "roofline_share" in row else "-",
        number(row.get("frame_ms")),
    ]


def _frames(results: dict[str, Any]) -> str:
    baked = results["baked"]
    if not baked or "failure" in baked:
        return f"Baked frame: {baked['failure']}" if baked else ""
    size = "x".join(map(str, baked["frame_size"]))
    return f"Baked frame {size}: {number(baked['frame_ms'])} ms, {number(baked['memory_mb'])} MB"


def _growth(axis: str, rows: dict[str, Any]) -> str:
    cells = [
        [name, row["failure"]]
        if "failure" in row
        else [name, number(row["step_ms"]), number(row.get("peak_gib"))]
        for name, row in rows.items()
    ]
    return table([[axis, "ms a step", "GiB"], *cells])


def table(rows: list[list[str]]) -> str:
    """Format rows as an aligned Markdown table; the first one is the head."""
    count = len(rows[0])
    filled = [row + [""] * (count - len(row)) for row in rows]
    widths = [max(len(row[i]) for row in filled if len(row[i]) < 40) for i in range(count)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in filled
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def number(value: float | None) -> str:
    """Format a number with three digits, or None as a dash."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def read_results(path: Path) -> dict[str, Any]:
    """Read the results of an earlier benchmark.

    Raises:
        UserError: The file is missing, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not {"about", "ceilings", "steps", "growth", "baked"} <= set(content):
            raise ValueError("other keys")
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: expected the results of an earlier `make bench`, found none ({error}). Check the path."
        ) from error
    return content  # type: ignore[no-any-return]


def comparison(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Compare two results: the ratio, new to old, of every number that both have."""
    before, now = dict(_numbers(old)), dict(_numbers(new))
    rows = [
        [name, number(before[name]), number(value), f"{value / before[name]:.3f}"]
        for name, value in now.items()
        if before.get(name)
    ]
    different = [key for key in _SAME if old["about"].get(key) != new["about"].get(key)]
    note = "".join(
        f"\nNot the same {key}: {old['about'].get(key)} there, {new['about'].get(key)} here."
        for key in different
    )
    head = f"Old: commit {old['about'].get('commit')}; new: commit {new['about'].get('commit')}{note}"
    return f"{head}\n\n{table([['', 'old', 'new', 'new / old'], *rows])}"


def _numbers(tree: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of nested dictionaries by their paths, except those of the metadata."""
    for key, value in tree.items():
        name = f"{path} {key}".strip()
        if isinstance(value, dict) and key != "about":
            yield from _numbers(value, name)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
