"""The losses of a training step. A new regulariser is one function here, and one name in `LossWeights`.

A loss of rays is a function of what the step has rendered (`RayTerms`). A loss on stored values alone is a
function of the field's parameters: `Field.regularizers` offers it under the name of its weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from normnex_pl.model.mpi import composite_normals
from normnex_pl.training.losses.functional import (
    consistency_loss,
    disparity_smoothness_loss,
    gradient_loss,
    mse_loss,
    orientation_loss,
    specular_loss,
    tangent_disparity,
)
from normnex_pl.training.losses.terms import RayLosses, RayTerms

RayLoss = Callable[[RayTerms], Tensor]

# Parts of a model that a loss may need, by the settings that choose them.
NORMALS, ESTIMATOR = "model.normals", "model.estimator"


def _mse(terms: RayTerms) -> Tensor:
    return mse_loss(terms.rgb, terms.batch.rgb)


def _gradient(terms: RayTerms) -> Tensor:
    return gradient_loss(terms.rgb, terms.batch.rgb)


def _disparity_smoothness(terms: RayTerms) -> Tensor:
    near, disparity = terms.geometry.near, terms.disparity
    expected = disparity[:, :1].expand(-1, 2)
    if terms.rendered.normals is not None:
        # Detached: normals learn from their targets alone, whatever estimates these.
        normals = composite_normals(terms.first_layers, terms.first_normals).detach()
        expected = tangent_disparity(terms.batch.rays, disparity, normals, 1 / near)
    return disparity_smoothness_loss(near * disparity, near * expected, terms.batch.rgb)


def _distortion(terms: RayTerms) -> Tensor:
    return terms.rendered.spread.mean()


def _specular(terms: RayTerms) -> Tensor:
    return specular_loss(terms.rendered.layer_weights.detach(), terms.rendered.specular)


def _orientation(terms: RayTerms) -> Tensor:
    viewdirs = terms.batch.first_rays().viewdirs
    return orientation_loss(terms.first_layers.detach(), terms.first_normals, viewdirs)


def _consistency(terms: RayTerms) -> Tensor:
    compared = terms.compared
    assert compared is not None
    return consistency_loss(compared.weights, compared.predicted, compared.target)


def _of_rays(loss: RayLoss, default: float = 0.0, needs: tuple[str, ...] = ()) -> Any:
    """Declare the weight of a loss of rays.

    Args:
        loss: Computes it.
        default: The weight where a configuration says nothing.
        needs: Parts that the model has to have.
    """
    return field(default=default, metadata={"loss": loss, "needs": needs})


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss, logged as ``loss/<name>``; a weight of zero leaves its loss out.

    Flat, so that a sweep says ``--model.weights.gradient=0.1``.

    Attributes:
        mse: Squared error of the colours.
        gradient: Error of the colour differences to the right and lower neighbours (NeX, section 3.5).
        disparity_smoothness: Bends of the surface, by the disparities of these neighbours, where the photo
            has no edge; of a model without normals, its slopes too.
        distortion: Spread of a ray's weights over the planes (mip-NeRF 360, equation 15).
        specular: Brightness of the specular part, so that it explains only what the base colour can't.
        orientation: Predicted normals that face away from the camera (Ref-NeRF, equation 11).
        consistency: Squared distance of predicted normals from the estimated ones (Ref-NeRF, equation 10).
        tv_base_color: Total variation of the base colour textures (NeX, section 3.5).
        tv_alpha: Total variation of the opacity's raw values in all three directions.
    """

    mse: float = _of_rays(_mse, 1.0)
    gradient: float = _of_rays(_gradient, 0.05)
    disparity_smoothness: float = _of_rays(_disparity_smoothness)
    distortion: float = _of_rays(_distortion)
    specular: float = _of_rays(_specular)
    orientation: float = _of_rays(_orientation, needs=(NORMALS,))
    consistency: float = _of_rays(_consistency, needs=(NORMALS, ESTIMATOR))
    # Of stored values: the field computes them.
    tv_base_color: float = 0.03
    tv_alpha: float = 0.0


RAY_LOSSES: Mapping[str, RayLoss] = {
    weight.name: weight.metadata["loss"] for weight in fields(LossWeights) if "loss" in weight.metadata
}
NEEDS: Mapping[str, tuple[str, ...]] = {
    weight.name: weight.metadata["needs"] for weight in fields(LossWeights) if "needs" in weight.metadata
}


def weigh_losses(terms: RayTerms, weights: Mapping[str, float]) -> RayLosses:
    """Compute the losses of rays that have a weight, and their weighted sum.

    Args:
        terms: Of the step.
        weights: By their names in `LossWeights`. The squared error is computed in any case, for the PSNR.
    """
    losses = {name: loss(terms) for name, loss in RAY_LOSSES.items() if name == "mse" or weights[name] > 0}
    total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
    compared = terms.compared
    return RayLosses(
        total,
        {name: loss.detach() for name, loss in losses.items()},
        None if compared is None else compared.detach(),
    )
