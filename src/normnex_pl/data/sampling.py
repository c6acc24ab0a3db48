"""Sampling of the pixels of a training step."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Integer
from torch import Tensor
from typing_extensions import override


class ViewSampler(ABC):
    """Choose the training view of each triplet."""

    @abstractmethod
    def draw(
        self, seed: int, step: int, rank: int, num_triplets: int, num_views: int, generator: torch.Generator
    ) -> Integer[Tensor, "_"]:
        """Draw view indices for one step of one rank.

        Args:
            seed: Of the whole training.
            step: Of the whole training.
            rank: Of the process among those of the run.
            num_triplets: How many to draw.
            num_views: Training views, of which there are as many as steps in an epoch.
            generator: Of this step and rank; its device is where the indices are wanted.

        Returns:
            An index in [0, num_views) for each triplet.
        """


class AllViews(ViewSampler):
    """Mix rays of all training views in each step: gradients vary less than with one view a step."""

    @override
    def draw(
        self, seed: int, step: int, rank: int, num_triplets: int, num_views: int, generator: torch.Generator
    ) -> Integer[Tensor, "_"]:
        return torch.randint(num_views, (num_triplets,), generator=generator, device=generator.device)


class OneView(ViewSampler):
    """Take one training view a step, each once an epoch in a new order, as the paper does.

    Ranks go through the same order, each one view ahead of the previous rank: views differ more than pixels.
    """

    @override
    def draw(
        self, seed: int, step: int, rank: int, num_triplets: int, num_views: int, generator: torch.Generator
    ) -> Integer[Tensor, "_"]:
        epoch, position = divmod(step, num_views)
        order = torch.randperm(num_views, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
        return torch.full((num_triplets,), int(order[(position + rank) % num_views]), device=generator.device)


def draw_triplets(
    num_triplets: int, height: int, width: int, generator: torch.Generator
) -> Integer[Tensor, "_ 3 2"]:
    """Draw L-shaped triplets: a pixel, its right and its lower neighbour.

    Returns:
        Column and row of the three pixels, on the generator's device.
    """
    device = generator.device
    columns = torch.randint(width - 1, (num_triplets,), generator=generator, device=device)
    rows = torch.randint(height - 1, (num_triplets,), generator=generator, device=device)
    return triplets_at(columns, rows)


def triplets_at(
    columns: Integer[Tensor, "triplet"], rows: Integer[Tensor, "triplet"]
) -> Integer[Tensor, "triplet 3 2"]:
    """Return column and row of pixels, of their right and of their lower neighbours."""
    pixels = [(columns, rows), (columns + 1, rows), (columns, rows + 1)]
    return torch.stack([torch.stack(pixel, dim=-1) for pixel in pixels], dim=1)
