"""Render the light of a view of the family: the photo, its diffuse part, and the layers of a pane of glass.

Import it after a mitsuba variant has been activated, as the integrators that it imports.
"""

from __future__ import annotations

from collections.abc import Callable

import mitsuba as mi

import render
from cameras import Camera
from capped import Capped
from diffuse import FirstHitDiffuse
from family import Pane
from pane_geometry import rectangle
from pane_light import MirroredByPane, ThroughPane
from render import Image
from writing import ViewLight

CAP = 4.0  # times white


def render_light(
    scene: mi.Scene, pane: Pane | None, camera: Camera, spp: int, seed: int, held_out: bool
) -> ViewLight:
    """Render a photo and, if it is held out, its parts, all with the same random numbers.

    Args:
        scene: without the pane.
        pane: the pane, if any. The photo is the sum of its two layers; of the diffuse part too, only what
            comes through the glass is left.
        camera: the camera.
        spp: samples per pixel.
        seed: seed of the samples.
        held_out: whether the photo is held out.
    """

    def capped(inner: mi.SamplingIntegrator) -> Image:
        return render.render_with(scene, Capped(inner, CAP), camera, spp, seed)

    def behind(inner: mi.SamplingIntegrator) -> mi.SamplingIntegrator:
        return inner if pane is None else ThroughPane(inner, rectangle(pane), pane.index)

    make_diffuse: Callable[[], Image] = lambda: capped(behind(FirstHitDiffuse(mi.Properties())))  # noqa: E731
    transmitted = capped(behind(render.path_tracer()))
    if pane is None:
        return ViewLight(transmitted, make_diffuse() if held_out else None)
    mirrored = capped(MirroredByPane(render.path_tracer(), rectangle(pane), pane.index))
    layers = {"transmitted": transmitted, "mirrored": mirrored} if held_out else {}
    return ViewLight(transmitted + mirrored, make_diffuse() if held_out else None, layers)
