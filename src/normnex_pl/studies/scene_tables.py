"""Scores scene by scene with their means, as papers print them, and published ones beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normnex_pl.core.files import folder_name
from normnex_pl.evaluation.report import Number
from normnex_pl.studies.comparison import Run, mean, number_of, part_of
from normnex_pl.studies.published import PUBLISHED
from normnex_pl.studies.tables import Column, Line, score_table

_MEAN = "mean"


@dataclass(frozen=True)
class Score:
    """A score that has a table of its own.

    Attributes:
        name: In ``metrics.json``, below ``test``.
        title: Above the table.
        digits: After the decimal point.
    """

    name: str
    title: str
    digits: int


SCORES = (
    Score("psnr", "PSNR", 2),
    Score("ssim_nex", "SSIM as in NeX's paper (data range 2)", 3),
    Score("lpips_vgg", "LPIPS (VGG)", 3),
)


def scene_tables(runs: Sequence[Run], scenes: Sequence[Path]) -> str:
    """Return a table for each score: a line per row, a column per scene, and the mean over the scenes.

    Published figures are lines of their own, where the names of the scenes match.

    Args:
        runs: Of a comparison.
        scenes: Their folders.

    Returns:
        Nothing for one scene that no paper has.
    """
    names = [folder_name(scene) for scene in scenes]
    if len(names) == 1 and not any(names[0] in found for one in PUBLISHED for found in one.scores.values()):
        return ""
    return "\n".join(f"{score.title}:\n\n{_table(score, runs, names)}" for score in SCORES)


def _table(score: Score, runs: Sequence[Run], scenes: Sequence[str]) -> str:
    shown = [*scenes, _MEAN] if len(scenes) > 1 else list(scenes)
    lines = []
    for row in dict.fromkeys(run.row for run in runs):
        values = {scene: _seed_mean(score, runs, row, scene) for scene in scenes}
        lines.append(_line(row, values))
    for paper in PUBLISHED:
        found = paper.scores.get(score.name, {})
        if any(scene in found for scene in scenes):
            lines.append(_line(f"*{paper.name}*", {scene: found.get(scene) for scene in scenes}))
    return score_table([""], [Column(scene, scene, score.digits) for scene in shown], lines)


def _line(name: str, values: dict[str, Number]) -> Line:
    return Line([name], values | {_MEAN: mean(list(values.values()))})


def _seed_mean(score: Score, runs: Sequence[Run], row: str, scene: str) -> Number:
    """Return the mean over the finished seeds; a comparison of one scene doesn't name it."""
    mine = [run for run in runs if run.row == row and run.scene in ("", scene) and run.failure is None]
    return mean([number_of(part_of(run.metrics, "test"), score.name) for run in mine])
