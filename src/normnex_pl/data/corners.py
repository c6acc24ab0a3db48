"""Drawing of triplets from photos with masks: uniformly among those whose three pixels all count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Integer
from torch import Tensor

from normnex_pl.core.types import View
from normnex_pl.data.photos.masks import whole_triplets
from normnex_pl.data.sampling import triplets_at

# Larger than any count by so much that the remainder of a division is uniform for all that matters.
_MANY = 2**62


@dataclass(frozen=True)
class TripletCorners:
    """The first pixels of all triplets whose three pixels count, photo by photo.

    Attributes:
        corners: Row times width plus column, of all photos one after the other.
        starts: Where the corners of each photo begin.
        counts: How many each photo has; at least one.
        width: Of the photos in pixels.
    """

    corners: Integer[Tensor, "corner"]
    starts: Integer[Tensor, "view"]
    counts: Integer[Tensor, "view"]
    width: int

    @classmethod
    def of(cls, views: Sequence[View]) -> TripletCorners | None:
        """Collect the corners of photos of one size; None where all their pixels count."""
        if all(view.mask is None for view in views):
            return None
        found = []
        for view in views:
            everything = torch.ones(view.image.shape[:2], dtype=torch.bool)
            rows, columns = whole_triplets(everything if view.mask is None else view.mask).nonzero().T
            found.append((rows * view.image.shape[1] + columns).int())
        counts = torch.tensor([len(corners) for corners in found])
        return cls(torch.cat(found), counts.cumsum(0) - counts, counts, views[0].image.shape[1])

    def to(self, device: torch.device) -> TripletCorners:
        """Copy them to a device."""
        return TripletCorners(
            self.corners.to(device), self.starts.to(device), self.counts.to(device), self.width
        )

    def draw(
        self, views: Integer[Tensor, "triplet"], generator: torch.Generator
    ) -> Integer[Tensor, "triplet 3 2"]:
        """Draw a triplet of each of some photos.

        Args:
            views: Positions of the photos.
            generator: On the device of the corners.

        Returns:
            Column and row of the three pixels.
        """
        drawn = torch.randint(_MANY, views.shape, generator=generator, device=views.device)
        corners = self.corners[self.starts[views] + drawn % self.counts[views]].long()
        return triplets_at(corners % self.width, corners // self.width)
