"""Tables of the benchmark of several GPUs."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

ALONE = "one rank"


def say(preset: str, way: str, row: Row) -> None:
    """Print a result immediately, so that an interrupted benchmark has shown the earlier ones."""
    print(f"{preset}, {way}: {row.get('failure') or row}", flush=True)


def report(results: dict[str, dict[str, Row]], ranks: int) -> str:
    """Return the tables as Markdown."""
    lines = [
        f"\n| preset | {ranks} ranks by | ms a step | rays a second | times one rank | GiB | PSNR |",
        "|---|---|---|---|---|---|---|",
    ]
    for preset, rows in results.items():
        one = rows[ALONE].get("rays_per_second")
        for way, row in rows.items():
            lines.append(f"| {preset} | {way} | {' | '.join(cells(row, one))} |")
    for preset, rows in results.items():
        if "gradient_mb" in rows[ALONE]:
            megabytes, touched = rows[ALONE]["gradient_mb"], rows[ALONE]["touched"]
            lines.append(
                f"\n{preset}: {megabytes:.0f} MB of gradients, {touched:.0%} of them nonzero on a rank"
            )
    return "\n".join(lines)


def cells(row: Row, one: float | None) -> list[str]:
    """Return the cells of a row after its names."""
    if "failure" in row:
        return ["failed", "", "", "", ""]
    return [
        f"{row['ms_per_step']:.2f}",
        f"{row['rays_per_second']:,.0f}",
        f"{row['rays_per_second'] / one:.2f}" if one else "-",
        "-" if row["peak_gpu_gib"] is None else f"{row['peak_gpu_gib']:.1f}",
        f"{row['psnr']:.2f} after {row['steps']} steps, {row['seconds']:.0f} s" if "psnr" in row else "-",
    ]
