"""What a training has cost."""

from __future__ import annotations

from typing import Any

from torch import nn


class TrainingRecord(nn.Module):
    """What the training has cost so far; stored with the weights, so that any later evaluation can say it.

    Attributes:
        steps: Optimiser steps.
        seconds: Wall-clock time of the training loop, without evaluation.
        rays: Rays rendered for training, on all ranks.
        ranks: Processes that train together, each with a device.
        peak_gpu_gib: Largest allocation on the GPU, or None without one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.seconds = 0.0
        self.rays = 0
        self.ranks = 1
        self.peak_gpu_gib: float | None = None

    def get_extra_state(self) -> dict[str, Any]:
        """Part of the module's state."""
        return {name: getattr(self, name) for name in ("steps", "seconds", "rays", "ranks", "peak_gpu_gib")}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Part of the module's state."""
        for name, value in state.items():
            setattr(self, name, value)
