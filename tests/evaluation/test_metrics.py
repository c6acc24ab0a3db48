"""Image metrics, against scikit-image and formulas."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import kornia
import numpy as np
import pytest
import torch
import torchmetrics.image.lpip
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torch import Tensor

from normnex_pl.evaluation import metrics
from normnex_pl.evaluation.alignment import aligned_metrics
from support.small import few

VGG16 = "vgg16-397923af.pth"


def noisy_pair(noise: float, height: int = 30, width: int = 42) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(0, 6, height), torch.linspace(0, 9, width), indexing="ij")
    truth = torch.stack([0.5 + 0.4 * torch.sin(x + k) * torch.cos(y - k) for k in range(3)], dim=-1)
    image = truth + noise * torch.randn(truth.shape, generator=generator)
    return image.clamp(0, 1), truth


@pytest.fixture
def fresh_lpips() -> Iterator[None]:
    metrics._lpips_network.cache_clear()
    yield
    metrics._lpips_network.cache_clear()


@few
@given(st.floats(0.01, 0.3))
def test_psnr_is_ten_times_the_logarithm_of_the_squared_error(noise: float) -> None:
    image, truth = noisy_pair(noise)
    mse = ((image.double() - truth.double()) ** 2).mean().item()
    assert metrics.psnr(image, truth) == pytest.approx(-10 * np.log10(mse), abs=1e-4)
    assert metrics.mse_to_psnr(torch.tensor(mse)).item() == pytest.approx(-10 * np.log10(mse), abs=1e-4)


def test_psnr_of_an_error_of_one_tenth_is_twenty() -> None:
    truth = torch.full((12, 12, 3), 0.5)
    assert metrics.psnr(truth + 0.1, truth) == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize("data_range", [1.0, 2.0])
@pytest.mark.parametrize("noise", [0.02, 0.1, 0.2])
def test_ssim_is_kornias(data_range: float, noise: float) -> None:
    """Both look at the whole image, reflected at its borders."""
    image, truth = noisy_pair(noise)
    maps = kornia.metrics.ssim(image.movedim(-1, 0)[None], truth.movedim(-1, 0)[None], 11, max_val=data_range)
    assert 0.2 < maps.mean() < 0.999
    assert metrics.ssim(image, truth, data_range) == pytest.approx(maps.mean().item(), abs=1e-4)


@pytest.mark.parametrize("data_range", [1.0, 2.0])
@pytest.mark.parametrize("noise", [0.02, 0.1, 0.2])
def test_ssim_is_scikit_images_but_for_the_border(data_range: float, noise: float) -> None:
    """It leaves out the five border pixels, where the window is not whole: much of a small image."""
    image, truth = noisy_pair(noise)
    expected = structural_similarity(
        image.double().numpy(),
        truth.double().numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=data_range,
        channel_axis=-1,
    )
    assert 0.2 < expected < 0.999
    assert metrics.ssim(image, truth, data_range) == pytest.approx(expected, abs=0.025)


def hole(height: int = 30, width: int = 42) -> Tensor:
    mask = torch.ones(height, width, dtype=torch.bool)
    mask[8:14, 20:27] = False
    return mask


@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_masked_ssim_is_kornias_mean_over_whole_windows(data_range: float) -> None:
    image, truth = noisy_pair(0.1)
    pair = [picture.movedim(-1, 0)[None] for picture in (image, truth)]
    maps = kornia.metrics.ssim(*pair, 11, max_val=data_range)[0]
    whole = [
        maps[:, row, column]
        for row in range(30)
        for column in range(42)
        if hole()[max(0, row - 5) : row + 6, max(0, column - 5) : column + 6].all()
    ]
    assert 0 < len(whole) < 30 * 42
    expected = torch.stack(whole).mean().item()
    assert metrics.ssim(image, truth, data_range, hole()) == pytest.approx(expected, abs=1e-4)


def test_without_holes_a_mask_changes_no_score() -> None:
    image, truth = noisy_pair(0.1)
    everything = torch.ones(image.shape[:2], dtype=torch.bool)
    assert metrics.psnr(image, truth, everything) == pytest.approx(metrics.psnr(image, truth), abs=1e-4)
    assert metrics.ssim(image, truth, mask=everything) == pytest.approx(metrics.ssim(image, truth), abs=1e-6)


@pytest.mark.parametrize("side", ["image", "truth"])
def test_what_a_mask_ignores_changes_no_score(side: str, caplog: pytest.LogCaptureFixture) -> None:
    image, truth = noisy_pair(0.1)
    before = metrics.image_metrics(image, truth, hole()) | aligned_metrics(image, truth, hole())
    changed = {"image": image, "truth": truth}[side]
    changed[~hole()] = torch.rand(int((~hole()).sum()), 3)
    after = metrics.image_metrics(image, truth, hole()) | aligned_metrics(image, truth, hole())
    assert before.pop("lpips_vgg") is None
    assert after.pop("lpips_vgg") is None
    assert after == pytest.approx(before, abs=1e-5)
    assert "LPIPS is left out (null) for a view that a mask cuts" in caplog.text


def test_where_no_window_is_whole_ssim_is_null_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    image, truth = noisy_pair(0.1)
    mask = torch.ones(image.shape[:2], dtype=torch.bool)
    mask[::9, ::9] = False
    assert metrics.ssim(image, truth, mask=mask) is None
    assert "no window of 11 pixels" in caplog.text


def test_equal_images_are_perfect() -> None:
    truth = noisy_pair(0)[1]
    assert metrics.psnr(truth, truth) == float("inf")
    assert metrics.ssim(truth, truth) == pytest.approx(1)


def test_colours_out_of_gamut_are_scored_as_they_are_shown() -> None:
    image, truth = noisy_pair(0.2)
    beyond = torch.where(image == 1, 1.5, torch.where(image == 0, -3, image))
    assert not torch.equal(beyond, image)
    assert metrics.psnr(beyond, truth) == metrics.psnr(image, truth)
    assert metrics.ssim(beyond, truth) == metrics.ssim(image, truth)


@pytest.mark.usefixtures("fresh_lpips")
def test_without_weights_lpips_is_null_and_the_log_says_why_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def offline(**settings: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torchmetrics.image.lpip, "LearnedPerceptualImagePatchSimilarity", offline)
    image, truth = noisy_pair(0.1)
    with caplog.at_level(logging.WARNING, logger="normnex_pl.evaluation.metrics"):
        values = metrics.image_metrics(image, truth)
        metrics.image_metrics(image, truth)
    assert values["lpips_vgg"] is None
    assert values["psnr"] == metrics.psnr(image, truth)
    assert values["ssim"] == metrics.ssim(image, truth)
    assert values["ssim_nex"] == metrics.ssim(image, truth, data_range=2.0)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "no route to host" in messages[0]
    assert VGG16 in messages[0]


@pytest.mark.usefixtures("fresh_lpips")
def test_lpips_grows_with_the_noise_and_forgets_earlier_images() -> None:
    weights = Path(torch.hub.get_dir()) / "checkpoints" / VGG16
    if not weights.exists():
        pytest.skip(f"the VGG16 weights are not there: {weights}")
    values = []
    for noise in (0.0, 0.05, 0.3, 0.0):
        value = metrics.lpips_vgg(*noisy_pair(noise, 48, 64))
        assert value is not None
        values.append(value)
    equal, little, much, again = values
    assert equal == again == pytest.approx(0, abs=1e-6)
    assert 0.01 < little < much
