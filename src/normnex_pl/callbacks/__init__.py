"""Callbacks: what happens around training and evaluation."""

from normnex_pl.callbacks.components import ComponentPictures
from normnex_pl.callbacks.ddp import RankCheck
from normnex_pl.callbacks.evaluation import EvaluationWriter
from normnex_pl.callbacks.finite import FiniteLossGuard
from normnex_pl.callbacks.initial import InitialPlanes
from normnex_pl.callbacks.last import LastCheckpoint
from normnex_pl.callbacks.phase import DiffusePhase
from normnex_pl.callbacks.progress import RunProgressBar
from normnex_pl.callbacks.record import RecordKeeper
from normnex_pl.callbacks.stopping import StopOnSignal
from normnex_pl.callbacks.validation import ValidationWriter

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
