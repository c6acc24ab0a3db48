"""Time the rendering of one frame, by the live model and by a baked one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F

from clock import milliseconds
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.baked.writer import BakeSettings, bake
from normnex_pl.model.fields import GridField
from normnex_pl.training.module import NormNeXModule


def live_frame(trainer: pl.Trainer, module: NormNeXModule, repeats: int) -> dict[str, Any]:
    """Time a frame of the held-out views' size, with all components."""
    scene = trainer.datamodule.scene  # type: ignore[attr-defined]
    camera = scene.views[scene.test[0]].to(module.device).camera
    with trainer.precision_plugin.forward_context():
        frame = milliseconds(
            lambda: module.mpi.render_image(camera, module.eval_chunk_size), module.device, repeats, warm=1
        )
    return {"frame_ms": frame, "frame_size": [camera.width, camera.height]}


def baked_frame(trainer: pl.Trainer, module: NormNeXModule, repeats: int) -> dict[str, Any]:
    """Time the same frame by `BakedMPI`, of a model with a single surface.

    A trained model has more visible content, and takes longer.
    """
    scene, device = trainer.datamodule.scene, module.device  # type: ignore[attr-defined]
    show_surface(module.mpi.field)
    cameras = [scene.views[i].to(device).camera for i in scene.train]
    with tempfile.TemporaryDirectory() as folder:
        bake(module.mpi, cameras, Path(folder) / "mpi", BakeSettings(), {})
        baked = BakedMPI.read(Path(folder) / "mpi").to(device)
    camera = scene.views[scene.test[0]].to(device).camera
    frame = milliseconds(lambda: render_image(baked, camera), device, repeats, warm=1)
    return {
        "frame_ms": frame,
        "frame_size": [camera.width, camera.height],
        "memory_mb": sum(buffer.nbytes for buffer in baked.buffers()) / 1e6,
    }


@torch.no_grad()
def show_surface(field: GridField) -> None:
    """Set the field to a smooth opaque surface, one and a half planes thick; all else is transparent."""
    generator = torch.Generator().manual_seed(0)
    for level in field.alpha:
        level.zero_()
    finest = field.alpha[-1]
    planes, height, width = finest.shape
    coarse = torch.rand(1, 1, 4, 5, generator=generator)
    depth = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)[0, 0]
    surface = (planes - 1) * depth.clamp(0, 1).to(finest.device)
    index = torch.arange(planes, device=finest.device)[:, None, None]
    finest.copy_(torch.where((index - surface).abs() < 0.75, 20.0, -20.0))
    colors = torch.randn(len(field.base_color.raw), 3, 8, 8, generator=generator)
    for layer, color in zip(field.base_color.raw, colors, strict=True):
        layer.copy_(F.interpolate(color[None], layer.shape[1:], mode="bilinear", align_corners=False)[0])
