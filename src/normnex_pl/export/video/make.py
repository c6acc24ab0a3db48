"""Make a video of a trained run: `make video RUN=path`."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from tqdm import tqdm

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry, Scene
from normnex_pl.export.paths import PATHS, CameraPath, Rig, rig_of_cameras, rig_of_geometry
from normnex_pl.export.video.files import LARGEST_GIF_RATE, WRITERS, Encoding
from normnex_pl.export.video.frames import PHOTO, FrameSource, available_components
from normnex_pl.export.video.sheets import columns_for, sheet_for
from normnex_pl.training.module import NormNeXModule
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.trained_run import find_device, load_module, read_run

ALL = "all"
COMPONENTS_HELP = (
    "what to show, side by side: render, photo (the nearest of the training), diffuse, specular, tint, "
    "chroma, acc, disparity, depth, normals, as far as the model has them; or all; default: render"
)
PATHS_HELP = (
    "spiral (LLFF's), orbit, dolly, or fixed: a camera that stays, in colours as seen from the spiral; "
    "default: spiral"
)
# Many players refuse much larger frames; a grid's pictures are made to fit unless a width is asked for.
_WIDEST_FRAME = 1920
_ROOM = 16  # for a picture's margins
_SMALLEST_PICTURE = 16
_SMALLEST_RATE, _LARGEST_RATE = 0.1, 1000
_WORST_CRF = 51

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 2 for bad input."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = parser().parse_args(arguments)
    try:
        for path in make_videos(options):
            _log.info("wrote %s", path)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    result = argparse.ArgumentParser(
        prog="python -m normnex_pl.export.video.make",
        description="Renders a loop through a trained run into <run>/video/<path>_<components>.mp4.",
        allow_abbrev=False,
    )
    result.add_argument("--run", type=Path, required=True, help="folder of a trained run")
    scene = result.add_mutually_exclusive_group()
    scene.add_argument("--scene", type=Path, help="folder of the run's scene, if it has moved")
    scene.add_argument("--no-scene", action="store_true", help="no photos; paths as wide as the padding")
    result.add_argument("--path", choices=PATHS, default="spiral", help=PATHS_HELP)
    result.add_argument("--components", nargs="+", default=["render"], metavar="NAME", help=COMPONENTS_HELP)
    result.add_argument("--columns", type=int, help="pictures side by side; default: about a square")
    result.add_argument("--formats", nargs="+", choices=WRITERS, default=["mp4"], help="default: mp4")
    length = result.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=4.0, help="of one loop; default: 4")
    length.add_argument("--frames", type=int, help="of one loop, instead of seconds")
    result.add_argument("--rate", type=float, default=30.0, help="frames a second; default: 30")
    result.add_argument(
        "--width", type=int, help="of one picture; default: the photos', or 1920 for all columns"
    )
    result.add_argument("--height", type=int, help="of one picture; default: shaped like the photos")
    result.add_argument("--reach", type=float, default=1.0, help="factor of the path's size; default: 1")
    result.add_argument("--crf", type=int, default=18, help="MP4: 0 (best) to 51 (smallest); default: 18")
    result.add_argument("--device", type=str, help="such as cpu or cuda:1; default: a GPU if there is one")
    result.add_argument("--out", type=Path, help="folder to write into; default: <run>/video")
    return result


def make_videos(options: argparse.Namespace) -> list[Path]:
    """Render a path once and write all formats.

    Returns:
        The files.
    """
    _check(options)
    module, scene = load(options)
    mpi = module.mpi
    names = choose_components(options.components, available_components(mpi), options.run, scene is not None)
    columns = options.columns or columns_for(len(names))
    width, height = picture_size(mpi.geometry, options.width, options.height, columns)
    source = FrameSource(mpi, scene, width, height, module.eval_chunk_size)
    num_frames = options.frames or max(1, round(options.seconds * options.rate))
    path = PATHS[options.path](find_rig(scene, mpi.geometry).scaled(options.reach), num_frames)
    folder, stem = options.out or RunFolder(options.run).video, f"{options.path}_{'-'.join(names)}"
    files = {name: folder / f"{stem}.{name}" for name in options.formats}
    write_videos(files, source, path, names, columns, Encoding(options.rate, options.crf))
    return list(files.values())


def load(options: argparse.Namespace) -> tuple[NormNeXModule, Scene | None]:
    """Return the model of a run, and its scene unless the user does without."""
    device = find_device(options.device)
    if options.no_scene:
        return load_module(options.run, device), None
    run = read_run(options.run, options.scene, device)
    return run.module, run.data.scene


def write_videos(
    files: Mapping[str, Path],
    source: FrameSource,
    path: CameraPath,
    names: Sequence[str],
    columns: int,
    encoding: Encoding,
) -> None:
    """Render a path once and write all formats.

    Args:
        files: By format.
        source: The model and the size of a picture.
        path: Where to look from.
        names: Components to show.
        columns: Pictures side by side.
        encoding: Rate and quality.
    """
    with ExitStack() as stack:
        sinks = [stack.enter_context(WRITERS[name](file, encoding)) for name, file in files.items()]
        sheet = None
        for panels in tqdm(source.panels(path, names), "video", total=len(path.c2w), unit="frame"):
            sheet = sheet or sheet_for(panels, columns)
            frame = sheet.fill(panels)
            for sink in sinks:
                sink(frame)


def choose_components(
    wanted: Sequence[str], available: Sequence[str], run: Path, has_photos: bool
) -> list[str]:
    """Return the components to show, each once; `ALL` stands for all that there are.

    Raises:
        UserError: The model doesn't have one, or there are no photos to show.
    """
    known = [name for name in available if has_photos or name != PHOTO]
    if PHOTO in wanted and not has_photos:
        raise UserError(
            f"{run}: expected the scene's photos beside the render, found --no-scene. "
            "Say where the scene is (SCENE=...), or leave photo out."
        )
    if unknown := [name for name in wanted if name not in (*known, ALL)]:
        raise UserError(
            f"{run}: expected components that this run's model has ({', '.join(known)}, or {ALL}), "
            f"found {', '.join(unknown)}."
        )
    return list(dict.fromkeys(known if ALL in wanted else wanted))


def picture_size(
    geometry: MPIGeometry, width: int | None, height: int | None, columns: int
) -> tuple[int, int]:
    """Width and height of one picture; what isn't given follows from the photos' size and shape."""
    if width is None and height is not None:
        width = round(height * geometry.width / geometry.height)
    width = width or min(geometry.width, _WIDEST_FRAME // columns - _ROOM)
    height = height or round(width * geometry.height / geometry.width)
    return max(width, _SMALLEST_PICTURE), max(height, _SMALLEST_PICTURE)


def find_rig(scene: Scene | None, geometry: MPIGeometry) -> Rig:
    """From where to look: where photos were taken, or as far as the planes reach if that isn't known.

    Raises:
        UserError: All training photos were taken from one place.
    """
    if scene is None:
        return rig_of_geometry(geometry)
    rig = rig_of_cameras(torch.stack([scene.views[i].camera.c2w for i in scene.train]), geometry)
    if not rig.reach.any():
        raise UserError(
            f"{scene.root}: expected training photos from several places, found one place, which leaves "
            "no path. Let the padding of the planes say how far one may go (--no-scene)."
        )
    return rig


def _check(options: argparse.Namespace) -> None:
    """Raise a UserError if a number is out of range."""
    fastest = LARGEST_GIF_RATE if "gif" in options.formats else _LARGEST_RATE
    positive = (sys.float_info.min, sys.float_info.max, "a positive number")
    ranges = {
        "columns": (1, math.inf, "at least 1"),
        "frames": (1, math.inf, "at least 1"),
        "seconds": positive,
        "rate": (_SMALLEST_RATE, fastest, f"{_SMALLEST_RATE:g} to {fastest} frames a second"),
        "width": (_SMALLEST_PICTURE, math.inf, f"at least {_SMALLEST_PICTURE}"),
        "height": (_SMALLEST_PICTURE, math.inf, f"at least {_SMALLEST_PICTURE}"),
        "reach": positive,
        "crf": (0, _WORST_CRF, f"0 to {_WORST_CRF}"),
    }
    for name, (least, largest, expected) in ranges.items():
        value = getattr(options, name)
        # NaN fails every comparison.
        if value is not None and not least <= value <= largest:
            raise UserError(f"--{name}: expected {expected}, found {value:g}.")


if __name__ == "__main__":
    sys.exit(main())
