"""The interface of placements, and the one by the bounds of the reference view.

`AutomaticPlanes` in `normnex_pl.data.planes.automatic` is the other placement.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from typing_extensions import override

from normnex_pl.core.types import PlaneSpacing, SeenDepths, UniformSpacing
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.planes.choice import paper_padding
from normnex_pl.data.poses import from_the_middle


class PlanePlacement(ABC):
    """Interface of plane placements. Each decision comes with its reason, a clause for people.

    All methods are given the training views alone, cropped to one size, in units of the scene's world.
    """

    @abstractmethod
    def look(self, views: PosedPhotos) -> PosedPhotos:
        """Return the views with the points that the decisions are based on; called once, before them.

        Args:
            views: In any frame, which the points share.
        """

    @abstractmethod
    def reference(self, views: PosedPhotos) -> tuple[int, str]:
        """Choose the view in whose frame the planes stand.

        Args:
            views: In any frame.

        Returns:
            Its index, and the reason.
        """

    @abstractmethod
    def depths(self, views: PosedPhotos, reference: int) -> tuple[tuple[float, float], str]:
        """Choose the depths of the first and the last plane.

        Args:
            views: In the frame of the reference view.
            reference: Its index.

        Returns:
            Near and far in world units, and the reason.
        """

    @abstractmethod
    def spacing(self, seen: SeenDepths, near: float, far: float) -> tuple[PlaneSpacing, str]:
        """Choose how the depths of the planes run from the first to the last; see `MPIGeometry`.

        Args:
            seen: What the views see.
            near: Depth of the first plane.
            far: Depth of the last plane.

        Returns:
            The spacing, and the reason.
        """

    @abstractmethod
    def padding(
        self, views: PosedPhotos, reference: int, near: float, far: float, spacing: PlaneSpacing
    ) -> tuple[int, str]:
        """Choose the padding of the canvas.

        Args:
            views: In the frame of the reference view.
            reference: Its index.
            near: Depth of the first plane.
            far: Depth of the last plane.
            spacing: How their depths run.

        Returns:
            Pixels on each side, and the reason.
        """


class PlanesFromBounds(PlanePlacement):
    """The bounds of the view nearest to the middle, as its file has them, and the paper's padding.

    Args:
        default_spacing: Of the planes.
    """

    def __init__(self, default_spacing: UniformSpacing = "depth") -> None:
        self.default_spacing = default_spacing

    @override
    def look(self, views: PosedPhotos) -> PosedPhotos:
        return views

    @override
    def reference(self, views: PosedPhotos) -> tuple[int, str]:
        return from_the_middle(views.c2w)[0], "the training camera nearest to the mean of their positions"

    @override
    def depths(self, views: PosedPhotos, reference: int) -> tuple[tuple[float, float], str]:
        near, far = map(float, views.bounds[reference])
        return (near, far), "the depth bounds of the reference view"

    @override
    def spacing(self, seen: SeenDepths, near: float, far: float) -> tuple[PlaneSpacing, str]:
        return self.default_spacing, "the setting of data.placement"

    @override
    def padding(
        self, views: PosedPhotos, reference: int, near: float, far: float, spacing: PlaneSpacing
    ) -> tuple[int, str]:
        return paper_padding(views.width), "the NeX paper's, scaled to the width of the photos"
