"""Logs of many runs that take a run's scalars, pictures and scores too; the setting ``loggers``."""

from normnex_pl.training.loggers.base import RunIdentity, RunLogger
from normnex_pl.training.loggers.tensorboard import TensorBoard
from normnex_pl.training.loggers.weights_and_biases import WandB

__all__ = ["RunIdentity", "RunLogger", "TensorBoard", "WandB"]
