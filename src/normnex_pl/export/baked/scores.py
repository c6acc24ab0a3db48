"""Score a baked multiplane image by its files: held-out views, bytes, frames a second."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import View
from normnex_pl.evaluation.metrics import image_metrics, psnr
from normnex_pl.evaluation.pictures.colors import to_bytes, write_png
from normnex_pl.evaluation.report import format_value
from normnex_pl.evaluation.summary import mean_of
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.renderers import Renderer, render_image
from normnex_pl.export.baked.speed import allocated_bytes, frames_per_second, peak_megabytes, spiral_cameras
from normnex_pl.model.mpi import MPI
from normnex_pl.training.run_folder import RunFolder

_METRICS = ("psnr", "ssim", "ssim_nex", "lpips_vgg", "psnr_to_live", "psnr_live")
_MEGA = 1e6
_FRAMES, _FRAMES_ON_CPU = 120, 2  # to be timed


def score_baked(
    folder: Path, views: Sequence[View], mpi: MPI, device: torch.device, renderer: Renderer
) -> dict[str, Any]:
    """Compute what ``metrics.json`` holds under ``baked``, and write a picture of each view to ``test/``.

    Args:
        folder: The baked files, from which alone the image is rendered.
        views: Held-out views, on the device.
        mpi: The live model to compare with.
        device: Where to render.
        renderer: A renderer that runs there.
    """
    before = allocated_bytes(device)
    baked = BakedMPI.read(folder).to(device)
    path = spiral_cameras(baked, _FRAMES if device.type == "cuda" else _FRAMES_ON_CPU)
    peak = peak_megabytes(lambda: renderer(baked, path[0]), device, before)
    scored = []
    for view in views:
        rgb = render_image(baked, view.camera, renderer)["rgb"]
        write_png(RunFolder(folder.parent).view_picture(view.name, "baked"), to_bytes(rgb))
        scored.append(score_view(rgb, mpi.render_image(view.camera)["rgb"], view))
    on_disk = sum(path.stat().st_size for path in folder.iterdir())
    return {
        **{name: mean_of(scored, (name,)) for name in _METRICS},
        "megabytes_disk": on_disk / _MEGA,
        "megabytes_decoded": baked.manifest.bytes.decoded / _MEGA,
        "megabytes_memory": baked.memory / _MEGA,
        "megabytes_gpu_peak": peak,
        "frames_per_second": frames_per_second(baked, path, renderer),
        "frame_size": [path[0].width, path[0].height],
        "renderer": renderer.name,
        "device": _device_name(device),
        "basis_error": baked.manifest.basis.error,
        "views": scored,
    }


def score_view(
    rgb: Float[Tensor, "height width 3"], live: Float[Tensor, "height width 3"], view: View
) -> dict[str, Any]:
    """Compute what ``metrics.json`` holds of one view: against the photo, and against the live renderer."""
    to_live = psnr(rgb, live)
    return {
        "name": view.name,
        **image_metrics(rgb, view.rgb, view.mask),
        "psnr_to_live": to_live if math.isfinite(to_live) else None,  # infinite where nothing differs
        "psnr_live": psnr(live, view.rgb, view.mask),
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def report(scores: dict[str, Any]) -> str:
    """Summarise the scores for the terminal."""
    lines = [
        f"{view['name']}: baked {view['psnr']:.2f} dB, live {view['psnr_live']:.2f} dB, "
        f"one to the other {format_value(view['psnr_to_live'], 2)} dB"
        for view in scores["views"]
    ]
    size = "x".join(map(str, scores["frame_size"]))
    lines.append(
        f"{scores['frames_per_second']:.2f} frames/s at {size} by {scores['renderer']} on {scores['device']}"
    )
    lines.append(f"{scores['megabytes_disk']:.2f} MB on disk, {scores['megabytes_memory']:.2f} MB in memory")
    return "\n".join(lines)
