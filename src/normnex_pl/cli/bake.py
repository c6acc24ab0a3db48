"""``normnex bake RUN``: a run's multiplane image as files for viewers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from normnex_pl.core.files import check_place
from normnex_pl.export.baked.bake import bake_run
from normnex_pl.export.baked.pipeline import BakeSettings
from normnex_pl.export.baked.presenting import read_presentation
from normnex_pl.export.baked.renderers import TorchRenderer, find_renderer
from normnex_pl.export.baked.scores import report
from normnex_pl.training.trained_run import find_device, read_run


@dataclass(frozen=True)
class Options:
    """Bake a run's multiplane image into its folder mpi/, and score the files on the held-out views.

    Attributes:
        run: Folder of the run.
        scene: Folder of the scene, if it has moved.
        device: Such as cpu or cuda:1; by default a GPU if there is one.
        renderer: Renders the files to score them.
        presentation: File of title, text, poster and saved views, as the viewer writes it; by default those
            of an older bake are kept.
        settings: How the model is baked.
    """

    run: Path
    scene: Path | None = None
    device: str | None = None
    renderer: Literal["fastest", "torch"] = "fastest"
    presentation: Path | None = None
    settings: BakeSettings = field(default_factory=BakeSettings)


def run(options: Options) -> None:
    """Bake, score the files and print the scores."""
    device = find_device(options.device)
    renderer = find_renderer(device) if options.renderer == "fastest" else TorchRenderer()
    presentation = None if options.presentation is None else read_presentation(options.presentation)
    trained = read_run(options.run, options.scene, device)
    check_place(options.run)
    print(report(bake_run(trained, options.settings, device, renderer, presentation)))  # noqa: T201
    print(f"Look at it in a browser: normnex view {options.run}")  # noqa: T201
