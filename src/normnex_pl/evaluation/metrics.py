"""Image metrics: thin functions around torchmetrics, on whole images."""

from __future__ import annotations

import logging
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

logger = logging.getLogger(__name__)

Image = Float[Tensor, "height width 3"]
Mask = Bool[Tensor, "height width"] | None

# Pixels to either side of the centre of a window of SSIM.
_SSIM_REACH = 5


def mse_to_psnr(mse: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Convert a mean squared error of colours in [0, 1] to a peak signal-to-noise ratio in dB."""
    return -10 * torch.log10(mse)


def _batched(image: Image) -> Float[Tensor, "1 3 height width"]:
    return image.clamp(0, 1).movedim(-1, 0)[None]


def psnr(image: Image, truth: Image, mask: Mask = None) -> float:
    """Return the peak signal-to-noise ratio in dB, data range 1.

    Args:
        image: sRGB.
        truth: sRGB.
        mask: Which pixels count, at least one; None for all of them.
    """
    if mask is not None:
        return peak_signal_noise_ratio(
            image.clamp(0, 1)[mask], truth.clamp(0, 1)[mask], data_range=1.0
        ).item()
    return peak_signal_noise_ratio(_batched(image), _batched(truth), data_range=1.0).item()


def ssim(image: Image, truth: Image, data_range: float = 1.0, mask: Mask = None) -> float | None:
    """Return the structural similarity with a Gaussian window of 11 pixels, sigma 1.5 (Wang et al. 2004).

    Windows that reach beyond the picture see it reflected. With a mask it is the mean over the windows whose
    pixels all count.

    Args:
        image: sRGB.
        truth: sRGB.
        data_range: 1, or 2 for the figures of the NeX paper, whose evaluation used scikit-image's default for
            float images.
        mask: Which pixels count; None for all of them.

    Returns:
        None if no window lies in the mask.
    """
    if mask is not None:
        return _masked_ssim(image, truth, data_range, mask)
    value = structural_similarity_index_measure(
        _batched(image), _batched(truth), sigma=1.5, data_range=data_range
    )
    assert isinstance(value, Tensor)
    return value.item()


def _masked_ssim(
    image: Image, truth: Image, data_range: float, mask: Bool[Tensor, "height width"]
) -> float | None:
    """Return the mean of the map of `ssim` over the windows that the mask leaves whole."""
    values = structural_similarity_index_measure(
        _batched(image), _batched(truth), sigma=1.5, data_range=data_range, return_full_image=True
    )
    assert isinstance(values, tuple)
    of_windows = values[1][0].movedim(0, -1)
    ignored = (~mask)[None, None].float()
    whole = F.max_pool2d(ignored, 2 * _SSIM_REACH + 1, stride=1, padding=_SSIM_REACH)[0, 0] == 0
    if not whole.any():
        logger.warning("SSIM is left out (null): masks leave no window of 11 pixels whole.")
        return None
    return of_windows[whole].mean().item()


@cache
def _lpips_network(device: torch.device) -> Metric | None:
    """Load VGG-16 LPIPS; None, with one warning, if its weights can't be loaded."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    try:
        network = LearnedPerceptualImagePatchSimilarity(net_type="vgg", normalize=True)
    except (OSError, RuntimeError, ImportError) as error:
        logger.warning(
            "LPIPS is left out (null): the VGG16 weights could not be loaded (%s). Put torchvision's "
            "vgg16-397923af.pth into $TORCH_HOME/hub/checkpoints (default ~/.cache/torch).",
            error,
        )
        return None
    return network.to(device)


def lpips_vgg(image: Image, truth: Image) -> float | None:
    """Return LPIPS (Zhang et al. 2018) with VGG-16; None if the weights are missing."""
    network = _lpips_network(image.device)
    if network is None:
        return None
    with torch.no_grad():
        value = network(_batched(image), _batched(truth)).item()
    network.reset()
    return value


def image_metrics(image: Image, truth: Image, mask: Mask = None) -> dict[str, float | None]:
    """Return all metrics of an image, by their names in ``metrics.json``.

    Args:
        image: sRGB.
        truth: sRGB.
        mask: Which pixels count; None for all of them. LPIPS is then None: its features see far around a
            pixel, and what fills a hole would be scored too.
    """
    if mask is not None:
        logger.warning("LPIPS is left out (null) for a view that a mask cuts: its features see across holes.")
    return {
        "psnr": psnr(image, truth, mask),
        "ssim": ssim(image, truth, mask=mask),
        "ssim_nex": ssim(image, truth, data_range=2.0, mask=mask),
        "lpips_vgg": lpips_vgg(image, truth) if mask is None else None,
    }
