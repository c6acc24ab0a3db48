"""Learning-rate schedules: functions of the completed fraction of training, so that they fit any length."""

from __future__ import annotations

from abc import ABC, abstractmethod

from typing_extensions import override


class Schedule(ABC):
    """A factor for all learning rates."""

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """Return the factor after the fraction ``progress`` in [0, 1] of all steps."""


class StepDecay(Schedule):
    """Multiply by ``factor`` at the end of each of ``stages`` equal parts; the paper: 0.1, three parts."""

    def __init__(self, factor: float = 0.1, stages: int = 3) -> None:
        self.factor = factor
        self.stages = stages

    @override
    def __call__(self, progress: float) -> float:
        return self.factor ** min(int(progress * self.stages), self.stages - 1)


class ExponentialDecay(Schedule):
    """Decay exponentially from 1 to ``final``."""

    def __init__(self, final: float = 1e-3) -> None:
        self.final = final

    @override
    def __call__(self, progress: float) -> float:
        return self.final**progress
