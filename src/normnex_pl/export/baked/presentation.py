"""What a baked multiplane image says of itself to people: the manifest's entry ``presentation``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from normnex_pl.export.baked.entries import EXACT, FileEntry, Number, Positive, expect

# One line, without control characters.
Line = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, Field(max_length=1000)]
# As browsers write it: a scheme, a host in small letters, and a port if it isn't the usual one.
Origin = Annotated[
    str, Field(pattern=r"^https?://(\[[0-9a-f:]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[0-9]{1,5})?$")
]
Pair = tuple[Number, Number]
MOST_VIEWS = 100


@dataclass(frozen=True, config=EXACT)
class SavedView:
    """A saved view: where the viewer's camera stands, and what it shows.

    Attributes:
        name: On its button, and in the address.
        position: In the reference camera's frame, in world units. The camera looks at the scene's middle.
        zoom: Enlarges the picture.
        pan: Shifts the enlarged picture, in shares of its width and height.
        mode: What is shown: a mode of the viewer.
        gain: Strength of the specular part.
    """

    name: Name
    position: tuple[Number, Number, Number] = (0.0, 0.0, 0.0)
    zoom: Annotated[float, Field(ge=1, le=100)] = 1.0
    pan: Pair = (0.0, 0.0)
    mode: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] = "full"
    gain: Annotated[float, Field(ge=0, le=100)] = 1.0


@dataclass(frozen=True, config=EXACT)
class PresentationEntry:
    """All that a presentation says; every part may be missing.

    Attributes:
        title: Of the scene.
        text: A few sentences.
        metres_per_unit: A world unit in metres, for headsets; None if nobody knows.
        start: Name of the view that is shown first.
        poster: A WebP picture beside the manifest, shown until the image has loaded.
        origins: Of the pages that may control the viewer which they embed.
        views: In the order of their buttons.
    """

    title: Line | None = None
    text: Text | None = None
    metres_per_unit: Positive | None = None
    start: Name | None = None
    poster: FileEntry | None = None
    origins: tuple[Origin, ...] = ()
    views: Annotated[tuple[SavedView, ...], Field(max_length=MOST_VIEWS)] = ()

    @model_validator(mode="after")
    def _fits(self) -> PresentationEntry:
        """Check that views have names of their own, and that the first one is one of them."""
        names = [view.name for view in self.views]
        expect(len(set(names)) == len(names), "views: expected a name of its own for each")
        expect(
            self.start is None or self.start in names,
            f"start: expected the name of a view, found {self.start}",
        )
        return self
