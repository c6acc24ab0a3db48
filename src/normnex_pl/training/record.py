"""The cost of a training."""

from __future__ import annotations

from typing import Any

from torch import nn
from typing_extensions import override


class TrainingRecord(nn.Module):
    """The cost of the training so far; stored with the weights, so that any later evaluation can report it.

    Attributes:
        steps: Optimiser steps.
        seconds: Wall-clock time of the training loop, without evaluation.
        rays: Rays rendered for training, on all ranks.
        ranks: Processes that train together, each with its device.
        peak_gpu_gib: Largest allocation on the GPU; None without a GPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.seconds = 0.0
        self.rays = 0
        self.ranks = 1
        self.peak_gpu_gib: float | None = None

    @override
    def get_extra_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("steps", "seconds", "rays", "ranks", "peak_gpu_gib")}

    @override
    def set_extra_state(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
