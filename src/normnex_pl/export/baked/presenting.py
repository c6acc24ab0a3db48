"""Presentations as files that people edit, and in baked images.

A file is the JSON of a `PresentationEntry`, but for ``poster``, which is a picture: a path from the file's
folder, or a ``data:`` address as the viewer writes it.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from pydantic import TypeAdapter, ValidationError

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing
from normnex_pl.export.baked.files import (
    MANIFEST,
    describe_file,
    first_error,
    read_file,
    read_manifest,
    write_manifest,
)
from normnex_pl.export.baked.manifest import Manifest
from normnex_pl.export.baked.presentation import PresentationEntry, SavedView

_LOG = logging.getLogger(__name__)
_ENTRY = TypeAdapter(PresentationEntry)
_ADVICE = "Write one with the viewer (Edit and embed, Download), or see the guide on presenting a scene."
_POSTER_SIDE = 1280  # pixels at most
_POSTER_QUALITY = 85


@dataclass(frozen=True)
class Presentation:
    """A presentation that isn't in an image yet.

    Attributes:
        entry: All but the poster.
        poster: A WebP file's content; None for no poster.
    """

    entry: PresentationEntry
    poster: bytes | None = None


def read_presentation(path: Path) -> Presentation:
    """Read a presentation from a file.

    Raises:
        UserError: It is missing, damaged or something else, or its poster isn't a picture.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: expected a presentation, found no file. {_ADVICE}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected JSON, found a damaged file ({error}). {_ADVICE}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected an object, found {type(content).__name__}. {_ADVICE}")
    _refuse_unknown(path, content)
    poster = content.pop("poster", None)
    try:
        entry = _ENTRY.validate_json(json.dumps(content))
    except ValidationError as error:
        raise UserError(f"{path}: expected a presentation, found {first_error(error)}. {_ADVICE}") from None
    return Presentation(entry, None if poster is None else _read_poster(path, poster))


def stored_presentation(folder: Path) -> Presentation | None:
    """Return the presentation of a baked image; None if it has none, or can't be read any more.

    The latter is said on the log, since a new image then loses what somebody has written.
    """
    if not (folder / MANIFEST).exists():
        return None
    try:
        entry = read_manifest(folder).presentation
        if entry is None:
            return None
        poster = None if entry.poster is None else read_file(folder, entry.poster)
    except UserError as error:
        _LOG.warning("%s: the older image's presentation, if it had one, isn't kept: %s", folder, error)
        return None
    return Presentation(replace(entry, poster=None), poster)


def write_poster(folder: Path, presentation: Presentation) -> PresentationEntry:
    """Write the poster, if there is one, into a baked image's folder; return the manifest's entry."""
    if presentation.poster is None:
        return presentation.entry
    # The name changes with the content: the manifest in place fits its own poster at all times.
    name = f"poster_{hashlib.sha256(presentation.poster).hexdigest()[:8]}.webp"
    with replacing(folder / name) as temporary:
        temporary.write_bytes(presentation.poster)
    return replace(presentation.entry, poster=describe_file(folder / name))


def present(folder: Path, presentation: Presentation) -> Manifest:
    """Give a baked image a presentation, in place of the one that it has.

    Returns:
        The new manifest.

    Raises:
        UserError: There is no image, or it is damaged.
    """
    old = read_manifest(folder)
    before = old.presentation.poster if old.presentation else None
    entry = write_poster(folder, presentation)
    change = (entry.poster.bytes if entry.poster else 0) - (before.bytes if before else 0)
    sizes = replace(old.bytes, disk=old.bytes.disk + change)
    manifest = replace(old, presentation=entry, bytes=sizes)
    write_manifest(folder, manifest)
    if before is not None and before != entry.poster:
        (folder / before.file).unlink(missing_ok=True)
    return manifest


def allow_origins(folder: Path, origins: tuple[str, ...]) -> None:
    """Let pages of other sites control the viewer of an image that they embed.

    Args:
        folder: The image.
        origins: See `PresentationEntry`; they replace those that it has.

    Raises:
        UserError: One of them isn't an origin.
    """
    stored = stored_presentation(folder) or Presentation(PresentationEntry())
    try:
        entry = replace(stored.entry, origins=tuple(map(_normalized, origins)))
    except ValidationError as error:
        raise UserError(
            "--origins: expected addresses such as https://example.org, without a path, found others "
            f"({first_error(error)})."
        ) from None
    present(folder, Presentation(entry, stored.poster))


def _normalized(origin: str) -> str:
    """Return an origin as browsers write it: in small letters, without the scheme's own port."""
    text = origin.lower().removesuffix("/")
    usual = {"https://": ":443", "http://": ":80"}
    return next((text.removesuffix(port) for scheme, port in usual.items() if text.startswith(scheme)), text)


def _refuse_unknown(path: Path, content: dict[str, Any]) -> None:
    """Refuse names that mean nothing, such as misspelt ones."""
    views = content.get("views")
    listed = views if isinstance(views, list) else []
    parts: list[tuple[str, object, type]] = [("", content, PresentationEntry)]
    parts += [(f"views[{i}].", view, SavedView) for i, view in enumerate(listed)]
    for where, part, kind in parts:
        known = [field.name for field in dataclasses.fields(kind)]
        unknown = [name for name in part if name not in known] if isinstance(part, dict) else []
        if unknown:
            raise UserError(f"{path}: expected {', '.join(known)}, found {where}{unknown[0]}. {_ADVICE}")


def _read_poster(path: Path, poster: object) -> bytes:
    """Read a picture and return it as a WebP file of a moderate size."""
    try:
        if not isinstance(poster, str):
            raise ValueError(f"{type(poster).__name__}")
        if poster.startswith("data:"):
            content = base64.b64decode(poster.partition(",")[2], validate=True)
        else:
            content = (path.parent / poster).read_bytes()
        with Image.open(io.BytesIO(content)) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path}: poster: expected a picture's path from this file's folder, or a data: address, found "
            f"another value ({error})."
        ) from None
    image.thumbnail((_POSTER_SIDE, _POSTER_SIDE))
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=_POSTER_QUALITY)
    return stream.getvalue()
