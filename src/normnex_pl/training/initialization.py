"""Initialise the MPI from the training images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from typing_extensions import override

from normnex_pl.core.types import View
from normnex_pl.geometry.plane_sweep import MeanOfPhotos, PhotoStatistic, sweep_plane
from normnex_pl.model.mpi import MPI


class Initialization(ABC):
    """Initialise a multiplane image."""

    @abstractmethod
    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        """Set the parameters of a multiplane image that has not been trained yet.

        Args:
            mpi: On any device.
            views: The training views, on the device to compute on; cameras in the reference frame.
        """


class RandomStart(Initialization):
    """Keep the field's own initialisation, random base colours around grey, as in the NeX paper."""

    @override
    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        return


class PlaneSweep(Initialization):
    """Project all photos onto the plane of each layer, and start with a statistic of their colours.

    At the depth of a surface the photos agree, and the layer there starts with its colours; elsewhere they
    blur. In a short training from grey, textures of many pixels stay grey, since rays read each texel only a
    few dozen times. Coefficients of coarse textures then learn the colours instead, and with a specular part
    that can't darken, planes near the camera become fog.

    Args:
        statistic: Reduces the photos' colours of a texel to one.
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
