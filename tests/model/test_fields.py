"""Promises of all fields, and what each of the two stores where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from normnex_pl.core.rendering import PlaneSamples
from normnex_pl.model.fields import GridField, MLPField
from normnex_pl.model.fields.base import inside_canvas
from normnex_pl.model.fields.regularizer import Regularizer
from normnex_pl.model.fields.texture import BaseColorTexture, sample_layers
from normnex_pl.training.losses import LossWeights
from support.small import FIELDS, GEOMETRY, LAYERS, LAYOUT, PLANES, SUBLAYERS, excite, make_field, numpy64

NUM_FEATURES = 24
WIDTH, HEIGHT = GEOMETRY.canvas_width, GEOMETRY.canvas_height

every_field = pytest.mark.parametrize("kind", FIELDS)


def random_samples(rays: int, extent: float = 1.0) -> PlaneSamples:
    generator = torch.Generator().manual_seed(3)
    planes = extent * (2 * torch.rand(rays, PLANES, 2, generator=generator) - 1)
    return PlaneSamples(planes, planes.unflatten(1, (LAYERS, SUBLAYERS)).mean(dim=2))


def samples_at(xy: tuple[float, float]) -> PlaneSamples:
    """Make one ray that meets all planes at the same canvas coordinates."""
    place = torch.tensor(xy)
    return PlaneSamples(place.expand(1, PLANES, 2), place.expand(1, LAYERS, 2))


def texel_centre(column: int, row: int, width: int, height: int) -> tuple[float, float]:
    return (2 * column + 1) / width - 1, (2 * row + 1) / height - 1


@every_field
def test_outputs_have_the_shapes_of_their_samples(kind: str) -> None:
    out = make_field(kind)(random_samples(7))
    assert out.alpha.shape == (7, PLANES)
    assert out.base_color.shape == (7, PLANES, 3)
    assert out.features.shape == (7, LAYERS, NUM_FEATURES)


@every_field
def test_planes_start_almost_transparent(kind: str) -> None:
    alpha = make_field(kind)(random_samples(50)).alpha
    start = 1 / (1 + np.exp(5))
    assert ((start / 1.6 < alpha) & (alpha < 1.6 * start)).all()


@every_field
def test_opacity_lies_strictly_between_zero_and_one_on_the_canvas(kind: str) -> None:
    field = make_field(kind)
    excite(field)
    alpha = field(random_samples(200)).alpha
    assert alpha.min() > 0
    assert alpha.max() < 1
    assert alpha.min() < 0.2
    assert alpha.max() > 0.8


@every_field
@pytest.mark.parametrize("place", [(1.001, 0), (-1.001, 0), (0, 1.001), (0, -1.001), (3, -900)])
def test_nothing_is_seen_outside_the_canvas(kind: str, place: tuple[float, float]) -> None:
    field = make_field(kind)
    excite(field)
    out = field(samples_at((float(place[0]), float(place[1]))))
    assert (out.alpha == 0).all()
    assert out.base_color.isfinite().all()
    assert out.features.isfinite().all()


@every_field
def test_the_border_belongs_to_the_canvas(kind: str) -> None:
    field = make_field(kind)
    for place in [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 1.0)]:
        assert (field(samples_at(place)).alpha > 0).all()


@every_field
def test_base_colours_stay_in_gamut_however_large_the_raw_values(kind: str) -> None:
    field = make_field(kind)
    with torch.no_grad():
        field.base_color.raw.mul_(1000)
    color = field(random_samples(50)).base_color
    assert color.min() >= 0
    assert color.max() <= 1
    assert color.std() > 0.1


@every_field
def test_sublayers_of_a_layer_share_the_base_colour_and_layers_do_not(kind: str) -> None:
    field = make_field(kind)
    color = field(samples_at((0.31, -0.23))).base_color[0].unflatten(0, (LAYERS, SUBLAYERS))
    torch.testing.assert_close(color, color[:, :1].expand_as(color))
    assert (color[0] - color[1]).abs().max() > 1e-3


@every_field
def test_rays_are_read_independently_of_each_other(kind: str) -> None:
    field = make_field(kind)
    excite(field)
    samples = random_samples(5)
    together = field(samples)
    for ray in range(5):
        alone = field(PlaneSamples(samples.planes[ray : ray + 1], samples.layers[ray : ray + 1]))
        torch.testing.assert_close(together.alpha[ray], alone.alpha[0])
        torch.testing.assert_close(together.base_color[ray], alone.base_color[0])
        torch.testing.assert_close(together.features[ray], alone.features[0])


@every_field
def test_parameter_groups_hold_every_parameter_once(kind: str) -> None:
    field = make_field(kind)
    grouped = [id(parameter) for group in field.parameter_groups().values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in field.parameters())


@every_field
def test_gradients_reach_every_parameter(kind: str) -> None:
    field = make_field(kind)
    out = field(random_samples(500))
    generator = torch.Generator().manual_seed(0)
    terms = [
        (values * torch.rand(values.shape, generator=generator)).sum()
        for values in (out.alpha, out.base_color, out.features)
    ]
    sum(terms).backward()
    for name, parameter in field.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@every_field
def test_regularizers_have_weights_and_gradients(kind: str) -> None:
    field = make_field(kind)
    excite(field)
    regularizers = field.regularizers()
    assert set(regularizers) <= set(asdict(LossWeights()))
    for regularizer in regularizers.values():
        field.zero_grad()
        loss = regularizer()
        loss.backward()
        assert loss > 0
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in field.parameters())


@every_field
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_gradients_of_regularizers_are_added_as_autograd_has_them(kind: str, weight: float) -> None:
    field = make_field(kind)
    excite(field)
    for regularizer in field.regularizers().values():
        for parameter in regularizer.parameters:
            parameter.grad = torch.ones_like(parameter)
        torch.manual_seed(3)
        (weight * regularizer()).backward()
        expected = [parameter.grad for parameter in regularizer.parameters]
        for parameter in regularizer.parameters:
            parameter.grad = torch.ones_like(parameter)
        torch.manual_seed(3)
        loss = regularizer.add_gradient(weight)
        torch.manual_seed(3)
        torch.testing.assert_close(loss, regularizer().detach())
        torch.testing.assert_close([parameter.grad for parameter in regularizer.parameters], expected)


def test_a_parameter_without_a_gradient_gets_one_from_its_regularizer() -> None:
    parameter = nn.Parameter(torch.tensor([[1.0], [2.0], [3.0]]))
    drawn = Regularizer(lambda values: values.square().sum(), [parameter], lambda: [slice(1, 2)])
    assert drawn.add_gradient(0.5) == 4
    assert parameter.grad is not None
    assert parameter.grad.flatten().tolist() == [0, 2, 0]


def test_a_place_is_inside_the_canvas_if_both_of_its_coordinates_are() -> None:
    places = torch.tensor([[0.0, 0], [1, -1], [1.01, 0], [0, -1.01], [torch.inf, 0], [torch.nan, 0]])
    assert inside_canvas(places).tolist() == [True, True, False, False, False, False]


class TestTextures:
    def oracle(self, texture: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
        """Interpolate bilinearly between texel centres; beyond the outermost ones nothing changes."""
        height, width = texture.shape[1:]
        column = np.clip((x + 1) / 2 * width - 0.5, 0, width - 1)
        row = np.clip((y + 1) / 2 * height - 0.5, 0, height - 1)
        left, top = int(column), int(row)
        right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
        s, t = column - left, row - top
        upper = (1 - s) * texture[:, top, left] + s * texture[:, top, right]
        lower = (1 - s) * texture[:, bottom, left] + s * texture[:, bottom, right]
        return (1 - t) * upper + t * lower

    def test_layers_are_read_bilinearly(self) -> None:
        generator = torch.Generator().manual_seed(0)
        textures = torch.rand(LAYERS, 4, 5, 7, generator=generator)
        samples = random_samples(40, extent=1.1)
        found = sample_layers(textures, samples.planes)
        for ray in range(40):
            for plane in range(PLANES):
                x, y = samples.planes[ray, plane].tolist()
                expected = self.oracle(numpy64(textures[plane // SUBLAYERS]), x, y)
                np.testing.assert_allclose(found[ray, plane], expected, atol=1e-5)

    def test_colours_are_interpolated_after_the_sigmoid(self) -> None:
        """Between a black and a white texel lies grey of one half; raw values would have a mean of 10."""
        texture = BaseColorTexture(1, 1, 2)
        with torch.no_grad():
            texture.raw[..., 0] = -20
            texture.raw[..., 1] = 40
        torch.testing.assert_close(texture(torch.zeros(1, 1, 2)), torch.full((1, 1, 3), 0.5))

    def test_random_raw_values_stay_in_their_initial_range(self) -> None:
        torch.manual_seed(0)
        raw = BaseColorTexture(2, 20, 20, initial_range=0.1).raw
        assert raw.abs().max() <= 0.1
        assert raw.min() < -0.09
        assert raw.max() > 0.09


class TestMLP:
    def test_size_is_the_papers(self) -> None:
        """56 inputs, 384 and four more layers of 384; 1 opacity and 3 x 8 coefficients; k0 a texture."""
        field = MLPField(LAYOUT, NUM_FEATURES)
        linear = [module for module in field.trunk if isinstance(module, nn.Linear)]
        inputs = 2 * 2 * 10 + 2 * 8
        assert inputs == 56
        assert [layer.in_features for layer in linear] == [inputs, 384, 384, 384, 384]
        network = (56 * 384 + 384) + 4 * (384 * 384 + 384) + (384 + 1) + (384 * 24 + 24)
        texture = LAYERS * 3 * HEIGHT * WIDTH
        assert sum(parameter.numel() for parameter in field.parameters()) == network + texture

    def test_it_tells_planes_and_places_apart(self) -> None:
        field = make_field("mlp")
        excite(field)
        here, there = field(samples_at((0.1, 0.4))), field(samples_at((0.4, 0.1)))
        assert here.alpha[0].unique().numel() == PLANES
        assert (torch.logit(here.alpha) - torch.logit(there.alpha)).abs().min() > 0.01
        assert (here.features[0, 0] - here.features[0, 1]).abs().max() > 1e-2

    def test_features_and_opacity_come_from_one_network_of_place_and_plane(self) -> None:
        """Evaluate the network at one sample at a time, with the inputs written out."""
        field = make_field("mlp")
        excite(field)
        samples = random_samples(4)
        out = field(samples)

        def trunk(xy: Tensor, z: float) -> Tensor:
            angles = [0.5 * torch.pi * 2**k * value for value in xy for k in range(field.xy_octaves)]
            angles_z = [
                0.5 * torch.pi * 2**k * torch.tensor(z, dtype=torch.float32)
                for k in range(field.plane_octaves)
            ]
            inputs = [f(torch.stack(a)) for a in (angles, angles_z) for f in (torch.sin, torch.cos)]
            return field.trunk(torch.cat(inputs)[None])[0]

        indices = np.linspace(-1, 1, PLANES)
        for ray in range(4):
            for plane in range(PLANES):
                raw = field.alpha_head(trunk(samples.planes[ray, plane], indices[plane]))
                expected = torch.sigmoid(raw[0] - 5).item()
                assert out.alpha[ray, plane].item() == pytest.approx(expected, rel=1e-3, abs=1e-6)
            for layer in range(LAYERS):
                z = indices[layer * SUBLAYERS : (layer + 1) * SUBLAYERS].mean()
                expected_features = field.feature_head(trunk(samples.layers[ray, layer], z))
                torch.testing.assert_close(out.features[ray, layer], expected_features, rtol=1e-3, atol=1e-4)


class TestGrid:
    def field(self, **settings: object) -> GridField:
        return GridField(LAYOUT, NUM_FEATURES, **{"divisors": (2, 1)} | settings)

    def raw_alpha(self, field: GridField, xy: tuple[float, float]) -> Tensor:
        return torch.logit(field(samples_at(xy)).alpha[0]) + 5

    def test_levels_have_cells_of_so_many_planes_and_twice_as_many_pixels(self) -> None:
        field = self.field(divisors=(16, 2, 1), feature_divisor=4, base_color_divisor=2)
        assert [tuple(level.shape) for level in field.alpha] == [(1, 1, 1), (3, 4, 5), (6, 8, 10)]
        assert field.features.shape == (LAYERS, NUM_FEATURES, 4, 5)
        assert field.base_color.raw.shape == (LAYERS, 3, 8, 10)

    def test_default_levels_fit_any_canvas(self) -> None:
        field = GridField(LAYOUT, NUM_FEATURES)
        assert len(field.alpha) == 5
        assert field(random_samples(3)).alpha.shape == (3, PLANES)
        assert field.regularizers()["tv_alpha"]() == 0

    @pytest.mark.parametrize(("plane", "row", "column"), [(0, 0, 0), (1, 2, 7), (4, 6, 3), (5, 7, 9)])
    def test_a_value_shows_on_its_plane_in_its_row_and_column(
        self, plane: int, row: int, column: int
    ) -> None:
        field = self.field()
        level = field.alpha[1]
        depth, height, width = level.shape
        with torch.no_grad():
            level[plane, row, column] = 4
        for r in range(height):
            for c in range(width):
                expected = torch.zeros(depth)
                if (r, c) == (row, column):
                    expected[plane] = 4
                found = self.raw_alpha(field, texel_centre(c, r, width, height))
                torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)

    def test_levels_add_up(self) -> None:
        """On the middle plane of three, a coarse cell two planes thick counts by three quarters."""
        coarse, fine = self.field(), self.field()
        both = self.field()
        with torch.no_grad():
            for field in (coarse, both):
                field.alpha[0].copy_(torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)))
            for field in (fine, both):
                field.alpha[1].copy_(torch.randn(6, 8, 10, generator=torch.Generator().manual_seed(1)))
        for place in [(0.0, 0.0), (0.4, -0.7), (-0.9, 0.2)]:
            total = self.raw_alpha(coarse, place) + self.raw_alpha(fine, place)
            torch.testing.assert_close(self.raw_alpha(both, place), total, rtol=1e-3, atol=1e-3)

    def test_coarse_levels_are_interpolated_between_planes(self) -> None:
        """Cells of two planes: plane centres lie a quarter cell beside the centres of cells."""
        field = self.field()
        with torch.no_grad():
            field.alpha[0][1] = 4
        found = self.raw_alpha(field, (0.0, 0.0))
        torch.testing.assert_close(found, torch.tensor([0.0, 1, 3, 3, 1, 0]), rtol=0, atol=1e-3)

    @pytest.mark.parametrize(("layer", "channel", "row", "column"), [(0, 0, 0, 4), (1, 23, 3, 1)])
    def test_features_show_on_their_layer_in_their_row_and_column(
        self, layer: int, channel: int, row: int, column: int
    ) -> None:
        field = self.field(feature_divisor=4)
        with torch.no_grad():
            field.features[layer, channel, row, column] = 2
        for r in range(4):
            for c in range(5):
                expected = torch.zeros(LAYERS, NUM_FEATURES)
                if (r, c) == (row, column):
                    expected[layer, channel] = 2
                found = field(samples_at(texel_centre(c, r, 5, 4))).features[0]
                torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)

    def test_opacity_is_smoothed_in_all_three_directions(self) -> None:
        variation: Callable[[], Tensor] = self.field().regularizers()["tv_alpha"]
        assert variation() == 0
        for axis in range(3):
            field = self.field()
            level = field.alpha[1]
            with torch.no_grad():
                level.copy_(torch.arange(level.shape[axis]).view([-1 if i == axis else 1 for i in range(3)]))
            assert field.regularizers()["tv_alpha"]().item() == pytest.approx(1)
