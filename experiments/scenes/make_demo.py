"""Render a forward-facing scene in LLFF layout, with the truth of its held-out views.

    python experiments/scenes/make_demo.py --output scenes/my_scene --width 1008

Needs the extra `scenes` (mitsuba), and for speed an LLVM library (Debian: `apt-get install libllvm19`).
An interrupted run resumes when it is started again with the same arguments.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mitsuba as mi

import layout
import render
from cameras import Camera, make_cameras
from lights import LIGHTS
from objects import OBJECTS
from writing import ViewLight, open_partial, write_scene


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to create")
    parser.add_argument("--width", type=int, default=1008, help="pixels; the height is 3/4 of it")
    parser.add_argument("--views", type=int, default=30, help="number of photos")
    parser.add_argument("--seed", type=int, default=0, help="of cameras and textures")
    parser.add_argument("--spp", type=int, default=256, help="least number of samples per pixel")
    parser.add_argument("--objects", choices=sorted(OBJECTS), default="spheres")
    parser.add_argument("--lights", choices=sorted(LIGHTS), default="studio")
    arguments = parser.parse_args()
    if arguments.width < 8 or arguments.width % 4:
        parser.error("--width must be a positive multiple of 4")
    if arguments.views < 2 or arguments.spp < 1:
        parser.error("--views must be at least 2, and --spp at least 1")
    return arguments


def main() -> None:
    """Render all views into a temporary folder and rename it at the end."""
    arguments = parse_arguments()
    settings = {key: value for key, value in vars(arguments).items() if key != "output"}
    settings |= {"mask_labels": layout.LABELS, "mitsuba": mi.__version__}
    output = arguments.output.resolve()
    partial = open_partial(output, settings)
    print(f"mitsuba {mi.__version__}, {render.choose_variant()}; writing to {partial}")

    scene = layout.build_scene(arguments.objects, arguments.lights, arguments.seed)

    def light(camera: Camera, index: int, held_out: bool) -> ViewLight:
        full = render.render_full(scene, camera, arguments.spp, seed=index)
        if not held_out:
            return ViewLight(full)
        return ViewLight(full, render.render_diffuse(scene, camera, arguments.spp, seed=index))

    cameras = make_cameras(arguments.views, arguments.width, arguments.seed)
    write_scene(partial, output, scene, cameras, layout.label_lookup(scene), light)


if __name__ == "__main__":
    main()
