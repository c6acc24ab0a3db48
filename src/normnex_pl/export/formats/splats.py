"""What the two formats of Gaussian splats have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place, replacing
from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.formats.base import NotMeasuredError, ViewRenderer
from normnex_pl.export.splats.convert import SplatSettings, convert
from normnex_pl.export.splats.harmonics import HarmonicFit
from normnex_pl.export.splats.rasterisers import Rasteriser
from normnex_pl.export.splats.render import SplatRenderer
from normnex_pl.export.splats.splats import Splats

LOSES = (
    "sharpness, planes closer together than views can tell, and colours that change with the view faster "
    "than harmonics of degree 2"
)


def write_splats(
    run: Path,
    target: Path,
    device: torch.device,
    settings: SplatSettings,
    fit: HarmonicFit,
    write: Callable[[Path, Splats], None],
) -> Path:
    """Convert the baked image of a run, and write the splats whole or not at all.

    Raises:
        UserError: There is no image, or nothing can be written there.
    """
    folder = baked_folder(run)
    check_place(target.parent)
    splats = convert(BakedMPI.read(folder).to(device), settings, fit).to(torch.device("cpu"))
    with replacing(target) as temporary:
        write(temporary, splats)
    return target


def splat_view_renderer(
    path: Path,
    device: torch.device,
    read: Callable[[Path], Splats],
    find: Callable[[torch.device], SplatRenderer | None],
    rasteriser: Rasteriser,
) -> ViewRenderer:
    """Return a renderer of a file.

    Raises:
        NotMeasuredError: There is none here.
    """
    render = find(device)
    if render is None:
        raise NotMeasuredError("splats are rendered by gsplat on a GPU, and one of them isn't here.")
    splats = read(path).to(device)
    return lambda camera: render(splats, camera, rasteriser)


def expect_at_most(settings: SplatSettings, most: int) -> None:
    """Refuse more splats than readers of a format accept.

    Raises:
        UserError: The settings allow more.
    """
    if settings.most * 1e6 > most:
        raise UserError(f"--splats: expected at most {most / 1e6:g} million, found {settings.most:g}.")
