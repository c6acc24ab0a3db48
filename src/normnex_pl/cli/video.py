"""``normnex video RUN``: a loop through a trained run."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from normnex_pl.cli.stereo import StereoOptions, make_eyes, make_layout
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place
from normnex_pl.export.video.make import make_videos
from normnex_pl.export.video.settings import VideoSettings
from normnex_pl.export.video.stereo import StereoVideo
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.trained_run import find_device, load_module, read_run

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """Render a loop through a trained run into RUN/video/PATH_COMPONENTS.mp4.

    Attributes:
        run: Folder of a trained run.
        scene: Folder of the run's scene, if it has moved.
        no_scene: Do without the scene: no photos, and paths as wide as the padding of the planes.
        device: Such as cpu or cuda:1; by default a GPU if there is one.
        out: Folder to write into; by default RUN/video.
        stereo: Show several viewpoints at once: a pair side by side, in full or in half width, one picture
            for red and cyan glasses, or a quilt for a Looking Glass display.
        eyes: Where the viewpoints stand, and the shape of a quilt.
        settings: What the video shows.
    """

    run: Path
    scene: Path | None = None
    no_scene: bool = False
    device: str | None = None
    out: Path | None = None
    stereo: Literal["side_by_side", "half_side_by_side", "anaglyph", "quilt"] | None = None
    eyes: StereoOptions = field(default_factory=StereoOptions)
    settings: VideoSettings = field(default_factory=VideoSettings)

    def __post_init__(self) -> None:
        """Raise a UserError if options contradict each other."""
        if self.scene is not None and self.no_scene:
            raise UserError("--scene, --no-scene: expected one of them, found both. Leave one out.")
        if self.stereo is None and self.eyes != StereoOptions():
            raise UserError(
                "--stereo: expected beside options of eyes and quilts, found none. Choose a layout."
            )


def run(options: Options) -> None:
    """Load the model, and its scene unless --no-scene is given; render the video and write it."""
    device = find_device(options.device)
    if options.no_scene:
        module, scene = load_module(options.run, device), None
    else:
        trained = read_run(options.run, options.scene, device)
        module, scene = trained.module, trained.data.scene
    folder = options.out or RunFolder(options.run).video
    check_place(folder)
    layout = make_layout(options.stereo, options.eyes)
    stereo = None if layout is None else StereoVideo(layout, make_eyes(options.eyes))
    for path in make_videos(options.run, module, scene, options.settings, folder, stereo):
        _LOG.info("wrote %s", path)
