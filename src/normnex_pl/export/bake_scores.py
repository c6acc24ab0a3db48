"""Judges a baked multiplane image by its files: held-out views, bytes, frames a second."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.callbacks.report import mean_of
from normnex_pl.comparison import format_value
from normnex_pl.errors import UserError
from normnex_pl.export.baked import BakedMPI
from normnex_pl.files import write_json
from normnex_pl.metrics import image_metrics, psnr
from normnex_pl.model import MPI
from normnex_pl.pictures import to_bytes, write_png
from normnex_pl.types import Camera, View

_METRICS = ("psnr", "ssim", "ssim_nex", "lpips_vgg", "psnr_to_live", "psnr_live")
_MEGA = 1e6
_LEAST_SECONDS = 1.0  # that frames are timed for
_MOST_FRAMES = 100


def judge_baked(folder: Path, views: Sequence[View], mpi: MPI, device: torch.device) -> dict[str, Any]:
    """What ``metrics.json`` says under ``baked``; writes a picture of each view to ``test/``.

    Args:
        folder: The baked files, which alone are rendered.
        views: Held out, on the device.
        mpi: The live model, to compare with.
        device: To render on.
    """
    baked = BakedMPI.read(folder).to(device)
    judged = []
    for view in views:
        rgb = baked.render_image(view.camera)["rgb"]
        write_png(folder.parent / "test" / f"{view.name}_baked.png", to_bytes(rgb))
        judged.append(judge_view(rgb, mpi.render_image(view.camera)["rgb"], view))
    on_disk = sum(path.stat().st_size for path in folder.iterdir())
    camera = views[0].camera if views else None
    return {
        **{name: mean_of(judged, (name,)) for name in _METRICS},
        "megabytes_disk": on_disk / _MEGA,
        "megabytes_decoded": baked.manifest["bytes"]["decoded"] / _MEGA,
        "frames_per_second": None if camera is None else frames_per_second(baked, camera),
        "frame_size": None if camera is None else [camera.width, camera.height],
        "device": _device_name(device),
        "basis_error": baked.manifest["basis"]["error"],
        "views": judged,
    }


def judge_view(
    rgb: Float[Tensor, "height width 3"], live: Float[Tensor, "height width 3"], view: View
) -> dict[str, Any]:
    """What ``metrics.json`` says of one view: against the photo, and against the live renderer."""
    to_live = psnr(rgb, live)
    return {
        "name": view.name,
        **image_metrics(rgb, view.rgb),
        "psnr_to_live": to_live if math.isfinite(to_live) else None,  # infinite where nothing differs
        "psnr_live": psnr(live, view.rgb),
    }


def frames_per_second(baked: BakedMPI, camera: Camera) -> float:
    """Renders one view again and again, the first time for warmth alone."""
    baked.render_image(camera)
    _wait(camera.K.device)
    start, frames = time.perf_counter(), 0
    while frames == 0 or (frames < _MOST_FRAMES and time.perf_counter() - start < _LEAST_SECONDS):
        baked.render_image(camera)
        _wait(camera.K.device)
        frames += 1
    return frames / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def check_metrics(run: Path) -> dict[str, Any]:
    """Reads the scores of a run; none, if it wasn't evaluated.

    Raises:
        UserError: They are damaged.
    """
    path = run / "metrics.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(
            f"{path}: expected JSON, found a damaged file ({error}). Evaluate again (make eval RUN=...)."
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected the scores of a run, found something else. Evaluate it again.")
    return content


def store_scores(run: Path, scores: dict[str, Any]) -> None:
    """Adds the scores to those of the run, which may have been evaluated meanwhile."""
    write_json(run / "metrics.json", check_metrics(run) | {"baked": scores})


def report(scores: dict[str, Any]) -> str:
    """What is said in the terminal."""
    lines = [
        f"{view['name']}: baked {view['psnr']:.2f} dB, live {view['psnr_live']:.2f} dB, "
        f"one to the other {format_value(view['psnr_to_live'], 2)} dB"
        for view in scores["views"]
    ]
    size = scores["frame_size"]
    if size is not None:
        lines.append(
            f"{scores['frames_per_second']:.2f} frames/s at {size[0]}x{size[1]} on {scores['device']}"
        )
    lines.append(f"{scores['megabytes_disk']:.2f} MB on disk, {scores['megabytes_decoded']:.2f} MB decoded")
    return "\n".join(lines)
