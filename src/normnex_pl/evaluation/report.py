"""Show an evaluation to a person: a contact sheet, and tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from normnex_pl.evaluation.pictures.sheet import panel_table
from normnex_pl.evaluation.summary import mean_of
from normnex_pl.evaluation.view_scores import ViewResult

Number = int | float | None

_NORMALS = {
    "normals": "predicted",
    "target_normals": "estimated",
    "normals_constant": "constant (0, 0, -1)",
    "normals_viewdir": "towards the camera",
}
_REGIONS = {"objects": "glossy", "mirror": "mirror", "table": "table", "wall": "wall"}


def format_value(value: Number, digits: int) -> str:
    """Return a number with some digits after the point, or a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def contact_sheet(results: Sequence[ViewResult]) -> UInt8[np.ndarray, "height width 3"]:
    """Show a row a view: what the model renders, the photo, and their difference."""
    return panel_table([result.panels for result in results], [_label(result.scores) for result in results])


def _label(view: dict[str, Any]) -> str:
    """Return the label of a view's row."""
    lpips = format_value(view["lpips_vgg"], 3)
    return f"{view['name']}: PSNR {view['psnr']:.2f} dB, SSIM {format_value(view['ssim'], 3)}, LPIPS {lpips}"


def report(summary: dict[str, Any], warps: Sequence[float]) -> str:
    """Return a table with a line a view and their means; then the scores against the truth, if there is one.

    Args:
        summary: The content of ``metrics.json``.
        warps: Of each view, the PSNR of the nearest training photo warped through one plane.
    """
    lines = [f"{'held-out view':<24}{'PSNR':>8}{'SSIM':>8}{'LPIPS':>8}{'best plane warp':>18}"]
    rows = [*summary["views"], {"name": "mean", **summary["test"]}]
    for row, warp in zip(rows, [*warps, sum(warps) / len(warps)], strict=True):
        patterns = "".join(f"{format_value(row[name], 3):>8}" for name in ("ssim", "lpips_vgg"))
        scores = f"{row['psnr']:>8.2f}{patterns}"
        lines.append(f"{row['name']:<24}{scores}{warp:>15.2f} dB")
    lines.append(
        "(best plane warp: the nearest training photo, shown through the one plane that fits the view best)"
    )
    return "\n".join([*lines, *_mask_lines(summary), *_aligned_lines(summary), *_truth_lines(summary)])


def _mask_lines(summary: dict[str, Any]) -> list[str]:
    """Return a line about views that masks cut; none if there are none."""
    masked = [share for view in summary["views"] if (share := view.get("masked")) is not None]
    if not masked:
        return []
    share = sum(masked) / len(masked)
    return [
        f"({len(masked)} views without the {share:.1%} of their pixels that masks ignore; no LPIPS of them)"
    ]


def _aligned_lines(summary: dict[str, Any]) -> list[str]:
    """Return a line with the colour-aligned scores of a model that has learned exposures."""
    if not summary.get("learns_exposures"):
        return []
    test = summary["test"]
    return [
        f"colours aligned with each photo: PSNR {format_value(test['psnr_aligned'], 2)} dB, "
        f"SSIM {format_value(test['ssim_aligned'], 3)}"
    ]


def _truth_lines(summary: dict[str, Any]) -> list[str]:
    """Return the means of the scores against the truth; no line unless all views have one."""
    views, test = summary["views"], summary["test"]
    if not all(view["truth"] for view in views):
        return []
    lines = [
        "",
        f"against the truth: diffuse PSNR {format_value(test['diffuse_psnr'], 2)} dB, "
        f"PSNR in highlights {format_value(test['highlight_psnr'], 2)} dB",
        f"{'normal error, degrees':<24}" + "".join(f"{title:>8}" for title in _REGIONS.values()),
    ]
    for key, title in _NORMALS.items():
        means = [mean_of(views, ("truth", key, region, "mean")) for region in _REGIONS]
        if any(mean is not None for mean in means):
            lines.append(f"{title:<24}" + "".join(f"{format_value(mean, 1):>8}" for mean in means))
    return lines
