"""Settings of the LightningModule that don't fit together, refused with what would fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from normnex_pl.core.errors import UserError
from normnex_pl.model.mpi import MPI
from normnex_pl.normals import NormalEstimator
from normnex_pl.training.losses.ray_losses import ESTIMATOR, NEEDS, NORMALS

_FIELD = ("a field that stores such values",)


def check_weights(weights: Mapping[str, float], mpi: MPI, estimator: NormalEstimator | None) -> None:
    """Refuse a weight of a loss that no part of the model can compute.

    Raises:
        UserError: There is such a weight.
    """
    parts = {NORMALS: bool(mpi.normals.num_features), ESTIMATOR: estimator is not None}
    stored = mpi.field.regularizers()
    possible = {
        name: all(parts[part] for part in NEEDS[name]) if name in NEEDS else name in stored
        for name in weights
    }
    asked = sorted(name for name, weight in weights.items() if weight > 0 and not possible[name])
    if asked:
        raise UserError(
            f"model.weights: expected zero for {', '.join(asked)}, since this model has no part for it, "
            f"found {', '.join(str(weights[name]) for name in asked)}. "
            + " ".join(f"{name} needs {' and '.join(NEEDS.get(name, _FIELD))}." for name in asked)
        )


def check_rays(eval_chunk_size: int, train_chunk_size: int | None) -> None:
    """Refuse chunks of less than one ray.

    Raises:
        UserError: One of them is smaller.
    """
    for name, rays in (("eval_chunk_size", eval_chunk_size), ("train_chunk_size", train_chunk_size)):
        if rays is not None and rays < 1:
            raise UserError(f"model.{name}: expected at least 1 ray, found {rays}.")


def check_learning_rates(rates: Mapping[str, float], groups: Mapping[str, Any]) -> None:
    """Refuse learning rates that don't belong to the groups of parameters one to one.

    Raises:
        UserError: A group has no rate, or a rate no group.
    """
    if set(rates) != set(groups):
        raise UserError(
            f"model.optimizer.learning_rates: expected one for each of {sorted(groups)}, "
            f"found {sorted(rates)}. A preset sets them for the field that it chooses."
        )
