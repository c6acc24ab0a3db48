"""Render scenes of the family that methods are judged by, in LLFF layout, with the truth of held-out views.

    python experiments/scenes/make_family.py --output scenes/dev_1 --name dev_1
    python experiments/scenes/make_family.py --output scenes/family --set development

`family.py` describes them. Needs what `make_demo.py` needs, and resumes as it does; of a set, finished scenes
are skipped.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from functools import partial as bind
from pathlib import Path

import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

import layout
import render
from cameras import Camera, make_cameras
from family import SCENES, SETS, Pane, SceneDescription
from pane_geometry import covered
from writing import ViewLight, open_partial, write_scene


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder to create; of a set, its scenes' parent"
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", choices=sorted(SCENES), help="one scene")
    which.add_argument("--set", choices=sorted(SETS), help="all scenes of a set")
    parser.add_argument("--width", type=int, default=504, help="pixels; the height is 3/4 of it")
    parser.add_argument("--views", type=int, default=24, help="number of photos")
    parser.add_argument("--spp", type=int, default=49, help="least number of samples per pixel")
    arguments = parser.parse_args()
    if arguments.width < 8 or arguments.width % 4:
        parser.error("--width must be a positive multiple of 4")
    if arguments.views < 2 or arguments.spp < 1:
        parser.error("--views must be at least 2, and --spp at least 1")
    return arguments


def pane_map(pane: Pane | None, camera: Camera, geometry: render.Geometry) -> dict[str, NDArray[np.uint8]]:
    """Return which pixels see through the pane, if there is one."""
    if pane is None:
        return {}
    return {"pane": covered(pane, camera, geometry.depth).astype(np.uint8)}


def make_scene(
    output: Path, name: str, description: SceneDescription, width: int, views: int, spp: int
) -> None:
    """Render one scene; a variant of mitsuba must be active."""
    import family_light  # its integrators' base class exists only once a variant is active
    import family_scene

    settings = {"name": name, **asdict(description), "width": width, "views": views, "spp": spp}
    settings |= {"mask_labels": layout.LABELS, "mitsuba": mi.__version__}
    partial = open_partial(output, settings)
    print(f"mitsuba {mi.__version__}, {mi.variant()}; writing {name} to {partial}")
    scene = family_scene.build(description)

    def light(camera: Camera, index: int, held_out: bool) -> ViewLight:
        return family_light.render_light(scene, description.pane, camera, spp, index, held_out)

    cameras = make_cameras(views, width, description.seed)
    labels = layout.label_lookup(scene)
    write_scene(partial, output, scene, cameras, labels, light, bind(pane_map, description.pane))


def main() -> None:
    """Render the scene or the set that the command line names."""
    arguments = parse_arguments()
    render.choose_variant()
    output = arguments.output.resolve()
    names = [arguments.name] if arguments.name else list(SETS[arguments.set])
    for name in names:
        folder = output if arguments.name else output / name
        if arguments.set and folder.exists():
            print(f"{folder} exists already: skipped")
            continue
        start = time.monotonic()
        make_scene(folder, name, SCENES[name], arguments.width, arguments.views, arguments.spp)
        print(f"{name}: {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
