"""The specular part's share in a matte scene, with and without measures against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import Tensor

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.evaluation.metrics import psnr
from normnex_pl.geometry.cameras import image_rays
from normnex_pl.model.appearance import NonnegativeLuma, YCbCrColor
from normnex_pl.training.losses import specular_loss
from support.learned import TRAINED, cameras_around, photographed, trained_mpi
from support.solids import TiltedPlane


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: at this size threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Parts:
    """A photo from elsewhere: mean specular colour, and the PSNR of all colours and of the diffuse ones."""

    specular: float
    full: float
    diffuse: float


@cache
def learned(weight: float = 0.0, phase: int = 0) -> Parts:
    """Train on a matte plane.

    Args:
        weight: Of the specular loss.
        phase: Steps, of 200, with a closed gate.
    """

    def penalty(rendered: RenderOutput) -> Tensor:
        layers = rendered.layer_weights
        return weight * specular_loss(layers.detach(), rendered.specular)

    plane = TiltedPlane()
    mpi = trained_mpi(plane, YCbCrColor(NonnegativeLuma()), penalty=penalty, open_gate_at=phase)
    camera = cameras_around(TRAINED, 2, spread=0.2, seed=9)[1]
    truth = photographed(plane, image_rays(camera))
    shown = mpi.render_image(camera)
    specular = shown["specular"].abs().mean().item()
    return Parts(specular, psnr(shown["rgb"], truth), psnr(shown["diffuse"], truth))


def test_unchecked_the_specular_part_explains_matte_colours() -> None:
    """A luma that hardly depends on the view is a colour like any other, and learns as fast."""
    free = learned()
    assert free.specular > 0.03
    assert free.full > free.diffuse + 3


def test_a_weight_on_it_leaves_matte_colours_to_the_diffuse_part() -> None:
    weighted, free = learned(weight=0.3), learned()
    assert weighted.specular < 0.005
    assert weighted.diffuse > weighted.full - 0.3
    assert weighted.diffuse > free.diffuse + 1.5


def test_a_diffuse_phase_alone_halves_what_it_takes() -> None:
    """Not all: after the phase nothing keeps it from growing."""
    phased, free = learned(phase=100), learned()
    assert phased.specular < 0.7 * free.specular
    assert phased.diffuse > free.diffuse + 0.8
    assert phased.diffuse > 20.5
