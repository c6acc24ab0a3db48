"""Callbacks: what happens around training and evaluation."""

from normnex_pl.training.callbacks.checkpoint import LastCheckpoint
from normnex_pl.training.callbacks.diffuse_phase import DiffusePhase
from normnex_pl.training.callbacks.evaluation import EvaluationWriter
from normnex_pl.training.callbacks.finite_loss import FiniteLossGuard
from normnex_pl.training.callbacks.initial_planes import InitialPlanes
from normnex_pl.training.callbacks.pictures import ComponentPictures
from normnex_pl.training.callbacks.progress import RunProgressBar
from normnex_pl.training.callbacks.rank_check import RankCheck
from normnex_pl.training.callbacks.record import RecordKeeper
from normnex_pl.training.callbacks.stop_on_signal import StopOnSignal
from normnex_pl.training.callbacks.validation import ValidationWriter

__all__ = [
    "ComponentPictures",
    "DiffusePhase",
    "EvaluationWriter",
    "FiniteLossGuard",
    "InitialPlanes",
    "LastCheckpoint",
    "RankCheck",
    "RecordKeeper",
    "RunProgressBar",
    "StopOnSignal",
    "ValidationWriter",
]
