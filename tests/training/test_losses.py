"""Losses, against numbers worked out by hand and numpy."""

from __future__ import annotations

import functools
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from normnex_pl.core.types import Camera, Rays
from normnex_pl.geometry.cameras import pixel_rays
from normnex_pl.model.compositing import spread_of
from normnex_pl.model.fields.texture import BaseColorTexture
from normnex_pl.model.fields.variation import total_variation, volume_variation
from normnex_pl.training.losses import (
    RAY_LOSSES,
    LossWeights,
    RayTerms,
    consistency_loss,
    disparity_smoothness_loss,
    gradient_loss,
    mse_loss,
    orientation_loss,
    specular_loss,
    tangent_disparity,
    weigh_losses,
)
from support.small import (
    FIELDS,
    cameras,
    few,
    make_field,
    make_mpi,
    numpy64,
    reference_camera,
    some_batch,
)


def triplets(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_mse_worked_by_hand() -> None:
    rgb = torch.zeros(2, 3, 3)
    rgb[0, 1, 2] = 3
    assert mse_loss(rgb, torch.zeros(2, 3, 3)).item() == pytest.approx(9 / 18)


def test_gradient_loss_worked_by_hand() -> None:
    """Pixel, right, below: the differences to the right and below count, that between those two doesn't."""
    rgb, target = torch.zeros(1, 3, 3), torch.zeros(1, 3, 3)
    rgb[0, :, 0] = torch.tensor([0.1, 0.4, 0.9])
    target[0, :, 0] = torch.tensor([0.1, 0.2, 0.2])
    horizontal = abs((0.4 - 0.1) - (0.2 - 0.1)) / 3
    vertical = abs((0.9 - 0.1) - (0.2 - 0.1)) / 3
    assert gradient_loss(rgb, target).item() == pytest.approx(horizontal + vertical)


@few
@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4), st.integers(0, 100))
def test_gradient_loss_ignores_an_offset_of_each_triplet(offsets: list[float], seed: int) -> None:
    rgb, target = triplets(4, seed), triplets(4, seed + 1)
    shifted = rgb + torch.tensor(offsets, dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(gradient_loss(shifted, target), gradient_loss(rgb, target))
    assert gradient_loss(rgb, target) > 0.1


def test_losses_of_equal_colours_are_zero() -> None:
    assert mse_loss(triplets(3), triplets(3)) == 0
    assert gradient_loss(triplets(3), triplets(3)) == 0


def test_disparity_smoothness_worked_by_hand() -> None:
    """Steps to the right and below count; a colour step of c takes e to the -10 c of them."""
    disparity, flat = torch.tensor([[0.5, 0.7, 0.1]]), torch.tensor([[0.5, 0.5]])
    target = torch.zeros(1, 3, 3)
    assert disparity_smoothness_loss(disparity, flat, target).item() == pytest.approx((0.2 + 0.4) / 2)
    assert disparity_smoothness_loss(disparity, disparity[:, 1:], target).item() == 0
    target[0, 1] = 0.2
    expected = (0.2 * np.exp(-2) + 0.4) / 2
    assert disparity_smoothness_loss(disparity, flat, target).item() == pytest.approx(expected)


def triplet_rays(camera: Camera, pixels: Tensor) -> Rays:
    """Return the rays of a pixel, its right and its lower neighbour."""
    neighbours = pixels[:, None] + torch.tensor([[0, 0], [1, 0], [0, 1]])
    return pixel_rays(camera.K, camera.c2w, neighbours)


def disparities_of_plane(rays: Rays, normal: Tensor, distance: float) -> Tensor:
    """Compute 1 / Z where rays meet the plane of all X with normal . X = distance."""
    t = (distance - (rays.origins * normal).sum(dim=-1)) / (rays.directions * normal).sum(dim=-1)
    return 1 / (rays.origins + t[..., None] * rays.directions)[..., 2]


@few
@given(cameras(max_angle=0.3), st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(4, 9))
def test_the_expected_disparities_of_a_tilted_plane_are_its_own(
    camera: Camera, x: float, y: float, distance: float
) -> None:
    """Cover cameras that are moved and turned: disparities are those of the reference frame."""
    normal = torch.tensor([x, y, -1.0], dtype=torch.float64)
    normal = normal / normal.norm()
    rays = triplet_rays(camera, torch.tensor([[0, 0], [3, 2], [9, 5]]))
    disparity = disparities_of_plane(rays, normal, -distance)
    assume(bool((disparity > 0.01).all() and (disparity < 1).all()))
    found = tangent_disparity(rays, disparity, normal.expand(3, 3), nearest=10.0)
    torch.testing.assert_close(found, disparity[:, 1:], rtol=1e-9, atol=1e-12)
    photo = triplets(3)
    assert disparity_smoothness_loss(disparity, found, photo) < 1e-9


@few
@given(cameras(max_angle=0.3), st.floats(0.1, 0.9))
def test_a_flat_normal_expects_the_pixels_own_disparity(camera: Camera, disparity: float) -> None:
    rays = triplet_rays(camera, torch.tensor([[1, 1]]))
    facing = torch.tensor([[0.0, 0.0, -1.0]], dtype=torch.float64)
    found = tangent_disparity(rays, torch.full((1, 3), disparity, dtype=torch.float64), facing, nearest=1.0)
    torch.testing.assert_close(found, torch.full((1, 2), disparity, dtype=torch.float64))


def test_expected_disparities_stay_in_range_at_grazing_angles_and_for_empty_rays() -> None:
    rays = triplet_rays(reference_camera(), torch.tensor([[1, 1], [2, 2], [3, 3]]))
    along = rays.directions[:, 1].clone()
    normals = torch.linalg.cross(along, torch.tensor([0.0, 1.0, 0.0]).expand(3, 3))
    normals = (normals / normals.norm(dim=-1, keepdim=True)).requires_grad_()
    disparity = torch.tensor([[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.7, 0.1, 0.2]], requires_grad=True)
    found = tangent_disparity(rays, disparity, normals, nearest=0.75)
    assert ((found >= 0) & (found <= 0.75)).all()
    found.sum().backward()
    assert normals.grad is not None
    assert disparity.grad is not None
    assert normals.grad.isfinite().all()
    assert disparity.grad.isfinite().all()


def test_losses_are_means_over_triplets() -> None:
    rgb, target = triplets(4), triplets(4, seed=1)
    for loss in (mse_loss, gradient_loss):
        parts = [loss(rgb[i : i + 1], target[i : i + 1]) for i in range(4)]
        torch.testing.assert_close(loss(rgb, target), torch.stack(parts).mean())


def test_total_variation_of_a_constant_is_zero() -> None:
    assert total_variation(torch.full((2, 3, 5, 4), 0.3)) == 0


@few
@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(2, 6), st.integers(2, 6))
def test_total_variation_of_a_ramp_is_its_slopes(a: float, b: float, height: int, width: int) -> None:
    y, x = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    texture = (a * x + b * y).expand(2, 3, height, width)
    assert total_variation(texture).item() == pytest.approx(3 * (abs(a) + abs(b)), abs=1e-12)


def test_total_variation_is_the_mean_over_layers() -> None:
    texture = torch.rand(4, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    layers = torch.stack([total_variation(layer[None]) for layer in texture])
    torch.testing.assert_close(layers.mean(), total_variation(texture))


def test_variation_of_a_layer_drawn_at_random_has_the_whole_for_its_expectation() -> None:
    """Layers are drawn about equally often, and the mean over them is the value of the whole."""
    torch.manual_seed(0)
    texture = BaseColorTexture(3, 6, 5, tv_layers=1)
    whole = total_variation(torch.sigmoid(texture.raw))
    drawn = [texture.variation().item() for _ in range(300)]
    values, counts = np.unique(drawn, return_counts=True)
    assert len(values) == 3
    assert counts.min() > 60
    assert values.mean() == pytest.approx(whole.item(), rel=1e-6)


@pytest.mark.parametrize("tv_layers", [None, 3])
def test_variation_of_all_layers_is_that_of_the_texture(tv_layers: int | None) -> None:
    torch.manual_seed(0)
    texture = BaseColorTexture(3, 6, 5, tv_layers=tv_layers)
    torch.testing.assert_close(texture.variation(), total_variation(torch.sigmoid(texture.raw)))


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 5), (3, 1, 1), (2, 1, 3)])
def test_volume_variation_is_the_mean_squared_difference_along_each_axis(
    shape: tuple[int, int, int],
) -> None:
    volume = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    array = numpy64(volume)
    expected = sum((np.diff(array, axis=axis) ** 2).mean() for axis in range(3) if shape[axis] > 1)
    assert volume_variation(volume).item() == pytest.approx(expected)


def test_volume_variation_of_a_single_cell_is_zero() -> None:
    """The coarsest grid of a small canvas has one."""
    assert volume_variation(torch.ones(1, 1, 1)).item() == 0


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    rgb, target = triplets(2).requires_grad_(), triplets(2, seed=1)
    texture = torch.rand(2, 3, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    volume = torch.rand(3, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: mse_loss(x, target), (rgb,))
    assert torch.autograd.gradcheck(lambda x: gradient_loss(x, target), (rgb,))
    disparity = torch.rand(2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    expected = torch.rand(2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    smoothness = functools.partial(disparity_smoothness_loss, target=target)
    assert torch.autograd.gradcheck(smoothness, (disparity, expected))
    assert torch.autograd.gradcheck(total_variation, (texture,))
    assert torch.autograd.gradcheck(volume_variation, (volume,))


def random_weights(rays: int, planes: int, seed: int = 0) -> Tensor:
    """Return weights of planes with a sum below one."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(rays, planes, generator=generator, dtype=torch.float64) / planes


def random_units(rays: int, layers: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rays, layers, 3, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(vectors, dim=-1)


def test_consistency_worked_by_hand() -> None:
    """Squared distances: 2 at a right angle, 4 between opposites; weighted, the mean over rays."""
    normals = torch.tensor([[[1.0, 0, 0], [0, 1, 0]], [[0, 0, -1], [0, 0, -1]]])
    target = torch.tensor([[[0.0, 1, 0], [0, -1, 0]], [[0, 0, -1], [1, 0, 0]]])
    weights = torch.tensor([[0.3, 0.1], [0.9, 0.05]])
    expected = (0.3 * 2 + 0.1 * 4 + 0.05 * 2) / 2
    assert consistency_loss(weights, normals, target).item() == pytest.approx(expected)


def test_orientation_worked_by_hand() -> None:
    """Square what points away: full length counts 1, 60 degrees 1/4, what faces the camera nothing."""
    viewdirs = torch.tensor([[0.0, 0, 1], [1, 0, 0]])
    tilted = [np.sqrt(0.75), 0, 0.5]
    normals = torch.tensor([[[0.0, 0, 1], tilted], [[-1, 0, 0], [0, 1, 0]]])
    weights = torch.tensor([[0.2, 0.4], [0.5, 0.5]])
    assert orientation_loss(weights, normals, viewdirs).item() == pytest.approx((0.2 + 0.4 / 4) / 2)


def test_orientation_turns_normals_towards_the_camera_and_leaves_facing_ones() -> None:
    viewdirs = torch.tensor([[0.0, 0, 1]])
    normals = torch.tensor([[[0.0, 0.8, 0.6], [0, 0.8, -0.6]]], requires_grad=True)
    orientation_loss(torch.ones(1, 2), normals, viewdirs).backward()
    assert normals.grad is not None
    assert normals.grad[0, 0, 2] > 0  # descent makes the component along the view smaller
    assert (normals.grad[0, 1] == 0).all()


def test_specular_loss_worked_by_hand() -> None:
    specular = torch.tensor([[[0.3, -0.6, 0.0], [0.9, 0.9, 0.9]], [[0.0, 0, 0], [0, 0, 0.3]]])
    weights = torch.tensor([[0.5, 0.1], [1.0, 0.2]])
    expected = (0.5 * 0.3 + 0.1 * 0.9 + 0.2 * 0.1) / 2
    assert specular_loss(weights, specular).item() == pytest.approx(expected)


@few
@given(st.integers(1, 12), st.integers(0, 100))
def test_distortion_is_the_double_sum(planes: int, seed: int) -> None:
    weights = random_weights(3, planes, seed)
    delta = 1 / max(1, planes - 1)
    total = 0.0
    for w in numpy64(weights):
        pairs = sum(w[i] * w[j] * abs(i - j) * delta for i in range(planes) for j in range(planes))
        total += pairs + (w**2).sum() * delta / 3
    assert spread_of(weights).mean().item() == pytest.approx(total / 3, rel=1e-9)


def test_distortion_of_a_single_plane_is_its_own_thickness() -> None:
    assert spread_of(torch.tensor([[0.6]])).item() == pytest.approx(0.36 / 3)


@few
@given(st.integers(0, 5), st.integers(0, 100))
def test_distortion_does_not_depend_on_where_the_weights_are(shift: int, seed: int) -> None:
    weights = torch.nn.functional.pad(random_weights(3, 4, seed), (0, 5))
    torch.testing.assert_close(spread_of(weights.roll(shift, dims=1)), spread_of(weights))


def test_distortion_grows_with_the_distance_of_two_halves() -> None:
    losses = []
    for distance in range(1, 6):
        weights = torch.zeros(1, 8)
        weights[0, [1, 1 + distance]] = 0.5
        losses.append(spread_of(weights).mean().item())
    np.testing.assert_allclose(np.diff(losses), 2 * 0.25 / 7, rtol=1e-5)


def test_gradients_of_the_losses_on_normals_and_weights_are_right() -> None:
    weights = random_weights(3, 5).requires_grad_()
    normals, target = random_units(3, 5).requires_grad_(), random_units(3, 5, seed=1).requires_grad_()
    viewdirs = random_units(3, 1, seed=2)[:, 0]
    assert torch.autograd.gradcheck(consistency_loss, (weights, normals, target))
    assert torch.autograd.gradcheck(orientation_loss, (weights, normals, viewdirs))
    assert torch.autograd.gradcheck(spread_of, (weights,))
    assert torch.autograd.gradcheck(specular_loss, (weights, normals))


def terms_of(seed: int = 0) -> RayTerms:
    """Return the terms of a step of a model without normals."""
    mpi, batch = make_mpi("grid"), some_batch(seed=seed)
    rendered = mpi.render(Rays(batch.rays.origins.flatten(0, 1), batch.rays.directions.flatten(0, 1)))
    return RayTerms(batch, rendered, None, mpi.geometry)


@few
@given(st.lists(st.sampled_from([0.0, 0.01, 0.7]), min_size=4, max_size=4))
def test_the_total_is_the_weighted_sum_of_the_losses_that_have_a_weight(values: list[float]) -> None:
    names = ("gradient", "disparity_smoothness", "distortion", "specular")
    weights = asdict(LossWeights(mse=0.5, **dict(zip(names, values, strict=True))))
    terms = terms_of()
    found = weigh_losses(terms, weights)
    assert list(found.losses) == [name for name in RAY_LOSSES if name == "mse" or weights[name] > 0]
    expected = sum(weights[name] * RAY_LOSSES[name](terms) for name in found.losses)
    torch.testing.assert_close(found.total, expected)
    assert found.total.requires_grad
    assert not any(loss.requires_grad for loss in found.losses.values())
    assert found.normals is None


def test_the_error_of_the_colours_is_always_known() -> None:
    """Without a weight too: the PSNR is made of it."""
    terms = terms_of()
    found = weigh_losses(terms, dict.fromkeys(asdict(LossWeights()), 0.0))
    assert found.total == 0
    assert found.losses.keys() == {"mse"}
    assert found.losses["mse"] == mse_loss(terms.rgb, terms.batch.rgb)


def test_each_weight_is_of_one_loss() -> None:
    """Match each weight to a loss of rays or of a field: a name without a loss would be ignored silently."""
    stored = {name for kind in FIELDS for name in make_field(kind).regularizers()}
    assert set(asdict(LossWeights())) == stored | set(RAY_LOSSES)
    assert not stored & set(RAY_LOSSES)
