"""The LightningModule: a step, its losses, the optimiser, evaluation. It names no concrete variant."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import MPIGeometry, RayBatch, Rays, View
from normnex_pl.evaluation.metrics import mse_to_psnr, psnr
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.appearance import (
    Background,
    Basis,
    ClearBackground,
    ColorModel,
    FlatNormals,
    NormalModel,
)
from normnex_pl.model.fields import FieldFactory
from normnex_pl.model.mpi import MPI, RenderOptions
from normnex_pl.normals import NormalEstimator
from normnex_pl.normals.targets import normal_diagnostics, view_components
from normnex_pl.training.checkpointing import render_in_parts
from normnex_pl.training.checks import check_learning_rates, check_rays, check_weights
from normnex_pl.training.execution import Eager, Execution
from normnex_pl.training.exposure import ExposureFactory, SameExposure
from normnex_pl.training.losses import LossWeights, RayLosses, RayTerms, weigh_losses
from normnex_pl.training.ranks import is_mine
from normnex_pl.training.record import TrainingRecord
from normnex_pl.training.schedules import Schedule


@dataclass(frozen=True)
class AdamSettings:
    """Adam's settings.

    Attributes:
        learning_rates: One for each parameter group of the model, by name.
        betas: Decay of the moments.
        eps: Added to the root of the second moment.
    """

    learning_rates: Mapping[str, float] = field(default_factory=dict)
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8


class NormNeXModule(pl.LightningModule):
    """Train a multiplane image on rays and render held-out views.

    Args:
        geometry: The fields of `MPIGeometry`, which the command line takes from the scene. Plain values, so
            that a checkpoint can be loaded without executing anything.
        field: Makes the field.
        color: Turns the field's features into colours.
        basis: Functions of a direction, and the choice of that direction.
        normals: Reads normals from the features.
        optimizer: Adam's settings.
        schedule: Of the learning rates.
        background: Behind the planes.
        weights: Of the losses.
        estimator: Of the normals that predicted ones learn from; training these needs one.
        exposure: Of the training photos: alike, or one each that is learned.
        execution: Whether a step runs operation by operation, or as a recorded graph.
        num_layers: Layers that share textures.
        sublayers: Planes a layer.
        eval_chunk_size: Rays rendered at once in evaluation.
        train_chunk_size: Rays of a training step that are rendered at once; None for all. Fewer take less
            memory and more time, with the same result: see `render_in_parts`.
        num_views: Training views, which the command line takes from the scene.
    """

    def __init__(
        self,
        geometry: dict[str, int | float | str | tuple[float, ...]],
        field: FieldFactory,
        color: ColorModel,
        basis: Basis,
        normals: NormalModel,
        optimizer: AdamSettings,
        schedule: Schedule,
        background: Background = ClearBackground(),  # noqa: B008 (it has no state)
        weights: LossWeights = LossWeights(),  # noqa: B008 (frozen)
        estimator: NormalEstimator | None = None,
        exposure: ExposureFactory = SameExposure,
        execution: Execution = Eager(),  # noqa: B008 (it has no state)
        num_layers: int = 16,
        sublayers: int = 12,
        eval_chunk_size: int = 16384,
        train_chunk_size: int | None = None,
        num_views: int = 1,
    ) -> None:
        super().__init__()
        with warnings.catch_warnings():
            # Loading passes modules; checkpoints hold plain values of the command line.
            warnings.filterwarnings("ignore", "Attribute .* is an instance of `nn.Module`", UserWarning)
            self.save_hyperparameters()
        self.mpi = MPI(
            PlaneLayout(MPIGeometry(**geometry), num_layers, sublayers),  # type: ignore[arg-type]
            field,
            color,
            basis,
            normals,
            background,
        )
        self.estimator = estimator
        self.exposure = exposure(num_views)
        self.execution = execution
        check_learning_rates(optimizer.learning_rates, self.mpi.parameter_groups())
        self.weights = asdict(weights)
        check_weights(self.weights, self.mpi, estimator)
        self.optimizer_settings = optimizer
        self.schedule = schedule
        check_rays(eval_chunk_size, train_chunk_size)
        self.eval_chunk_size = eval_chunk_size
        self.train_chunk_size = train_chunk_size
        self.record = TrainingRecord()

    @override
    def training_step(self, batch: RayBatch, batch_idx: int) -> dict[str, Tensor]:
        """Render the rays and compute their weighted losses."""
        self._refresh_targets()
        step = self.execution(self.ray_losses, nn.ModuleList([self.mpi, self.exposure]), batch)
        train_psnr = mse_to_psnr(step.losses["mse"])
        self._total = step.total.detach()
        if self._logs_now():
            scalars = {f"loss/{name}": loss for name, loss in step.losses.items()}
            if step.normals is not None:
                compared = step.normals
                scalars |= normal_diagnostics(compared.weights, compared.predicted, compared.target)
            self.log_dict(scalars | {"train/psnr": train_psnr}, batch_size=1)
        return {"loss": step.total, "psnr": train_psnr}

    def ray_losses(self, batch: RayBatch) -> RayLosses:
        """Render rays and compute their losses: tensors in, tensors out, and no side effect."""
        return self.exposure.regularize(weigh_losses(self.ray_terms(batch), self.weights))

    def ray_terms(self, batch: RayBatch) -> RayTerms:
        """Render rays as the photos show them, and estimate the normals that predicted ones learn from."""
        flat = Rays(batch.rays.origins.reshape(-1, 3), batch.rays.directions.reshape(-1, 3))
        needs_planes = self.estimator is not None and self.estimator.needs_planes
        render = self.mpi.render_planes if needs_planes else self.mpi.render
        rendered = render_in_parts(render, flat, self.train_chunk_size)
        target = self._target_normals(batch, rendered)
        rgb = self.exposure(rendered.rgb.unflatten(0, (-1, 3)), batch.views).flatten(0, 1)
        return RayTerms(batch, replace(rendered, rgb=rgb), target, self.mpi.geometry)

    @override
    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Add the gradients of the losses on stored values, once those of the rays are summed over ranks."""
        regularizers = self.mpi.field.regularizers()
        values = {
            name: regularizer.add_gradient(self.weights[name])
            for name, regularizer in regularizers.items()
            if self.weights[name] > 0
        }
        if self._logs_now():
            total = self._total + sum(self.weights[name] * value for name, value in values.items())
            scalars = {f"loss/{name}": value for name, value in values.items()}
            self.log_dict(scalars | {"loss/total": total}, batch_size=1)

    def _target_normals(self, batch: RayBatch, rendered: RenderOutput) -> Tensor | None:
        """Estimate normals, detached, if anything learns from them."""
        if self.estimator is None or self.weights["consistency"] == 0:
            return None
        with torch.no_grad():
            target: Tensor = self.estimator(self.mpi, batch, rendered)
        return target

    def _refresh_targets(self) -> None:
        """Refresh the estimator on the step's number alone: a resumed run refreshes in the same steps."""
        if self.estimator is None or self.weights["consistency"] == 0:
            return
        if self.trainer.global_step % self.estimator.every == 0:
            self.estimator.refresh(self.mpi)

    def _logs_now(self) -> bool:
        """Return whether this step is logged: gathering scalars takes longer than a small step does."""
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return bool(every) and (self.trainer.global_step + 1) % every == 0

    @override
    def configure_optimizers(self) -> Any:
        """Return one Adam over all groups; the schedule multiplies all their learning rates."""
        groups = self.mpi.parameter_groups()
        rates = self.optimizer_settings.learning_rates
        learned = [{"params": parameters, "lr": rates[name]} for name, parameters in groups.items()]
        if exposures := list(self.exposure.parameters()):
            learned.append({"params": exposures, "lr": self.exposure.learning_rate})
        optimizer = torch.optim.Adam(
            learned,
            betas=self.optimizer_settings.betas,
            eps=self.optimizer_settings.eps,
            fused=True,
        )
        total = max(1, self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: self.schedule(min(step / total, 1.0))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    @override
    def validation_step(self, batch: View, batch_idx: int) -> dict[str, float] | None:
        """Score a left-out training view; `ValidationWriter` logs the mean. Ranks share the views.

        Returns:
            ``psnr``; None where another rank renders the view.
        """
        if not is_mine(self.trainer, batch_idx):
            return None
        rendered = self.mpi.render_image(batch.camera, self.eval_chunk_size)["rgb"]
        return {"psnr": psnr(rendered, batch.rgb, batch.mask)}

    @override
    def test_step(self, batch: View, batch_idx: int) -> dict[str, Tensor] | None:
        """Render a held-out view; `EvaluationWriter` evaluates it. Ranks share the views.

        Returns:
            `view_components`; and where colours are looked up by normals, ``rgb_flat_normals``: the colours
            if all normals were (0, 0, -1). None where another rank renders the view.
        """
        if not is_mine(self.trainer, batch_idx):
            return None
        shown = view_components(self.mpi, self.estimator, batch, self.eval_chunk_size)
        if self.mpi.basis.query.needs_normals:
            flat = self.mpi.render_image(batch.camera, self.eval_chunk_size, RenderOptions(FlatNormals()))
            shown["rgb_flat_normals"] = flat["rgb"]
        return shown

    @override
    def on_train_end(self) -> None:
        """Free what only training needs, for the evaluation that follows."""
        self.execution.release()

    @override
    def on_test_start(self) -> None:
        """Bring the estimated normals up to date."""
        if self.estimator is not None:
            self.estimator.refresh(self.mpi)
