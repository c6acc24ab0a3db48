"""The family of rendered scenes: what describes a scene, and the named ones that methods are judged by.

The final scenes are for tables of results alone: they are scored once, after all choices have been made. So
their descriptions don't change, and nothing is tried on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Pane:
    """An upright pane of thin glass that stands on the table.

    Attributes:
        x: of the middle of its lower edge, world units.
        z: likewise.
        turn: degrees about the vertical; positive turns its front to the right.
        tilt: degrees by which its top leans back: it mirrors what is higher.
        width: world units.
        height: world units.
        index: refractive index of the glass.
    """

    x: float = 0.0
    z: float = -1.4
    turn: float = 0.0
    tilt: float = 6.0
    width: float = 1.2
    height: float = 1.25
    index: float = 1.5


@dataclass(frozen=True)
class SceneDescription:
    """All that a scene's content depends on.

    Attributes:
        seed: draws the things, their places, shapes and materials, the textures and the cameras.
        light: a key of `family_lights.LIGHTS`.
        table: a key of `surfaces.TABLES`.
        deep: the wall, and the farthest things, are twice as far away as otherwise.
        pane: between the front things and the others, if any.
    """

    seed: int
    light: Literal["studio", "window", "gallery"]
    table: Literal["polished", "satin", "matte"]
    deep: bool = False
    pane: Pane | None = None


DEVELOPMENT = {
    "dev_1": SceneDescription(101, "studio", "polished"),
    "dev_2": SceneDescription(111, "window", "satin"),
    "dev_3": SceneDescription(103, "gallery", "matte", deep=True),
    "dev_4": SceneDescription(104, "window", "polished", pane=Pane(x=0.06, turn=7)),
}
FINAL = {
    "final_1": SceneDescription(201, "window", "polished"),
    "final_2": SceneDescription(202, "studio", "satin", deep=True),
    "final_3": SceneDescription(203, "studio", "matte"),
    "final_4": SceneDescription(204, "gallery", "satin", pane=Pane(x=-0.05, turn=-9, tilt=5, index=1.6)),
}
SETS = {"development": DEVELOPMENT, "final": FINAL}
SCENES = DEVELOPMENT | FINAL
