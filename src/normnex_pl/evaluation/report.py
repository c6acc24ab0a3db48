"""What an evaluation says in the terminal, and the means that it says and stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_NORMALS = {
    "normals": "predicted",
    "target_normals": "estimated",
    "normals_constant": "constant (0, 0, -1)",
    "normals_viewdir": "towards the camera",
}
_REGIONS = {"objects": "glossy", "mirror": "mirror", "table": "table", "wall": "wall"}


def mean_of(views: Sequence[dict[str, Any]], path: Sequence[str]) -> float | None:
    """Return the mean over the views of a value that lies at a path of keys in each.

    Returns:
        None where a view lacks the value, or a dictionary on the way to it: a mean over some of the views
        would mislead.
    """
    values: list[float] = []
    for view in views:
        value: Any = view
        for key in path:
            value = None if value is None else value[key]
        if value is None:
            return None
        values.append(value)
    return sum(values) / len(values) if values else None


def view_label(view: dict[str, Any]) -> str:
    """Return a line about a view for the contact sheet."""
    scores = f"PSNR {view['psnr']:.2f} dB, SSIM {view['ssim']:.3f}, LPIPS {_format(view['lpips_vgg'], 3)}"
    return f"{view['name']}: {scores}"


def report(summary: dict[str, Any], warps: list[float]) -> str:
    """Return a table for the terminal: a line a view, and their means; then the truth, where there is one.

    Args:
        summary: The content of ``metrics.json``.
        warps: Of each view, the PSNR of the nearest training photo warped through one plane.
    """
    lines = [f"{'held-out view':<24}{'PSNR':>8}{'SSIM':>8}{'LPIPS':>8}{'best plane warp':>18}"]
    rows = [*summary["views"], {"name": "mean", **summary["test"]}]
    for row, warp in zip(rows, [*warps, sum(warps) / len(warps)], strict=True):
        scores = f"{row['psnr']:>8.2f}{row['ssim']:>8.3f}{_format(row['lpips_vgg'], 3):>8}"
        lines.append(f"{row['name']:<24}{scores}{warp:>15.2f} dB")
    lines.append(
        "(best plane warp: the nearest training photo, shown through the one plane that suits the view best)"
    )
    return "\n".join([*lines, *_truth_lines(summary)])


def _truth_lines(summary: dict[str, Any]) -> list[str]:
    """Return the means of the scores against the truth; nothing unless all views have one."""
    views, test = summary["views"], summary["test"]
    if not all(view["truth"] for view in views):
        return []
    lines = [
        "",
        f"against the truth: diffuse PSNR {_format(test['diffuse_psnr'], 2)} dB, "
        f"PSNR in highlights {_format(test['highlight_psnr'], 2)} dB",
        f"{'normals, degrees off':<24}" + "".join(f"{title:>8}" for title in _REGIONS.values()),
    ]
    for key, title in _NORMALS.items():
        means = [mean_of(views, ("truth", key, region, "mean")) for region in _REGIONS]
        if any(mean is not None for mean in means):
            lines.append(f"{title:<24}" + "".join(f"{_format(mean, 1):>8}" for mean in means))
    return lines


def _format(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


Number = int | float | None


def format_value(value: Number, digits: int) -> str:
    """Return a number for people, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"
