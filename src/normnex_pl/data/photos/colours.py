"""Colour profiles (ICC): photos of wider gamuts, such as Display P3 of phones, to sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

# In levels: profiles that differ from sRGB by no more are variants of it, and are ignored.
_SAME = 3
_PROBE_STEPS = 6
_BASES = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}


def as_stored(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a photo with the values stored in its file, as pose estimators and papers' scores use them.

    Args:
        image: With 8 bits a channel.
        profile: Colour profile, which is not applied.
    """
    return image


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a photo from its colour profile to sRGB; alpha is kept.

    Args:
        image: With 8 bits a channel, of any colour model.
        profile: As stored in the file; None is sRGB. Damaged profiles, and those of other colour models
            than the photo's, are ignored.
    """
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        base = image.convert(_BASES.get(image.mode, "RGB"))
        if base.mode == "L" and space == "RGB":
            base = base.convert("RGB")
        if _SPACES[base.mode] != space:
            return image
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), base.mode, "RGB")
        if base.mode == "RGB" and _changes_nothing(transform):
            return image
        converted = ImageCms.applyTransform(base, transform)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    if converted is None:  # only in place
        return image
    if image.has_transparency_data:
        converted.putalpha(image.convert("RGBA").getchannel("A"))
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Return whether a transform leaves samples of the whole RGB cube unchanged."""
    steps = np.linspace(0, 255, _PROBE_STEPS).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    converted = ImageCms.applyTransform(Image.fromarray(cube), transform)
    return bool(np.abs(np.asarray(converted).astype(int) - cube).max() <= _SAME)
