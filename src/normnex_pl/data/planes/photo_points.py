"""Points of a scene without a reconstruction: where its photos agree in a coarse plane sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera
from normnex_pl.data.photos.masks import shrink_mask
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.poses import from_the_middle
from normnex_pl.geometry.cameras import image_rays, sample_image

_FEWEST_VIEWS = 3
_WHOLLY = 0.999  # of a weight of 1, in single precision


@dataclass(frozen=True)
class PhotoAgreement:
    """Match of small photos on planes that are uniform in disparity.

    Attributes:
        width: Of the photos that are matched, in pixels.
        num_planes: That are tried between the bounds.
        most_views: Photos that take part, evenly chosen.
        window: Pixels along the square over which differences are averaged; odd.
        distinct: Difference at the best plane, at most as a share of the median over all planes.
        contrast: Standard deviation of a window, at least: sRGB in [0, 1].
        room: For plain surfaces nearer or farther than the points, as a share of the depth.

    Raises:
        UserError: A value is out of its range.
    """

    width: int = 128
    num_planes: int = 64
    most_views: int = 13
    window: int = 5
    distinct: float = 0.5
    contrast: float = 0.01
    room: float = 0.25

    def __post_init__(self) -> None:
        if (
            min(self.width, self.num_planes) < 8
            or self.most_views < 3
            or self.window % 2 == 0
            or self.room < 0
        ):
            raise UserError(
                "data.placement.agreement: expected width and num_planes of 8 or more, most_views of 3 or "
                f"more, an odd window and a room of 0 or more, found {self.width}, {self.num_planes}, "
                f"{self.most_views}, {self.window} and {self.room:g}."
            )

    def __call__(self, views: PosedPhotos, near: float, far: float) -> Float[np.ndarray, "point 3"]:
        """Return points of the middle view that some of the others show alike, at one depth alone.

        Args:
            views: In the frame of the view nearest to the middle, whose pixels are looked for in the others.
                The points are in this frame, too.
            near: Depth in that frame from which on points are looked for.
            far: Depth up to which they are.
        """
        middle, *others = from_the_middle(views.c2w)
        step = max(1, -(-len(others) // (self.most_views - 1)))
        reference, *matched = [self._small(views, index) for index in (middle, *others[::step])]
        directions = image_rays(reference.camera).directions
        disparities = torch.linspace(1 / near, 1 / far, self.num_planes)
        cost = torch.stack([self._difference(reference, matched, directions / s) for s in disparities])
        best, index = cost.min(dim=0)
        usual = cost.where(cost.isfinite(), torch.nan).nanmedian(dim=0).values
        inside = (index > 0) & (index < self.num_planes - 1)
        found = inside & (best <= self.distinct * usual) & (self._deviation(reference.image) >= self.contrast)
        found &= reference.counts
        places = index + lowest_between(cost, index)
        disparity = disparities[0] + places * (disparities[1] - disparities[0])
        return (directions / disparity[..., None])[found].double().numpy()

    def _small(self, views: PosedPhotos, index: int) -> _Photo:
        """Return a photo at the width for matching, averaged over the area of its pixels."""
        image = views.images[index].movedim(-1, 0)[None].float() / 255
        width = min(self.width, image.shape[3])
        height = max(1, round(image.shape[2] * width / image.shape[3]))
        small = F.interpolate(image, (height, width), mode="area")[0].movedim(0, -1)
        mask = views.masks[index] if views.masks else None
        counts = torch.ones(height, width, dtype=torch.bool)
        if mask is not None:
            counts = shrink_mask(mask, (width, height))
        K = torch.from_numpy(views.intrinsics[index].scaled_to(width, height).matrix).float()
        return _Photo(small, counts, Camera(K, torch.from_numpy(views.c2w[index]).float(), width, height))

    def _difference(
        self, reference: _Photo, matched: Sequence[_Photo], points: Float[Tensor, "height width 3"]
    ) -> Float[Tensor, "height width"]:
        """Return how much the better half of the photos that see points differs from the reference there.

        Others may be occluded (Kang, Szeliski and Chai, Handling occlusions in dense multi-view stereo,
        CVPR 2001). Infinite where too few of them see a point.
        """
        differences = []
        for photo in matched:
            values = torch.cat([photo.image, photo.counts[..., None]], dim=-1)
            sampled, seen = sample_image(values, photo.camera, points)
            colors, seen = sampled[..., :3], seen & (sampled[..., 3] > _WHOLLY)
            difference = self._averaged((colors - reference.image).abs().mean(dim=-1))
            differences.append(difference.masked_fill(~seen, torch.inf))
        ordered = torch.stack(differences).sort(dim=0).values
        count = ordered.isfinite().sum(dim=0)
        half = (count + 1) // 2
        total = ordered.nan_to_num(posinf=0.0).cumsum(dim=0).gather(0, (half - 1).clamp(min=0)[None])[0]
        return torch.where(count >= min(_FEWEST_VIEWS, len(matched)), total / half, torch.inf)

    def _averaged(self, values: Float[Tensor, "height width"]) -> Float[Tensor, "height width"]:
        """Return means over the window; those at the borders have a smaller one."""
        half = self.window // 2
        return F.avg_pool2d(values[None], self.window, 1, half, count_include_pad=False)[0]

    def _deviation(self, image: Float[Tensor, "height width 3"]) -> Float[Tensor, "height width"]:
        """Return the standard deviation of the mean colour in the window around each pixel."""
        grey = image.mean(dim=-1)
        return (self._averaged(grey.square()) - self._averaged(grey).square()).clamp(min=0).sqrt()


@dataclass(frozen=True)
class _Photo:
    """A small photo in floats, which of its pixels count, and its camera."""

    image: Float[Tensor, "height width 3"]
    counts: Bool[Tensor, "height width"]
    camera: Camera


def lowest_between(
    cost: Float[Tensor, "plane height width"], index: Integer[Tensor, "height width"]
) -> Float[Tensor, "height width"]:
    """Return how far the lowest point of the parabola through a plane and its neighbours lies from the plane.

    Args:
        cost: Of each plane.
        index: Of the plane with the lowest cost.

    Returns:
        From -0.5 to 0.5 planes; 0 at the ends and where the neighbours' costs aren't finite.
    """
    inner = index.clamp(1, len(cost) - 2)
    before, here, after = (cost.gather(0, (inner + shift)[None])[0] for shift in (-1, 0, 1))
    shift = 0.5 * (before - after) / (before - 2 * here + after).clamp(min=1e-12)
    return torch.where(inner == index, shift.nan_to_num(0.0, 0.0, 0.0), 0.0).clamp(-0.5, 0.5)
