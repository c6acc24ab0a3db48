"""Luma and chroma, and clamps that let values return into their range."""

from __future__ import annotations

from functools import partial

import kornia
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from normnex_pl.model.appearance import (
    AdditiveYCbCrColor,
    ColorModel,
    NeuralBasis,
    NonnegativeLuma,
    NoNormals,
    NormalModel,
    PredictedNormals,
    ReflectionQuery,
    RGBColor,
    SignedLuma,
    ViewQuery,
    YCbCrColor,
)
from normnex_pl.model.appearance.color import chroma_to_rgb, luma_sum, tint_and_chroma
from normnex_pl.model.clamp import clamp
from normnex_pl.model.compositing import composite
from normnex_pl.model.fields import GridField, MLPField
from normnex_pl.model.mpi import MPI
from support.small import FIELDS, LAYOUT, SUBLAYERS, few, forward_rays, nex, reference_camera

floats = partial(st.floats, width=32)


def decoded(ycc: Tensor) -> Tensor:
    """Convert luma and zero-centred chroma [..., 3] to RGB by a library; only within the gamut."""
    image = ycc.reshape(-1, 3).T[:, :, None] + torch.tensor([0, 0.5, 0.5])[:, None, None]
    return kornia.color.ycbcr_to_rgb(image)[:, :, 0].T.view_as(ycc)


def ycbcr_mpi(color: ColorModel, kind: str = "grid", normals: NormalModel | None = None) -> MPI:
    query = ViewQuery() if normals is None else ReflectionQuery()
    return MPI(LAYOUT, FIELDS[kind], color, NeuralBasis(query), normals or NoNormals())


@few
@given(floats(0, 1), floats(-0.5, 0.5), floats(-0.5, 0.5))
def test_colours_of_luma_and_chroma_are_kornias_inside_the_gamut(y: float, cb: float, cr: float) -> None:
    """Scaled by the luma; kornia's coefficients are rounded in the third place."""
    found = y * chroma_to_rgb(torch.tensor([cb, cr]))
    if found.min() >= 0 and found.max() <= 1:
        expected = decoded(torch.tensor([y, y * cb, y * cr]))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_some_colours_are_compared_with_kornias() -> None:
    """Half grey, and the chroma of pure red, green and blue at their own lumas."""
    for y, cb, cr, expected in [
        (0.5, 0.0, 0.0, [0.5, 0.5, 0.5]),
        (0.299, -0.299 / 1.772, 0.701 / 1.402, [1.0, 0.0, 0.0]),
        (0.587, -0.587 / 1.772, -0.587 / 1.402, [0.0, 1.0, 0.0]),
        (0.114, 0.886 / 1.772, -0.114 / 1.402, [0.0, 0.0, 1.0]),
    ]:
        found = y * chroma_to_rgb(torch.tensor([cb / y, cr / y]))
        torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-5)
        torch.testing.assert_close(decoded(torch.tensor([y, cb, cr])), found, rtol=0, atol=1e-3)


@few
@given(st.tuples(floats(-9, 9), floats(-9, 9)), st.tuples(floats(-9, 9), floats(-9, 9)), floats(-3, 3))
def test_nothing_is_clamped_out_of_gamut(a: tuple[float, float], b: tuple[float, float], s: float) -> None:
    """Affine in the chroma, however large, with a luma of 1 by BT.601's weights."""
    first, second = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    mixed = s * chroma_to_rgb(first) + (1 - s) * chroma_to_rgb(second)
    torch.testing.assert_close(chroma_to_rgb(s * first + (1 - s) * second), mixed, rtol=1e-9, atol=1e-9)
    luma = chroma_to_rgb(first) @ torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    assert luma.item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("color", "normals", "outputs"),
    [
        (RGBColor(), None, 28),
        (YCbCrColor(SignedLuma()), None, 15),
        (AdditiveYCbCrColor(SignedLuma()), None, 15),
        (YCbCrColor(NonnegativeLuma()), PredictedNormals(), 18),
    ],
)
def test_samples_have_as_many_values_as_the_papers_count(
    color: ColorModel, normals: NormalModel | None, outputs: int
) -> None:
    """The network itself has three less: the base colour is a texture."""
    mpi = ycbcr_mpi(color, "mlp", normals)
    assert mpi.num_outputs == outputs
    assert isinstance(mpi.field, MLPField)
    assert mpi.field.alpha_head.out_features + mpi.field.feature_head.out_features == outputs - 3


def test_the_specular_part_is_tint_times_luma_times_chroma() -> None:
    generator = torch.Generator().manual_seed(0)
    features = 2 * torch.randn(4, 2, 11, generator=generator)
    basis = 2 * torch.rand(4, 1, 8, generator=generator) - 1
    found = YCbCrColor(SignedLuma()).specular(features, basis)
    added = AdditiveYCbCrColor(SignedLuma()).specular(features, basis)
    for ray in range(4):
        for layer in range(2):
            raw = features[ray, layer].double().numpy()
            luma = sum(np.tanh(raw[3 + n]) * basis[ray, 0, n].item() for n in range(8))
            tint, cb, cr = 1 / (1 + np.exp(-raw[0])), 0.5 * np.tanh(raw[1]), 0.5 * np.tanh(raw[2])
            offsets = np.array([1.402 * cr, -0.344136 * cb - 0.714136 * cr, 1.772 * cb])
            np.testing.assert_allclose(found[ray, layer], tint * luma * (1 + offsets), atol=1e-5)
            np.testing.assert_allclose(added[ray, layer], tint * luma + offsets, atol=1e-5)


def test_only_the_additive_form_has_a_colour_where_the_luma_is_zero() -> None:
    features = torch.randn(5, 2, 11, generator=torch.Generator().manual_seed(0))
    features[..., 3:] = 0
    basis = torch.ones(5, 1, 8)
    for luma in (SignedLuma(), NonnegativeLuma()):
        assert (YCbCrColor(luma).specular(features, basis) == 0).all()
        assert AdditiveYCbCrColor(luma).specular(features, basis).abs().amax(dim=-1).min() > 0.01


@pytest.mark.parametrize("luma", [SignedLuma(), NonnegativeLuma()])
def test_decoding_a_composited_pixel_equals_compositing_decoded_samples(
    luma: SignedLuma | NonnegativeLuma,
) -> None:
    torch.manual_seed(0)
    mpi = ycbcr_mpi(YCbCrColor(luma))
    assert isinstance(mpi.field, GridField)
    with torch.no_grad():
        mpi.field.alpha[0].fill_(4)
        mpi.field.features.normal_(0, 0.5)
        mpi.field.features[:, 0] = 2
        mpi.field.base_color.raw.mul_(2)
    rays = forward_rays(60)
    out = mpi.render(rays)
    samples = mpi.intersect(rays)
    base = mpi.field(samples).base_color + out.specular.repeat_interleave(SUBLAYERS, dim=1)
    assert base.min() > 0
    assert base.max() < 1

    parts = tint_and_chroma(out.features)
    intensity = parts["tint"] * luma(luma_sum(out.features, mpi.basis(rays.viewdirs, None)))
    weights = out.layer_weights
    y, chroma = composite(weights, intensity), composite(weights, intensity * parts["chroma"])
    cb, cr = chroma.unbind(dim=-1)
    offsets = torch.stack([1.402 * cr, -0.344136 * cb - 0.714136 * cr, 1.772 * cb], dim=-1)
    assert y.abs().max() > 0.02
    torch.testing.assert_close(out.rgb, out.diffuse + y + offsets, rtol=0, atol=1e-5)


@few
@given(st.lists(floats(-3, 3), min_size=1, max_size=5))
def test_nonnegative_luma_is_what_its_name_says(values: list[float]) -> None:
    total = torch.tensor(values)
    assert torch.equal(NonnegativeLuma()(total), total.clamp(min=0))
    assert torch.equal(SignedLuma()(total), total)


@pytest.mark.parametrize(("total", "rises", "falls"), [(-0.5, 1, 0), (0.0, 1, 1), (0.5, 1, 1)])
def test_nonnegative_luma_can_rise_from_anywhere_and_does_not_sink_below_zero(
    total: float, rises: float, falls: float
) -> None:
    for direction, expected in ((-1.0, rises), (1.0, falls)):  # the loss falls as the luma rises, or sinks
        x = torch.tensor(total, requires_grad=True)
        (direction * NonnegativeLuma()(x)).backward()
        assert x.grad == direction * expected


class TestClamp:
    @few
    @given(st.lists(floats(-3, 3), min_size=1, max_size=5), floats(-1, 0), floats(0.5, 1))
    def test_values_are_those_of_torch(self, values: list[float], low: float, high: float) -> None:
        x = torch.tensor(values)
        assert torch.equal(clamp(x, low, high), x.clamp(low, high))
        assert torch.equal(clamp(x, minimum=low), x.clamp(min=low))
        assert torch.equal(clamp(x, maximum=high), x.clamp(max=high))

    def test_gradients_worked_by_hand(self) -> None:
        """Cover values below, inside and above [0, 1]; descent moves a value against its gradient."""
        for upstream, expected in ((2.0, [0.0, 2.0, 2.0]), (-2.0, [-2.0, -2.0, 0.0])):
            x = torch.tensor([-1.0, 0.5, 3.0], requires_grad=True)
            (upstream * clamp(x, 0.0, 1.0)).sum().backward()
            assert x.grad is not None
            assert x.grad.tolist() == expected

    def test_it_is_the_identity_inside(self) -> None:
        x = torch.linspace(0.1, 0.9, 5, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda values: clamp(values, 0.0, 1.0), (x,))
        assert torch.equal(clamp(x, 0.0, 1.0), x)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
    def test_mixed_precision_changes_neither_type_nor_gradients(self, dtype: torch.dtype) -> None:
        x = torch.tensor([-1.0, 0.5, 3.0], dtype=dtype, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            clamped = clamp(x, 0.0, 1.0)
        assert clamped.dtype == dtype
        clamped.sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [0, 1, 1]

    @pytest.mark.parametrize(("features", "target"), [(2.0, 0.3), (-2.0, 0.7)])
    def test_a_plane_that_was_pushed_out_of_gamut_comes_back(self, features: float, target: float) -> None:
        """Basis functions of 1 and their coefficients put all of a plane's colour at 1, or at 0."""
        torch.manual_seed(0)
        mpi = nex(partial(GridField, divisors=(1,)))
        assert isinstance(mpi.field, GridField)
        assert isinstance(mpi.basis, NeuralBasis)
        with torch.no_grad():
            mpi.field.alpha[0].fill_(40)
            mpi.field.features.fill_(features)
            mpi.basis.network[-1].bias.fill_(20)
        pushed = mpi.render_image(reference_camera())["rgb"]
        torch.testing.assert_close(pushed, torch.full_like(pushed, float(features > 0)))

        optimizer = torch.optim.Adam([mpi.field.features], lr=0.1)
        rays = forward_rays(300)
        for _ in range(150):
            rendered = mpi.render(rays)
            optimizer.zero_grad()
            ((rendered.rgb - target * rendered.acc[:, None].detach()).square()).mean().backward()
            optimizer.step()
        found = mpi.render_image(reference_camera())["rgb"]
        assert (found - target).abs().mean() < 0.05
