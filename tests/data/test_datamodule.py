"""Batches of rays: that their colours are those of the photos, and that they can be drawn again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.synthetic import forward_facing, write_scene
from normnex_pl.core.errors import UserError
from normnex_pl.core.types import RayBatch, View
from normnex_pl.data.datamodule import SceneDataModule, split_validation
from normnex_pl.data.sampling import OneView, ViewSampler
from normnex_pl.geometry.cameras import project
from support.small import few

CPU = torch.device("cpu")
VIEWS = 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scene"), forward_facing(VIEWS))


def seen_from(data: SceneDataModule, origin: torch.Tensor) -> int:
    """Return index of the view whose camera stands at the origin of a ray."""
    [index] = [i for i, view in enumerate(data.scene.views) if torch.equal(view.camera.c2w[:, 3], origin)]
    return index


def same(a: RayBatch, b: RayBatch) -> bool:
    return torch.equal(a.rays.directions, b.rays.directions) and torch.equal(a.rgb, b.rgb)


@pytest.mark.parametrize("num_validation_views", [0, 2])
def test_colours_are_those_of_the_pixels_that_the_rays_go_through(
    folder: Path, num_validation_views: int
) -> None:
    data = SceneDataModule(folder, rays_per_step=600, num_validation_views=num_validation_views)
    batch = data.draw_rays(step=3, rank=0, device=CPU)
    seen = set()
    for triplet in range(200):
        origin = batch.rays.origins[triplet, 0]
        view = seen_from(data, origin)
        seen.add(view)
        camera, image = data.scene.views[view].camera, data.scene.views[view].image
        assert (batch.rays.origins[triplet] == origin).all()
        uv = project(camera, origin + 2 * batch.rays.directions[triplet])[:, :2]
        pixels = (uv - 0.5).round().long()
        torch.testing.assert_close(pixels + 0.5, uv, rtol=0, atol=1e-3)
        expected = image[pixels[:, 1], pixels[:, 0]]
        assert torch.equal((batch.rgb[triplet] * 255).round().to(torch.uint8), expected)
        assert (pixels[1:] - pixels[0]).tolist() == [[1, 0], [0, 1]]
    assert seen == set(data.train_views)


def test_colours_are_bytes_over_255(folder: Path) -> None:
    rgb = SceneDataModule(folder).draw_rays(0, 0, CPU).rgb
    assert rgb.min() >= 0
    assert 0.9 < rgb.max() <= 1
    torch.testing.assert_close((rgb * 255).round() / 255, rgb)


@pytest.mark.parametrize(("rays", "triplets"), [(3, 1), (8, 2), (9, 3)])
def test_rays_of_a_step_are_whole_triplets(folder: Path, rays: int, triplets: int) -> None:
    batch = SceneDataModule(folder, rays_per_step=rays).draw_rays(0, 0, CPU)
    assert batch.rgb.shape == batch.rays.origins.shape == batch.rays.directions.shape == (triplets, 3, 3)


def test_fewer_rays_than_a_triplet_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="rays_per_step"):
        SceneDataModule(folder, rays_per_step=2)


def test_rays_depend_on_seed_step_and_rank_alone(folder: Path) -> None:
    def draw(seed: int, step: int, rank: int) -> RayBatch:
        torch.manual_seed(step + 10 * rank)
        return SceneDataModule(folder, seed=seed, rays_per_step=60).draw_rays(step, rank, CPU)

    first = draw(0, 5, 0)
    assert same(first, draw(0, 5, 0))
    others = [draw(0, 5, 1), draw(0, 6, 0), draw(0, 4, 1), draw(1, 5, 0), draw(1, 4, 0)]
    batches = [first, *others]
    assert not any(same(a, b) for i, a in enumerate(batches) for b in batches[:i])


def test_earlier_steps_leave_no_trace(folder: Path) -> None:
    fresh, used = SceneDataModule(folder), SceneDataModule(folder)
    for step in range(3):
        used.draw_rays(step, 0, CPU)
    assert same(fresh.draw_rays(3, 0, CPU), used.draw_rays(3, 0, CPU))


def test_the_sampler_chooses_among_the_training_views(folder: Path) -> None:
    data = SceneDataModule(folder, sampler=OneView(), rays_per_step=30)
    views = []
    for step in range(len(data.train_views)):
        origins = data.draw_rays(step, 0, CPU).rays.origins.reshape(-1, 3)
        assert (origins == origins[0]).all()
        views.append(seen_from(data, origins[0]))
    assert sorted(views) == sorted(data.train_views)
    assert not set(views) & set(data.scene.test)


def test_the_sampler_is_told_the_seed_the_step_the_rank_and_the_number_of_views(folder: Path) -> None:
    calls = []

    class Recorder(ViewSampler):
        def draw(
            self,
            seed: int,
            step: int,
            rank: int,
            num_triplets: int,
            num_views: int,
            generator: torch.Generator,
        ) -> torch.Tensor:
            calls.append((seed, step, rank, num_triplets, num_views))
            return torch.zeros(num_triplets, dtype=torch.long)

    data = SceneDataModule(folder, sampler=Recorder(), rays_per_step=30, num_validation_views=1, seed=5)
    data.draw_rays(17, 2, CPU)
    assert calls == [(5, 17, 2, 10, len(data.train_views))]


def test_an_epoch_has_a_step_for_each_training_view(folder: Path) -> None:
    for num_validation_views in (0, 3):
        data = SceneDataModule(folder, num_validation_views=num_validation_views)
        steps = list(data.train_dataloader())
        assert len(data.train_dataloader()) == len(steps) == len(data.train_views)
        assert len(data.train_views) == len(data.scene.train) - num_validation_views
        assert list(data.val_dataloader()) == list(data.validation_views)
        assert tuple(data.test_dataloader()) == data.scene.test


def test_training_gets_rays_of_the_trainers_step_and_rank_and_evaluation_gets_views(folder: Path) -> None:
    data = SceneDataModule(folder)
    data.trainer = SimpleNamespace(training=True, global_step=7, global_rank=1)
    assert same(data.transfer_batch_to_device(0, CPU, 0), data.draw_rays(7, 1, CPU))
    data.trainer.training = False
    view = data.transfer_batch_to_device(4, CPU, 0)
    assert view.name == data.scene.views[4].name
    assert torch.equal(view.image, data.scene.views[4].image)


def test_a_moved_view_is_the_same_view(folder: Path) -> None:
    view = SceneDataModule(folder).scene.views[2]
    moved: View = view.to(torch.device("meta"))
    tensors = (moved.image, moved.camera.K, moved.camera.c2w)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    size = (moved.name, moved.camera.width, moved.camera.height)
    assert size == (view.name, view.camera.width, view.camera.height)


@few
@given(st.data(), st.integers(1, 40))
def test_validation_views_are_spread_evenly(data: st.DataObject, num_train: int) -> None:
    train = tuple(range(100, 100 + num_train))
    num_validation = data.draw(st.integers(0, num_train - 1))
    kept, left_out = split_validation(train, num_validation)
    assert len(left_out) == num_validation
    assert sorted(kept + left_out) == list(train)
    assert list(kept) == sorted(kept)
    gaps = [b - a for a, b in pairwise(left_out)]
    assert max(gaps, default=0) - min(gaps, default=0) <= 1
    if left_out:
        half = num_train / num_validation / 2
        assert abs(left_out[0] - 100 - half) <= 1
        assert abs(100 + num_train - left_out[-1] - half) <= 1


@pytest.mark.parametrize("num_validation", [-1, 4, 9])
def test_training_keeps_at_least_one_view(num_validation: int) -> None:
    with pytest.raises(UserError, match=r"num_validation_views: expected 0 to 3 .* found"):
        split_validation((1, 2, 3, 5), num_validation)
