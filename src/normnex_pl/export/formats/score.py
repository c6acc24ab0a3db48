"""Score an export: how close its renderings of the held-out views are to the photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch

from normnex_pl.core.types import View
from normnex_pl.evaluation.metrics import psnr
from normnex_pl.export.formats.base import ViewRenderer


@dataclass(frozen=True)
class ExportScore:
    """PSNR of an export.

    Attributes:
        psnr: Mean over the views, in decibels.
        views: Number of held-out views.
    """

    psnr: float
    views: int


@torch.no_grad()
def score_export(render: ViewRenderer, views: Sequence[View]) -> ExportScore:
    """Compare renderings with photos.

    Args:
        render: Renders the export.
        views: Held-out views, on the renderer's device; at least one.
    """
    scores = [psnr(render(view.camera), view.rgb, view.mask) for view in views]
    return ExportScore(fmean(scores), len(scores))
