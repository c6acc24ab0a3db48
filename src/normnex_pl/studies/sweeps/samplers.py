"""How a sweep proposes parameters, and gives runs up: Optuna's samplers and pruner."""

from __future__ import annotations

import zlib

from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from normnex_pl.studies.sweeps.config import Halving

# Before the model of what is good guides the search, in a study of a few dozen runs.
_STARTUP = 8


def sampler(method: str, seed: int, place: str) -> BaseSampler:
    """Return what proposes the parameters of one trial.

    Each trial has a sampler with a seed of its own: proposals don't depend on which worker draws them, and no
    two workers draw the same ones.

    Args:
        method: ``random``, or ``bayes``: tree-structured Parzen estimators (Bergstra et al., NeurIPS 2011)
            over all parameters together. Runs under way count as bad ones, so that workers spread.
        seed: Of the study.
        place: Of the trial within the study.
    """
    number = zlib.crc32(f"{seed}/{place}".encode())
    if method == "random":
        return RandomSampler(seed=number)
    return TPESampler(seed=number, n_startup_trials=_STARTUP, multivariate=True, constant_liar=True)


def pruner(halving: Halving | None) -> BasePruner:
    """Return what gives bad runs up: asynchronous successive halving (Li et al., MLSys 2020)."""
    if halving is None:
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=halving.first, reduction_factor=halving.factor)
