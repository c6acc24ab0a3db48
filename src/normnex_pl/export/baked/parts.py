"""Parts of a model and their names in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch

from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.entries import ColorEntry
from normnex_pl.model.appearance import (
    AdditiveYCbCrColor,
    Background,
    ClearBackground,
    ColorModel,
    FlatNormals,
    NonnegativeLuma,
    NoNormals,
    NormalModel,
    OpaqueLastPlane,
    PredictedNormals,
    RGBColor,
    SignedLuma,
    YCbCrColor,
)

_BACKGROUNDS: dict[str, type[Background]] = {"clear": ClearBackground, "opaque_last_plane": OpaqueLastPlane}
_NORMALS: dict[str, type[NormalModel]] = {
    "none": NoNormals,
    "predicted": PredictedNormals,
    "flat": FlatNormals,
}


@singledispatch
def describe_color(color: ColorModel) -> ColorEntry:
    """Return the manifest's entry of a colour model.

    Raises:
        UserError: It has none.
    """
    raise _unknown("model.color", "RGBColor, YCbCrColor or AdditiveYCbCrColor", color)


@describe_color.register
def _(color: RGBColor) -> ColorEntry:
    return ColorEntry("rgb", True)


@describe_color.register
def _(color: YCbCrColor) -> ColorEntry:
    return ColorEntry("ycbcr", color.luma.signed)


@describe_color.register
def _(color: AdditiveYCbCrColor) -> ColorEntry:
    return ColorEntry("additive_ycbcr", color.luma.signed)


def make_color(entry: ColorEntry) -> ColorModel:
    """Return the colour model of an entry: the inverse of `describe_color`."""
    luma = SignedLuma() if entry.signed else NonnegativeLuma()
    models: dict[str, ColorModel] = {
        "rgb": RGBColor(),
        "ycbcr": YCbCrColor(luma),
        "additive_ycbcr": AdditiveYCbCrColor(luma),
    }
    return models[entry.model]


def background_name(background: Background) -> str:
    """Return the manifest's name of a background.

    Raises:
        UserError: It has none.
    """
    return _name_of(background, _BACKGROUNDS, "model.background", "ClearBackground or OpaqueLastPlane")


def make_background(name: str) -> Background:
    """Return the background of that name."""
    return _BACKGROUNDS[name]()


def normals_name(normals: NormalModel) -> str:
    """Return the manifest's name of a model of normals.

    Raises:
        UserError: It has none.
    """
    return _name_of(normals, _NORMALS, "model.normals", "NoNormals, PredictedNormals or FlatNormals")


def make_normals(name: str) -> NormalModel:
    """Return the model of normals of that name."""
    return _NORMALS[name]()


def _name_of(part: object, names: Mapping[str, type], setting: str, expected: str) -> str:
    for name, known in names.items():
        if type(part) is known:
            return name
    raise _unknown(setting, expected, part)


def _unknown(setting: str, expected: str, found: object) -> UserError:
    return UserError(
        f"{setting}: expected {expected}, found {type(found).__name__}, which can't be baked. "
        "Name it in export/baked/parts.py and in export/baked/manifest.py."
    )
