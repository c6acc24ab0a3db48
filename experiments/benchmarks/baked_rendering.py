"""Time and compare the renderers of baked runs: ``baked_rendering.py RUN [RUN ...]`` prints JSON.

A run is a run folder, or its ``mpi/``. Frames lie on a spiral through the training views.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from normnex_pl.core.checkout import checkout_commit
from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.renderers import Renderer, TorchRenderer
from normnex_pl.export.baked.speed import allocated_bytes, frames_per_second, peak_megabytes, spiral_cameras
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.trained_run import find_device

MEGA = 1e6
COMPARED = 6  # frames of the spiral whose pictures are compared
SLOWER = 10  # PyTorch renders every tenth frame only
BLOCKS = ((8, 4), (4, 8), (16, 2), (8, 8), (16, 4), (16, 8), (32, 4), (32, 8))
WARPS = (1, 2, 4, 8)
SMALLEST_SHARE = 32  # pixels of a block per warp
LARGEST_SHARE = 64
LEAST_LIGHTS = (0.0, 1 / 4096, 1 / 1024, 1 / 512, 1 / 256)


def measure(folder: Path, options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Return all measurements of one run."""
    before = allocated_bytes(device)
    baked = BakedMPI.read(folder).to(device)
    cameras = spiral_cameras(baked, options.frames, options.size)
    renderers = {renderer.name: renderer for renderer in find_renderers(device)}
    result: dict[str, Any] = {
        "run": str(folder),
        "provenance": baked.manifest.provenance,
        "color": baked.manifest.color.model,
        "query": baked.manifest.basis.query,
        "planes": len(baked.depths),
        "layers": len(baked.layer_depths),
        "frame_size": [cameras[0].width, cameras[0].height],
        "scores": stored_scores(folder.parent),
        "megabytes_disk": sum(path.stat().st_size for path in folder.iterdir()) / MEGA,
        "megabytes_disk_of": disk_by_kind(folder),
        "megabytes_memory": baked.memory / MEGA,
        "megabytes_memory_of": {
            "alpha": baked.alpha.memory / MEGA,
            "base_color": baked.base_color.memory / MEGA,
            "features": baked.features.memory / MEGA,
            "table": baked.table.nbytes / MEGA,
        },
        "tiles_kept": {
            name: float((texture.slots >= 0).float().mean())
            for name, texture in (("alpha", baked.alpha), ("base_color", baked.base_color))
        },
        "renderers": {
            name: time_renderer(baked, cameras, renderer, before) for name, renderer in renderers.items()
        },
    }
    if "triton" in renderers:
        result["triton_to_torch"] = differences(baked, cameras, renderers["triton"], renderers["torch"])
        result["least_light"] = {
            f"{least:.2g}": frames_per_second(baked, cameras, replace(renderers["triton"], least_light=least))
            for least in LEAST_LIGHTS
        }
    if "triton" in renderers and options.sweep:
        result["blocks"] = sweep(baked, cameras, renderers["triton"])
    return result


def find_renderers(device: torch.device) -> list[Any]:
    """Return the renderers that run on the device."""
    renderers: list[Any] = [TorchRenderer()]
    if device.type == "cuda" and importlib.util.find_spec("triton") is not None:
        from normnex_pl.export.baked.triton_renderer import TritonRenderer

        renderers.append(TritonRenderer())
    return renderers


def time_renderer(
    baked: BakedMPI, cameras: Sequence[Camera], renderer: Renderer, before: int
) -> dict[str, Any]:
    """Measure speed, memory, and the time of the first frame."""
    timed = cameras if renderer.name == "triton" else cameras[::SLOWER]
    start = time.perf_counter()
    float(renderer(baked, cameras[0])["rgb"].sum())  # synchronises
    first = time.perf_counter() - start
    return {
        "first_frame_seconds": first,
        # Twice, to show the noise of the measurement.
        "frames_per_second": [frames_per_second(baked, timed, renderer) for _ in range(2)],
        "peak_megabytes": peak_megabytes(lambda: renderer(baked, cameras[0]), baked.depths.device, before),
    }


def differences(
    baked: BakedMPI, cameras: Sequence[Camera], ours: Renderer, oracle: Renderer
) -> list[dict[str, Any]]:
    """Compare some frames: the largest difference of each component, and the PSNR of the colours."""
    found = []
    for camera in cameras[:: max(1, len(cameras) // COMPARED)][:COMPARED]:
        pictures, expected = ours(baked, camera), oracle(baked, camera)
        error = (pictures["rgb"] - expected["rgb"]).double()
        mse = float(error.square().mean())
        found.append(
            {
                "psnr": -10 * math.log10(mse) if mse > 0 else None,
                "pixels_beyond_0.002": int((error.abs() > 2e-3).any(dim=-1).sum()),
                "largest": {
                    name: float((pictures[name] - expected[name]).abs().max()) for name in sorted(expected)
                },
            }
        )
    return found


def sweep(baked: BakedMPI, cameras: Sequence[Camera], renderer: Any) -> list[dict[str, Any]]:
    """Measure frames per second by block shape and warps per block, the fastest first."""
    rows = []
    for block in BLOCKS:
        for warps in WARPS:
            if SMALLEST_SHARE <= block[0] * block[1] / warps <= LARGEST_SHARE:
                shaped = replace(renderer, block=block, warps=warps)
                rate = frames_per_second(baked, cameras, shaped)
                rows.append({"block": block, "warps": warps, "frames_per_second": rate})
    return sorted(rows, key=lambda row: -row["frames_per_second"])


def stored_scores(run: Path) -> dict[str, Any] | None:
    """Return the quality scores that the bake has stored, if there are any."""
    scores = RunFolder(run).read_metrics().get("baked")
    names = ("psnr", "psnr_live", "psnr_to_live", "ssim", "lpips_vgg")
    return None if scores is None else {name: scores[name] for name in names}


def disk_by_kind(folder: Path) -> dict[str, float]:
    """Return the megabytes of files, by the prefix of their names."""
    kinds = ("alpha", "base_color", "features", "basis", "manifest")
    return {
        kind: sum(path.stat().st_size for path in folder.iterdir() if path.name.startswith(kind)) / MEGA
        for kind in kinds
    }


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    result = argparse.ArgumentParser(prog="baked_rendering", description=__doc__, allow_abbrev=False)
    result.add_argument("runs", nargs="+", type=Path, help="folders of baked runs")
    result.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    result.add_argument(
        "--frames", type=int, default=120, help="number of frames on the spiral; default: 120"
    )
    result.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), help="default: the photos'")
    result.add_argument("--sweep", action="store_true", help="also time other block shapes")
    result.add_argument("--out", type=Path, help="file to write the JSON to as well")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0, or 2 for bad input."""
    options = parser().parse_args(arguments)
    try:
        device = find_device(options.device)
        folders = [RunFolder(path).baked if RunFolder(path).baked.is_dir() else path for path in options.runs]
        result = {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "torch": str(torch.__version__),
            "commit": checkout_commit(),
            "runs": [measure(folder, options, device) for folder in folders],
        }
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    text = json.dumps(result, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
