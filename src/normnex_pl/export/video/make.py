"""Make a video of a trained run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from tqdm import tqdm

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry, Scene
from normnex_pl.evaluation.pictures.sheet import Panel
from normnex_pl.export.paths import PATHS, Rig, capture_width, rig_of_cameras, rig_of_geometry
from normnex_pl.export.video.files import WRITERS, Encoding
from normnex_pl.export.video.frames import PHOTO, FrameSource, available_components
from normnex_pl.export.video.settings import SMALLEST_PICTURE, VideoSettings
from normnex_pl.export.video.sheets import columns_for, sheet_for
from normnex_pl.export.video.stereo import StereoVideo
from normnex_pl.training.module import NormNeXModule

ALL = "all"
# Many players refuse much larger frames; a grid's pictures are scaled to fit unless a width is given.
_WIDEST_FRAME = 1920
_ROOM = 16  # for a picture's margins


def make_videos(
    run: Path,
    module: NormNeXModule,
    scene: Scene | None,
    settings: VideoSettings,
    folder: Path,
    stereo: StereoVideo | None = None,
) -> list[Path]:
    """Render the videos of a run into a folder.

    Args:
        run: Folder of the run, for messages.
        module: Its model.
        scene: Its scene; None shows no photos, and goes as far as the planes reach.
        settings: What to show.
        folder: To write into.
        stereo: How to show several viewpoints at once; None shows one.

    Returns:
        The files.

    Raises:
        UserError: The model or the scene doesn't have what is to be shown.
    """
    mpi = module.mpi
    names = choose_components(settings.components, available_components(mpi), run, scene is not None)
    columns = settings.columns or columns_for(len(names))
    width, height = picture_size(mpi.geometry, settings.width, settings.height, columns)
    source = FrameSource(mpi, scene, width, height, module.eval_chunk_size)
    rig = find_rig(scene, mpi.geometry).scaled(settings.reach)
    path = PATHS[settings.path](rig, settings.num_frames)
    stem = f"{settings.path}_{'-'.join(names)}"
    if stereo is None:
        frames = _pages(source.panels(path, names), columns)
    else:
        frames = stereo.frames(source, path, names, rig, capture_of(scene, rig))
        stem += stereo.mark(source)
    files: dict[str, Path] = {name: folder / f"{stem}.{name}" for name in settings.formats}
    write_videos(files, frames, settings)
    return list(files.values())


def _pages(panels: Iterator[list[Panel]], columns: int) -> Iterator[UInt8[np.ndarray, "_ _ 3"]]:
    """Yield the panels of each frame on a page."""
    sheet = None
    for some in panels:
        sheet = sheet or sheet_for(some, columns)
        yield sheet.fill(some)


def write_videos(
    files: Mapping[str, Path], frames: Iterator[UInt8[np.ndarray, "_ _ 3"]], settings: VideoSettings
) -> None:
    """Encode frames in all formats.

    Args:
        files: By format.
        frames: Of one size.
        settings: Give rate, quality, and the number of frames.
    """
    encoding = Encoding(settings.rate, settings.crf)
    with ExitStack() as stack:
        sinks = [stack.enter_context(WRITERS[name](file, encoding)) for name, file in files.items()]
        for frame in tqdm(frames, "video", total=settings.num_frames, unit="frame"):
            for sink in sinks:
                sink(frame)


def capture_of(scene: Scene | None, rig: Rig) -> float:
    """Return the width of a capture in world units; without a scene, that of the rig."""
    if scene is None:
        return 2 * float(rig.reach[0])
    return capture_width(torch.stack([scene.views[i].camera.c2w for i in scene.train]))


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
            "Say where the scene is (--scene=...), or leave photo out."
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
    """Return width and height of one picture; missing ones follow from the photos' size and shape."""
    if width is None and height is not None:
        width = round(height * geometry.width / geometry.height)
    width = width or min(geometry.width, _WIDEST_FRAME // columns - _ROOM)
    height = height or round(width * geometry.height / geometry.width)
    return max(width, SMALLEST_PICTURE), max(height, SMALLEST_PICTURE)


def find_rig(scene: Scene | None, geometry: MPIGeometry) -> Rig:
    """Return the rig of the training cameras, or one as wide as the planes reach if there is no scene.

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
