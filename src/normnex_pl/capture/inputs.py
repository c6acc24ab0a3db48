"""The photos that a scene is prepared from, or the frames of a video, and what their headers say."""

from __future__ import annotations

import logging
from dataclasses import astuple, dataclass
from pathlib import Path, PurePath

import numpy as np

from normnex_pl.capture.findings import FEWEST, focal_warning
from normnex_pl.capture.photos import find_photos, read_header
from normnex_pl.capture.sizes import Size, common_size
from normnex_pl.capture.video_color import color_warning, read_color
from normnex_pl.capture.video_frames import extract_frames
from normnex_pl.capture.work_folder import WorkFolder, hash_file, hash_of
from normnex_pl.core.errors import UserError
from normnex_pl.data.photos import header
from normnex_pl.data.photos.conversion import Conversion, conversion_of
from normnex_pl.data.photos.mask_files import MASKS, masks_in

logger = logging.getLogger(__name__)

# Raised when a step writes something else: results of earlier versions are then discarded.
VERSION = 4


@dataclass(frozen=True)
class GivenPhotos:
    """The photos that are given, or picked from a video.

    Attributes:
        source: The folder or the video.
        files: Sorted by name.
        names: Of the photos in the scene.
        size: Width and height of the copies in pixels.
        focal: Focal length in pixels of the copies, where the photos tell it.
        key: Hash of the names and contents of photos and masks, and of the size.
        warnings: Sentences.
        masks: The files of each photo's mask, of which there should be one or none.
        conversion: Of photos with wide pixels to bytes.
    """

    source: Path
    files: tuple[Path, ...]
    names: tuple[str, ...]
    size: Size
    focal: float | None
    key: str
    warnings: tuple[str, ...]
    masks: tuple[tuple[Path, ...], ...]
    conversion: Conversion


def check_places(source: Path, scene: Path) -> None:
    """Raise a UserError if the photos are missing, or the scene can't be written where it is wanted."""
    if not source.exists():
        raise UserError(
            f"{source}: expected a folder of photos or a video, found nothing there. Check the path."
        )
    if source.resolve() in (scene.resolve(), *scene.resolve().parents):
        raise UserError(
            f"{scene}: expected a folder for the scene outside of that of the photos, found one in {source}. "
            "Give another SCENE."
        )
    here = Path.cwd()
    if scene.resolve() in (here, *here.parents):
        raise UserError(
            f"{scene}: expected a folder that nothing is done in, since the scene appears there as a whole, "
            f"found the working directory or one above it. Give another SCENE, such as {scene / 'scene'}."
        )
    if scene.exists() and not scene.is_dir():
        raise UserError(f"{scene}: expected a folder for the scene, found a file. Give another SCENE.")


def read_given(source: Path, longest: int, frames: int, work: WorkFolder) -> GivenPhotos:
    """Find the photos, or pick frames, and read their headers.

    Args:
        source: A folder of photos, or a video.
        longest: Largest side of the copies in pixels.
        frames: How many to pick from a video.
        work: Where picked frames are kept.

    Raises:
        UserError: There are too few photos, one can't be read, or they are of several shapes.
    """
    warnings = []
    if source.is_dir():
        files = find_photos(source)
    else:
        logger.info("frames of %s", source)
        color = read_color(source)
        warnings.append(color_warning(color))
        key = hash_of([hash_file(source), frames, VERSION, astuple(color)])
        files = extract_frames(source, work.stage("frames", key), frames, FEWEST)
    if len(files) < FEWEST:
        raise UserError(
            f"{source}: expected at least {FEWEST} photos, better 15 to 40, found {len(files)}. Take more, "
            "from places a little apart that all face the scene."
        )
    headers = [read_header(path) for path in files]
    sizes, focals = [size for size, _ in headers], [focal for _, focal in headers]
    size = common_size(files, sizes, longest)
    known = [focal for focal in focals if focal is not None]
    other_lens = focal_warning([path.name for path in files], focals)
    warnings.append(other_lens)
    # Of several focal lengths none is known to hold for most photos.
    focal = float(np.median(known)) * float(np.hypot(*size)) if known and not other_lens else None
    masks = tuple(masks_of(source, path) for path in files)
    contents = [[path.stem, *map(hash_file, (path, *own))] for path, own in zip(files, masks, strict=True)]
    return GivenPhotos(
        source=source,
        files=files,
        names=tuple(f"{path.stem}.jpg" for path in files),
        size=size,
        focal=focal,
        key=hash_of([contents, size, VERSION]),
        warnings=tuple(filter(None, warnings)),
        masks=masks,
        conversion=conversion_of([header.read_header(path) for path in files]),
    )


def masks_of(source: Path, photo: Path) -> tuple[Path, ...]:
    """Find the mask of a photo in ``masks/`` beside the folder of the photos; frames of videos have none."""
    return masks_in(source.resolve().parent / MASKS, PurePath(photo.name)) if source.is_dir() else ()
