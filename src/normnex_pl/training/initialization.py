"""What the planes show before the first step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from typing_extensions import override

from normnex_pl.core.types import View
from normnex_pl.geometry.plane_sweep import MeanOfPhotos, PhotoStatistic, sweep_plane
from normnex_pl.model.mpi import MPI


class Initialization(ABC):
    """Give a multiplane image something to start from."""

    @abstractmethod
    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        """Change the parameters of a multiplane image that has not learned anything yet.

        Args:
            mpi: On any device.
            views: The training views, on the device to compute on; cameras in the reference frame.
        """


class RandomStart(Initialization):
    """As the field makes itself: random base colours around grey. The paper's way."""

    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        """See the base class."""


class PlaneSweep(Initialization):
    """Each layer starts with what the photos show if all they see lay on it: a plane sweep.

    Where there is a surface the photos agree, and the layer at its depth starts with its colours; elsewhere
    they blur. From grey, in a short training, textures of many pixels stay grey: each texel is looked at a
    few dozen times. Coefficients of coarse textures then learn the colours instead, and with a specular part
    that can't darken, planes near the camera become fog.

    Args:
        statistic: Makes one colour out of those of the photos.
    """

    def __init__(self, statistic: PhotoStatistic = MeanOfPhotos()) -> None:  # noqa: B008 (it has no state)
        self.statistic = statistic

    @override
    @torch.no_grad()
    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        texture = mpi.field.base_color
        height, width = texture.raw.shape[-2:]
        for layer, depth in enumerate(mpi.layer_depths.tolist()):
            colors = sweep_plane(views, depth, mpi.geometry, height, width, self.statistic)
            texture.start_layer(layer, colors.movedim(-1, 0))
