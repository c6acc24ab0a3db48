"""Bake a run's multiplane image to files, and judge them: ``make bake RUN=path``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from normnex_pl.core.checkout import checkout_commit
from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.renderers import Renderer, TorchRenderer, find_renderer
from normnex_pl.export.baked.scores import judge_baked, report
from normnex_pl.export.baked.tiled_texture import Encoding
from normnex_pl.export.baked.writer import BakeSettings, bake
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_weights import model_digest
from normnex_pl.training.trained_run import TrainedRun, find_device, read_run


def bake_run(
    run: TrainedRun, settings: BakeSettings, device: torch.device, renderer: Renderer
) -> dict[str, Any]:
    """Bake a run into its folder, judge the files and add the scores to the run's."""
    folder = RunFolder(run.folder)
    folder.read_metrics()  # refused before the work, if they are damaged
    scene = run.data.scene
    cameras = [scene.views[i].to(device).camera for i in run.data.train_views]
    digest = model_digest(run.module.mpi)
    provenance = {
        "scene": scene.name,
        "variant": run.variant,
        "preset": run.preset,
        "steps": run.module.record.steps,
        "model": digest,
        "commit": checkout_commit(),
    }
    bake(run.module.mpi, cameras, folder.baked, settings, provenance)
    folder.forget_baked_scores()  # those of the files that are gone, should the judging be interrupted
    views = [scene.views[i].to(device) for i in scene.test]
    scores = judge_baked(folder.baked, views, run.module.mpi, device, renderer)
    folder.store_baked_scores(scores, digest)
    return scores


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    result = argparse.ArgumentParser(
        prog="bake", description="Bakes a run's multiplane image into its folder mpi/.", allow_abbrev=False
    )
    default = BakeSettings()
    result.add_argument("--run", type=Path, required=True, help="folder of the run")
    result.add_argument("--scene", type=Path, help="folder of the scene, if it moved")
    result.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    result.add_argument("--renderer", choices=("fastest", "torch"), default="fastest", help="to judge it by")
    result.add_argument(
        "--threshold",
        type=float,
        default=default.threshold,
        help=f"least weight, in any pixel, of a tile that is kept; default: {default.threshold:g}",
    )
    result.add_argument("--alpha_pixels", type=float, help="canvas pixels along a texel of the opacities")
    result.add_argument("--feature_pixels", type=float, help="canvas pixels along a texel of the features")
    result.add_argument(
        "--tolerance",
        type=float,
        default=default.tolerance,
        help="8-bit levels by which rounding a texel's base colour may move a pixel; 0 rounds nothing; "
        f"default: {default.tolerance:g}",
    )
    result.add_argument("--format", choices=("webp", "png"), default="webp", help="default: webp")
    result.add_argument("--quality", type=int, help="of lossy WebP for base colours; default: lossless")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 2 for bad input."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = parser().parse_args(arguments)
    try:
        device = find_device(options.device)
        settings = _settings(options)
        renderer = find_renderer(device) if options.renderer == "fastest" else TorchRenderer()
        run = read_run(options.run, options.scene, device)
        print(report(bake_run(run, settings, device, renderer)))  # noqa: T201
        print(f"Look at it in a browser: make view RUN={options.run}")  # noqa: T201
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _settings(options: argparse.Namespace) -> BakeSettings:
    """Check the options."""
    for name in ("alpha_pixels", "feature_pixels"):
        value = getattr(options, name)
        if value is not None and not value >= 0.5:
            raise UserError(f"--{name}: expected at least 0.5 pixels, found {value:g}.")
    if not 0 <= options.threshold <= 1:
        raise UserError(f"--threshold: expected a weight from 0 to 1, found {options.threshold:g}.")
    if not 0 <= options.tolerance <= 128:
        raise UserError(f"--tolerance: expected 0 to 128 levels, found {options.tolerance:g}.")
    if options.quality is not None and (options.format != "webp" or not 1 <= options.quality <= 100):
        raise UserError(
            f"--quality: expected 1 to 100, of WebP, found {options.quality} of {options.format}."
        )
    exact = Encoding(options.format)
    color = Encoding(options.format, options.quality)
    pixels = (options.alpha_pixels, options.feature_pixels)
    return BakeSettings(options.threshold, *pixels, options.tolerance, color, exact)


if __name__ == "__main__":
    sys.exit(main())
