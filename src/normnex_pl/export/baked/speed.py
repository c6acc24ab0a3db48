"""Measure how fast a baked multiplane image is rendered, and in how much memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from normnex_pl.core.types import Camera
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.renderers import Renderer
from normnex_pl.export.paths import rig_of_cameras, spiral

_WARM = {"cuda": 3, "cpu": 0}  # untimed frames before: the first one compiles
_MEGA = 1e6


def spiral_cameras(baked: BakedMPI, frames: int, size: tuple[int, int] | None = None) -> list[Camera]:
    """Return cameras on LLFF's path through the training views: each frame shows something else, as in use.

    Args:
        baked: Gives the views and the photos' intrinsics.
        frames: Number of frames of the whole loop.
        size: Width and height of the frames; None for those of the photos.
    """
    photo, device = baked.manifest.camera, baked.depths.device
    width, height = size or (photo.width, photo.height)
    path = spiral(rig_of_cameras(torch.tensor(baked.manifest.viewpoints), baked.geometry), frames)
    K = torch.tensor([[photo.fx, 0, photo.cx], [0, photo.fy, photo.cy], [0, 0, 1]])
    K = K * torch.tensor([[width / photo.width], [height / photo.height], [1.0]])
    return [Camera(K.to(device), c2w.to(device), width, height) for c2w in path.c2w.float()]


def frames_per_second(baked: BakedMPI, cameras: Sequence[Camera], renderer: Renderer) -> float:
    """Measure the frame rate of frames that are queued one after another, without waiting between them.

    Returns:
        The inverse of the median time from the end of a frame to the end of the next one.
    """
    device = baked.depths.device
    for camera in cameras[: _WARM[device.type]]:
        renderer(baked, camera)
    _wait(device)
    marks = [_mark(device)]
    for camera in cameras:
        renderer(baked, camera)
        marks.append(_mark(device))
    _wait(device)
    return 1 / statistics.median(_seconds(*pair) for pair in pairwise(marks))


def peak_megabytes(work: Callable[[], object], device: torch.device, before: int = 0) -> float | None:
    """Measure the peak memory that is allocated on a GPU during some work; None without a GPU.

    Args:
        work: To be measured.
        device: Where it runs.
        before: Bytes that were allocated for other purposes.
    """
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return (torch.cuda.max_memory_allocated(device) - before) / _MEGA


def allocated_bytes(device: torch.device) -> int:
    """Return the bytes that are allocated on a GPU now; 0 without one."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _mark(device: torch.device) -> torch.cuda.Event | float:
    """Mark this moment: in the queue of a GPU, or on the clock."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


def _seconds(first: torch.cuda.Event | float, second: torch.cuda.Event | float) -> float:
    if isinstance(first, float) and isinstance(second, float):
        return second - first
    assert isinstance(first, torch.cuda.Event)
    assert isinstance(second, torch.cuda.Event)
    return float(first.elapsed_time(second)) / 1000
