"""Settings of the LightningModule that don't fit together, refused with what would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from normnex_pl.core.errors import UserError
from normnex_pl.model.mpi import MPI
from normnex_pl.normals import NormalEstimator


def check_weights(weights: Mapping[str, float], mpi: MPI, estimator: NormalEstimator | None) -> None:
    """Raise a UserError if a loss has a weight that no part of the model can compute."""
    missing = set()
    if not mpi.normals.num_features:
        missing |= {"orientation", "consistency"}
    if estimator is None:
        missing.add("consistency")
    missing |= {name for name in weights if name.startswith("tv_")} - set(mpi.field.regularizers())
    asked = sorted(name for name in missing if weights[name] > 0)
    if asked:
        raise UserError(
            f"model.weights: expected zero for {', '.join(asked)}, since this model has no part for it, "
            f"found {', '.join(str(weights[name]) for name in asked)}. orientation needs model.normals, "
            "consistency model.estimator too, and tv_alpha a field that stores opacities."
        )


def check_rays(eval_chunk_size: int, train_chunk_size: int | None) -> None:
    """Raise a UserError unless both are at least 1."""
    for name, rays in (("eval_chunk_size", eval_chunk_size), ("train_chunk_size", train_chunk_size)):
        if rays is not None and rays < 1:
            raise UserError(f"model.{name}: expected at least 1 ray, found {rays}.")


def check_learning_rates(rates: Mapping[str, float], groups: Mapping[str, Any]) -> None:
    """Raise a UserError unless each group of parameters has a learning rate, and each rate a group."""
    if set(rates) != set(groups):
        raise UserError(
            f"model.optimizer.learning_rates: expected one for each of {sorted(groups)}, "
            f"found {sorted(rates)}. A preset sets them for the field that it chooses."
        )
