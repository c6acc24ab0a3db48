"""Published scores of LLFF's scenes at 1008x756, every 8th photo held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """The figures of a paper.

    Attributes:
        name: Who, and on what.
        scores: By the name of the score in ``metrics.json``, then by scene.
    """

    name: str
    scores: Mapping[str, Mapping[str, float]]


_SCENES = ("fern", "flower", "fortress", "horns", "leaves", "orchids", "room", "trex")


def _all_scenes(*values: float) -> dict[str, float]:
    return dict(zip(_SCENES, values, strict=True))


PUBLISHED = (
    # Wizadwongsa et al., CVPR 2021.
    Published(
        "NeX, published (undistorted photos)",
        {
            "psnr": _all_scenes(25.63, 28.90, 31.67, 28.46, 21.96, 20.42, 32.32, 28.73),
            "ssim_nex": _all_scenes(0.887, 0.933, 0.952, 0.934, 0.832, 0.765, 0.975, 0.953),
            "lpips_vgg": _all_scenes(0.205, 0.150, 0.131, 0.173, 0.173, 0.242, 0.161, 0.192),
        },
    ),
    # Barron et al., CVPR 2022, by the table of multinerf: 256 units, 2.8 hours.
    Published(
        "mip-NeRF 360, published (256 units)",
        {"psnr": {"fern": 25.54, "horns": 28.03, "room": 33.11, "trex": 27.27}},
    ),
    # Chen et al., ECCV 2022.
    Published("TensoRF, published", {"psnr": {"fern": 25.27, "horns": 28.14}}),
    # Mildenhall et al., ECCV 2020.
    Published("NeRF, published", {"psnr": {"fern": 25.17}}),
    # Fridovich-Keil, Yu et al., CVPR 2022.
    Published("Plenoxels, published", {"psnr": {"fern": 25.55}}),
    # Sun et al., CVPR 2022.
    Published("DVGO, 256 planes, published", {"psnr": {"fern": 24.99}}),
)
