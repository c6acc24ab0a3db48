"""Make a video of a trained run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from tqdm import tqdm

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry, Scene
from normnex_pl.export.paths import PATHS, CameraPath, Rig, rig_of_cameras, rig_of_geometry
from normnex_pl.export.video.files import WRITERS, Encoding
from normnex_pl.export.video.frames import PHOTO, FrameSource, available_components
from normnex_pl.export.video.settings import SMALLEST_PICTURE, VideoSettings
from normnex_pl.export.video.sheets import columns_for, sheet_for
from normnex_pl.training.module import NormNeXModule

ALL = "all"
# Many players refuse much larger frames; a grid's pictures are scaled to fit unless a width is given.
_WIDEST_FRAME = 1920
_ROOM = 16  # for a picture's margins


def make_videos(
    run: Path, module: NormNeXModule, scene: Scene | None, settings: VideoSettings, folder: Path
) -> list[Path]:
    """Render the videos of a run into a folder.

    Args:
        run: Folder of the run, for messages.
        module: Its model.
        scene: Its scene; None shows no photos, and goes as far as the planes reach.
        settings: What to show.
        folder: To write into.

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
    files: dict[str, Path] = {name: folder / f"{stem}.{name}" for name in settings.formats}
    write_videos(files, source, path, names, columns, Encoding(settings.rate, settings.crf))
    return list(files.values())


def write_videos(
    files: Mapping[str, Path],
    source: FrameSource,
    path: CameraPath,
    names: Sequence[str],
    columns: int,
    encoding: Encoding,
) -> None:
    """Render each frame of a path once, and encode it in all formats.

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
