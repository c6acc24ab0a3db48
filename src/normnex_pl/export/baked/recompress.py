"""Copy a baked multiplane image with smaller pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from normnex_pl.export.baked.entries import FileEntry, TextureEntry
from normnex_pl.export.baked.files import describe_file, read_file, read_manifest, write_manifest
from normnex_pl.export.baked.manifest import Manifest
from normnex_pl.export.baked.parallel import in_parallel
from normnex_pl.export.baked.steps.write import Encoding
from normnex_pl.export.baked.tiled_texture import decode_picture


def recompress(source: Path, target: Path, quality: int) -> Manifest:
    """Copy a baked image with base colours and opacities in lossy WebP.

    Features are copied as they are: three unrelated channels make no picture whose chroma could be blurred.

    Args:
        source: The image.
        target: An existing folder.
        quality: 1 to 100.

    Returns:
        The manifest of the copy.

    Raises:
        UserError: A file is missing, or isn't what was baked.
    """
    manifest = read_manifest(source)
    textures = manifest.textures
    lossy = Encoding("webp", quality)
    written = replace(
        textures,
        alpha=_reencoded(source, target, textures.alpha, lossy),
        base_color=_reencoded(source, target, textures.base_color, lossy),
    )
    copied = replace(manifest, textures=written)
    kept = [entry for entry in copied.files if entry in manifest.files]
    for entry in kept:
        (target / entry.file).write_bytes(read_file(source, entry))
    copied = replace(copied, bytes=replace(copied.bytes, disk=sum(entry.bytes for entry in copied.files)))
    write_manifest(target, copied)
    return copied


def _reencoded(source: Path, target: Path, texture: TextureEntry, encoding: Encoding) -> TextureEntry:
    """Write the pictures of a texture anew; those that wouldn't get smaller stay as they are."""
    layout = texture.layout

    def write(entry: FileEntry) -> FileEntry:
        pixels = decode_picture(source, entry, (layout.height, layout.width))
        shown = pixels[..., :1] if texture.channels == 1 else pixels
        path = encoding.write(shown, target / Path(entry.file).stem)
        found = describe_file(path)
        if found.bytes < entry.bytes:
            return found
        path.unlink()
        return entry

    files = [entry for page in texture.files for entry in page]
    renewed = dict(zip(files, in_parallel(write, files), strict=True))
    return replace(texture, files=tuple(tuple(renewed[entry] for entry in page) for page in texture.files))
