"""``normnex export RUN --format=NAME --output=PATH``: a run for other programs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from normnex_pl.cli.stereo import StereoOptions
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import folder_name
from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.formats import FORMATS, ExportFormat
from normnex_pl.export.formats.base import NotMeasuredError
from normnex_pl.export.formats.score import score_export
from normnex_pl.export.splats.rasterisers import RASTERISERS
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.trained_run import find_device, read_run

# Where an option belongs in a format: the names of fields from the outside in.
_PLACES = {
    "quality": ("quality",),
    "pictures": ("pictures",),
    "layers": ("layers",),
    "splats": ("settings", "most"),
    "rasteriser": ("settings", "rasteriser"),
    "eye_distance": ("eyes", "distance"),
    "convergence": ("eyes", "convergence"),
    "quilt_columns": ("layout", "columns"),
    "quilt_rows": ("layout", "rows"),
    "quilt_aspect": ("layout", "aspect"),
}


@dataclass(frozen=True)
class Options:
    """Write a trained and baked run in a format for other programs.

    Attributes:
        run: Folder of the run.
        format: Name of the format, see below.
        output: File or folder to write; by default in export/ beside the run's own files.
        scene: Folder of the scene with the held-out views that score the export, if it has moved.
        device: Such as cpu or cuda:1; by default a GPU if there is one.
        no_score: Don't render the export to compare it with the held-out views.
        quality: Of html: 1 to 100, of lossy base colours and opacities; by default nothing is lost.
        pictures: Of layers: png (8 bits, sRGB) or exr (half floats, linear, premultiplied, with depth).
        layers: Of glb, gltf and layers: how many to write; by default as many as the model has.
        splats: Of ply and spz: how many to write at most, in millions.
        rasteriser: Of ply and spz: what splats are made for: antialiased (Spark, and viewers with that switch
            on) or classic (the original, and viewers with it off); by default antialiased.
        eyes: Where viewpoints stand, and the shape of a quilt.
    """

    notes: ClassVar[str] = "\n".join(
        ["formats:", *(f"  {one.name}: {one.summary}\n    loses {one.loses}" for one in FORMATS.values())]
    )

    run: Path
    format: str = "mpi"
    output: Path | None = None
    scene: Path | None = None
    device: str | None = None
    no_score: bool = False
    quality: int | None = None
    pictures: Literal["png", "exr"] | None = None
    layers: int | None = None
    splats: float | None = None
    rasteriser: Literal["antialiased", "classic"] | None = None
    eyes: StereoOptions = field(default_factory=StereoOptions)


def run(options: Options) -> None:
    """Write the files, and say what they hold and lose."""
    chosen = configured_format(options)
    baked_folder(options.run)
    device = find_device(options.device)
    folder = RunFolder(options.run).exports
    target = options.output or folder / chosen.default_name(folder_name(options.run))
    written = chosen.write(options.run, target, device)
    print(f"{written} is written, {_bytes_of(written) / 1e6:.2f} MB")  # noqa: T201
    print(f"It loses {chosen.loses}.")  # noqa: T201
    if not options.no_score:
        print(_score(chosen, written, options, device))  # noqa: T201


def configured_format(options: Options) -> ExportFormat:
    """Return the format that options name, with those that concern it.

    Raises:
        UserError: There is no such format, or it doesn't have one of the options.
    """
    chosen = FORMATS.get(options.format)
    if chosen is None:
        raise UserError(f"--format: expected one of {', '.join(FORMATS)}, found {options.format}.")
    values = vars(options) | vars(options.eyes)
    for name, place in _PLACES.items():
        value = values[name]
        if value is None:
            continue
        if not _has(chosen, place):
            having = ", ".join(other for other, one in FORMATS.items() if _has(one, place))
            raise UserError(
                f"--{name}: expected a format that has it ({having}), found {options.format}. Leave it out."
            )
        chosen = _with(chosen, place, RASTERISERS[value] if name == "rasteriser" else value)
    return chosen


def _has(part: Any, place: tuple[str, ...]) -> bool:
    for name in place:
        if name not in getattr(part, "__dataclass_fields__", {}):
            return False
        part = getattr(part, name)
    return True


def _with(part: Any, place: tuple[str, ...], value: Any) -> Any:
    """Return a copy in which the field at a place has another value."""
    name, *others = place
    inner = _with(getattr(part, name), tuple(others), value) if others else value
    return replace(part, **{name: inner})


def _bytes_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _score(chosen: ExportFormat, written: Path, options: Options, device: torch.device) -> str:
    """Say how close the export is to the held-out views, beside the baked image, or why that isn't known."""
    try:
        render = chosen.open(written, device)
        scene = read_run(options.run, options.scene, device).data.scene
    except NotMeasuredError as error:
        return f"PSNR not measured: {error}"
    except UserError as error:
        return f"PSNR not measured, which needs the run and its scene: {error}"
    views = [scene.views[i].to(device) for i in scene.test]
    if not views:
        return "PSNR not measured: the scene has no held-out views."
    score = score_export(render, views)
    baked = (RunFolder(options.run).read_metrics().get("baked") or {}).get("psnr")
    beside = "" if baked is None else f"; the baked image has {baked:.2f} dB"
    return f"PSNR on {score.views} held-out views: {score.psnr:.2f} dB{beside}"
