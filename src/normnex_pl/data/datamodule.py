"""The LightningDataModule: photos as bytes on the training device, where rays are drawn. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytorch_lightning as pl
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry, RayBatch, Scene, View
from normnex_pl.data.corners import TripletCorners
from normnex_pl.data.planes.automatic import AutomaticPlanes
from normnex_pl.data.planes.choice import PlaneOverrides
from normnex_pl.data.planes.placement import PlanePlacement
from normnex_pl.data.readers.auto import AnyKind
from normnex_pl.data.readers.base import SceneReader
from normnex_pl.data.sampling import AllViews, ViewSampler, draw_triplets
from normnex_pl.data.scene.fingerprint import scene_files
from normnex_pl.data.scene.load import load_scene
from normnex_pl.geometry.cameras import pixel_rays


class _Indices(Sized):
    """A loader of view indices: the views themselves are on the device already."""

    def __init__(self, indices: tuple[int, ...]) -> None:
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def state_dict(self) -> dict[str, int]:
        """Return no state, since rays depend on the step alone; Lightning then resumes an epoch midway."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Do nothing, see `state_dict`."""


@dataclass(frozen=True)
class _Resident:
    """The training views on one device; ``corners`` where not all of their pixels count."""

    images: UInt8[Tensor, "view height width 3"]
    K: Float[Tensor, "view 3 3"]
    c2w: Float[Tensor, "view 3 4"]
    corners: TripletCorners | None


class SceneDataModule(pl.LightningDataModule):
    """Load a scene and draw batches of it.

    An epoch has as many steps as there are training views. The rays of a step depend on the seed, the
    step and the rank alone, so that a resumed training sees what an uninterrupted one would have seen.

    Args:
        scene: The scene's folder.
        width: Wanted width of the photos in pixels; None takes the widest folder as it is.
        rays_per_step: Rays of one step on each rank. Ranks draw different ones, so that n ranks render n
            times as many. Rounded down to whole triplets.
        sampler: Chooses the views of a step.
        planes: Where the planes shall stand; takes precedence over the scene's ``planes.txt``.
        placement: Decides what neither of these gives; None is `AutomaticPlanes`.
        num_validation_views: Training views to leave out, so that settings can be chosen without the test
            views.
        seed: Of the rays.
        reader: Of the scene's files; None detects the kind of the scene (see `AnyKind`).

    Raises:
        UserError: The scene can't be read.
    """

    def __init__(
        self,
        scene: Path,
        width: int | None = None,
        rays_per_step: int = 8000,
        sampler: ViewSampler = AllViews(),  # noqa: B008 (it has no state)
        planes: PlaneOverrides = PlaneOverrides(),  # noqa: B008 (frozen)
        placement: PlanePlacement | None = None,
        num_validation_views: int = 0,
        seed: int = 0,
        reader: SceneReader | None = None,
    ) -> None:
        super().__init__()
        if rays_per_step < 3:
            raise UserError(f"data.rays_per_step: expected at least 3 (one triplet), found {rays_per_step}.")
        self.reader = reader or AnyKind()
        self.scene: Scene = load_scene(
            Path(scene), width, self.reader, placement or AutomaticPlanes(), planes
        )
        self.train_views, self.validation_views = split_validation(self.scene.train, num_validation_views)
        self.rays_per_step = rays_per_step
        self.sampler = sampler
        self.seed = seed
        self._resident: _Resident | None = None

    @property
    def num_train_views(self) -> int:
        """Number of the training views; the command line links it to the model."""
        return len(self.train_views)

    @property
    def geometry(self) -> MPIGeometry:
        """Canvas and depth range that suit the scene; the command line links it to the model."""
        return self.scene.geometry

    @cached_property
    def scene_files(self) -> dict[str, str]:
        """Hashes of the files that the scene was read from, see `scene_files`."""
        return scene_files(self.reader, self.scene)

    @override
    def train_dataloader(self) -> _Indices:
        """Return as many items as there are training views; their values don't matter."""
        return _Indices(self.train_views)

    @override
    def val_dataloader(self) -> _Indices:
        """Return the training views that were left out, if any."""
        return _Indices(self.validation_views)

    @override
    def test_dataloader(self) -> _Indices:
        """Return the held-out views."""
        return _Indices(self.scene.test)

    @override
    def transfer_batch_to_device(
        self, batch: int, device: torch.device, dataloader_idx: int
    ) -> RayBatch | View:
        """Draw rays, or copy a view by its index, on the device."""
        assert self.trainer is not None
        if self.trainer.training:
            return self.draw_rays(self.trainer.global_step, self.trainer.global_rank, device)
        return self.scene.views[batch].to(device)

    def draw_rays(self, step: int, rank: int, device: torch.device) -> RayBatch:
        """Draw the training rays of a step on the device."""
        photos = self._on_device(device)
        images, K, c2w = photos.images, photos.K, photos.c2w
        # Distinct for all ranks below 4,099 and steps below 1,000,003.
        seed = (self.seed * 1_000_003 + step) * 4_099 + rank
        generator = torch.Generator(device).manual_seed(seed)
        num_triplets = self.rays_per_step // 3
        views = self.sampler.draw(self.seed, step, rank, num_triplets, len(images), generator)
        if photos.corners is None:
            pixels = draw_triplets(num_triplets, images.shape[1], images.shape[2], generator)
        else:
            pixels = photos.corners.draw(views, generator)
        rgb = images[views[:, None], pixels[..., 1], pixels[..., 0]].float() / 255
        return RayBatch(pixel_rays(K[views, None], c2w[views, None], pixels), rgb, views)

    def _on_device(self, device: torch.device) -> _Resident:
        """Return the training views, copied to the device once."""
        if self._resident is None or self._resident.images.device != device:
            views = [self.scene.views[i] for i in self.train_views]
            corners = TripletCorners.of(views)
            self._resident = _Resident(
                torch.stack([view.image for view in views]).to(device),
                torch.stack([view.camera.K for view in views]).to(device),
                torch.stack([view.camera.c2w for view in views]).to(device),
                None if corners is None else corners.to(device),
            )
        return self._resident


def split_validation(train: tuple[int, ...], num_validation: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Separate validation views from the training views, evenly spread over their order.

    Raises:
        UserError: Fewer than one view would be left for training.
    """
    if not 0 <= num_validation < len(train):
        raise UserError(
            f"data.num_validation_views: expected 0 to {len(train) - 1} of {len(train)} training views, "
            f"found {num_validation}."
        )
    positions = {(2 * i + 1) * len(train) // (2 * num_validation) for i in range(num_validation)}
    kept = tuple(view for position, view in enumerate(train) if position not in positions)
    return kept, tuple(train[position] for position in sorted(positions))
