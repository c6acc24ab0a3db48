"""Parts of a model by their names in the manifest, and back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from normnex_pl.core.errors import UserError
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
def describe_color(color: ColorModel) -> dict[str, Any]:
    """What the manifest says of a colour model.

    Raises:
        UserError: It has no name there.
    """
    raise _unknown("model.color", "RGBColor, YCbCrColor or AdditiveYCbCrColor", color)


@describe_color.register
def _(color: RGBColor) -> dict[str, Any]:
    return {"model": "rgb", "signed": True}


@describe_color.register
def _(color: YCbCrColor) -> dict[str, Any]:
    return {"model": "ycbcr", "signed": color.luma.signed}


@describe_color.register
def _(color: AdditiveYCbCrColor) -> dict[str, Any]:
    return {"model": "additive_ycbcr", "signed": color.luma.signed}


def make_color(description: dict[str, Any]) -> ColorModel:
    """Return the colour model that `describe_color` described."""
    luma = SignedLuma() if description["signed"] else NonnegativeLuma()
    models: dict[str, ColorModel] = {
        "rgb": RGBColor(),
        "ycbcr": YCbCrColor(luma),
        "additive_ycbcr": AdditiveYCbCrColor(luma),
    }
    return models[description["model"]]


def background_name(background: Background) -> str:
    """What the manifest calls a background.

    Raises:
        UserError: It has no name there.
    """
    return _name_of(background, _BACKGROUNDS, "model.background", "ClearBackground or OpaqueLastPlane")


def make_background(name: str) -> Background:
    """Return the background of that name."""
    return _BACKGROUNDS[name]()


def normals_name(normals: NormalModel) -> str:
    """What the manifest calls a model of normals.

    Raises:
        UserError: It has no name there.
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
        "Name it in export/parts.py and in the manifest."
    )
