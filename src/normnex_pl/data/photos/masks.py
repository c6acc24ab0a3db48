"""Masks of photos: which pixels count. What moved or doesn't belong is neither learned nor scored.

A mask is a PNG file in which black is ignored (see `mask_files` for its place), or the alpha channel of the
photo itself, of which wholly opaque pixels count. A photo with both loses what either ignores.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.decode import decode_alpha, turned
from normnex_pl.data.photos.formats import open_photo, sniff
from normnex_pl.data.photos.header import PhotoHeader, Size, Turn, read_header
from normnex_pl.data.photos.mask_files import masks_of_scene
from normnex_pl.data.photos.posed import PosedPhotos

logger = logging.getLogger(__name__)

_OPAQUE = 255


def load_masks(posed: PosedPhotos) -> PosedPhotos:
    """Load the masks of the photos, at the size of the images.

    Args:
        posed: With images, before they are undistorted or cropped.

    Raises:
        UserError: A mask can't be read, is of another shape than its photo, or leaves nothing of it; or a
            photo has two that differ.
    """
    found = masks_of_scene(posed.root, posed.files)
    named = posed.named_masks or (None,) * len(posed.files)
    candidates = [
        tuple(dict.fromkeys([*filter(None, [own]), *beside]))
        for own, beside in zip(named, found, strict=True)
    ]
    masks = tuple(
        load_mask(read_header(photo), files, (image.shape[1], image.shape[0]), "stored")
        for photo, files, image in zip(posed.files, candidates, posed.images, strict=True)
    )
    if ignoring := sum(mask is not None for mask in masks):
        logger.info("%s: masks ignore pixels of %d of %d photos", posed.root, ignoring, len(masks))
    used = tuple(sorted({path for files in candidates for path in files}))
    return replace(posed, masks=masks, mask_files=used)


def load_mask(
    photo: PhotoHeader, files: Sequence[Path], size: Size, turn: Turn
) -> Bool[Tensor, "height width"] | None:
    """Load the mask of a photo from its files and the photo's own alpha channel.

    Args:
        photo: Header of the photo.
        files: The same mask once or several times.
        size: Width and height of the mask, not more than the photo's.
        turn: Whether the photo's EXIF orientation is applied; a mask may be of the turned photo too.

    Returns:
        Which pixels count; None for all of them.

    Raises:
        UserError: A file can't be read, is of another shape, or leaves nothing; or two files differ.
    """
    parts = [shrink_mask(_tensor(_turn_to(photo, files, turn)), size)] if files else []
    alpha = decode_alpha(photo, turn)
    if alpha is not None:
        opaque = _nonempty(photo.path, np.asarray(alpha) == _OPAQUE, "opaque pixels")
        parts.append(shrink_mask(_tensor(opaque), size))
    if not parts:
        return None
    mask = torch.stack(parts).all(dim=0)
    return None if mask.all() else mask


def check_masks(posed: PosedPhotos) -> None:
    """Raise a UserError unless each photo shows a pixel that counts with its right and lower neighbours.

    Args:
        posed: With images and masks as they are trained on.
    """
    for path, mask in zip(posed.files, posed.masks, strict=True):
        if mask is not None and not whole_triplets(mask).any():
            raise UserError(
                f"{path}: expected pixels that its mask leaves, found none with neighbours. Correct the mask "
                "(black is ignored), or remove the photo with its pose."
            )


def whole_triplets(mask: Bool[Tensor, "height width"]) -> Bool[Tensor, "rows columns"]:
    """Return which pixels count with their right and lower neighbours; the last row and column have none."""
    return mask[:-1, :-1] & mask[:-1, 1:] & mask[1:, :-1]


def shrink_mask(mask: Bool[Tensor, "height width"], size: Size) -> Bool[Tensor, "lower narrower"]:
    """Scale a mask to a width and a height: a pixel counts if all pixels do that it covers."""
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    ignored = (~mask)[None, None].float()
    return F.adaptive_max_pool2d(ignored, (size[1], size[0]))[0, 0] == 0


def read_mask(path: Path) -> Bool[np.ndarray, "height width"]:
    """Read a mask: black pixels are ignored, and all others count.

    Raises:
        UserError: It isn't a readable PNG file, or it is all black.
    """
    kind = sniff(path) if path.is_file() else "nothing there"
    if kind != "PNG":
        raise UserError(
            f"{path}: expected a mask as PNG file, found {kind or 'other data'}. Save it as PNG, in which "
            "black stays black, or remove it."
        )
    try:
        with open_photo(path) as image:
            image.load()
            values = np.asarray(image if image.mode in ("1", "L", "I", "I;16") else image.convert("RGB"))
    except Exception as error:  # damaged files make decoders raise nearly anything
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: expected a mask as PNG file, found a damaged one ({reason}). Export it again, or "
            "remove it."
        ) from error
    counts = np.asarray(values > 0)
    return _nonempty(path, counts if counts.ndim == 2 else np.asarray(counts.any(axis=-1)), "white pixels")


def _nonempty(
    path: Path, mask: Bool[np.ndarray, "height width"], expected: str
) -> Bool[np.ndarray, "height width"]:
    """Return a mask, unless it ignores everything."""
    if not mask.any():
        raise UserError(
            f"{path}: expected {expected}, which are those that count, found none. Invert the mask if it is "
            "meant the other way round, or leave the photo out (in a scene, with its pose)."
        )
    return mask


def _turn_to(photo: PhotoHeader, files: Sequence[Path], turn: Turn) -> Bool[np.ndarray, "height width"]:
    """Read the mask of a photo in the orientation that is wanted."""
    first, *others = (read_mask(path) for path in files)
    for path, other in zip(files[1:], others, strict=True):
        if not np.array_equal(first, other):
            raise UserError(
                f"{path}: expected one mask for {photo.path.name}, found another one in {files[0]}. Remove "
                "one of them."
            )
    height, width = first.shape
    if _is_copy((width, height), photo.size(turn)):
        return first
    if _is_copy((width, height), photo.size("stored")):
        return np.asarray(turned(Image.fromarray(first), photo.turn_upright))
    expected = "x".join(map(str, photo.size(turn)))
    raise UserError(
        f"{files[0]}: expected a mask of {expected} pixels, as {photo.path.name} has, or of a larger copy of "
        f"it, found {width}x{height}. Export it at the size of the photo."
    )


def _is_copy(mask: Size, photo: Size) -> bool:
    """Return whether a mask is as large as its photo, or belongs to a larger copy of it."""
    scale = mask[0] / photo[0]
    return mask == photo or (scale > 1 and abs(mask[1] - scale * photo[1]) <= scale)


def _tensor(mask: Bool[np.ndarray, "height width"]) -> Bool[Tensor, "height width"]:
    return torch.from_numpy(mask.copy())
