"""Export runs as splats with several settings, and score each file by gsplat on the held-out views.

    python experiments/benchmarks/splat_scores.py runs/fern/nex_rgb-fast [--formats spz ply] [--splats 1.5 3]

Needs a GPU and gsplat. Prints a table; ``--output=FILE`` keeps it as JSON. The files go to the runs' folders
``export/``, or below ``--folder``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from normnex_pl.core.files import write_json
from normnex_pl.export.formats.ply import PLYFormat
from normnex_pl.export.formats.score import score_export
from normnex_pl.export.formats.spz import SPZFormat
from normnex_pl.export.splats.convert import SplatSettings
from normnex_pl.export.splats.rasterisers import RASTERISERS
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.trained_run import find_device, read_run

FORMATS = {"spz": SPZFormat, "ply": PLYFormat}


def main() -> None:
    """Export and score."""
    options = parse_options()
    device = find_device(options.device)
    rows = []
    for run in options.runs:
        scene = read_run(run, options.scene, device).data.scene
        views = [scene.views[i].to(device) for i in scene.test]
        baked = (RunFolder(run).read_metrics().get("baked") or {}).get("psnr")
        for name in options.formats:
            for rasteriser in options.rasterisers:
                for splats in options.splats:
                    settings = replace(
                        SplatSettings(most=splats, rasteriser=RASTERISERS[rasteriser]), **options.settings
                    )
                    target = (
                        options.folder or RunFolder(run).exports
                    ) / f"{run.name}-{rasteriser}-{splats:g}.{name}"
                    start = time.perf_counter()
                    one = FORMATS[name](settings)
                    one.write(run, target, device)
                    seconds = time.perf_counter() - start
                    score = score_export(one.open(target, device), views)
                    row = {
                        "run": str(run),
                        "format": name,
                        "rasteriser": rasteriser,
                        "millions_at_most": splats,
                        "megabytes": target.stat().st_size / 1e6,
                        "seconds": seconds,
                        "psnr": score.psnr,
                        "psnr_baked": baked,
                        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
                    }
                    rows.append(row)
                    print(as_line(row))
    if options.output:
        write_json(options.output, rows)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, help="folders of trained and baked runs")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["spz"])
    parser.add_argument(
        "--splats", nargs="+", type=float, default=[SplatSettings().most], help="millions at most"
    )
    parser.add_argument("--rasterisers", nargs="+", choices=RASTERISERS, default=list(RASTERISERS))
    parser.add_argument("--settings", type=json.loads, default={}, help='others, as JSON: {"color": 0.008}')
    parser.add_argument("--scene", type=Path, help="the runs' scene, if it has moved")
    parser.add_argument("--folder", type=Path, help="where to write the files")
    parser.add_argument("--device")
    parser.add_argument("--output", type=Path, help="a JSON file for the table")
    return parser.parse_args()


def as_line(row: dict[str, Any]) -> str:
    """Return a row for the terminal."""
    baked = "unknown" if row["psnr_baked"] is None else f"{row['psnr_baked']:.2f}"
    return (
        f"{row['run']} {row['format']} {row['rasteriser']} at most {row['millions_at_most']:g} M: "
        f"{row['megabytes']:.1f} MB in {row['seconds']:.0f} s, {row['psnr']:.2f} dB (baked {baked} dB)"
    )


if __name__ == "__main__":
    main()
