"""The report on a prepared scene: a few lines for people, and all numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from normnex_pl.capture.coverage import Coverage
from normnex_pl.capture.findings import RegisteredPhotos
from normnex_pl.capture.model_files import ModelFacts
from normnex_pl.core.files import write_json

NUMBERS, TEXT = "report.json", "report.txt"


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        source: Folder or video.
        key: Hash of the photos and options.
        given: Number of photos, or of frames that were picked.
        photos: Those that are in the scene.
        left_out: Names of the others.
        masked: Names of those in the scene of which a mask ignores pixels.
        conversion: How wide pixels became bytes; empty where all photos had bytes.
        points: How many points the model has.
        facts: About the reconstruction.
        coverage: Of the cameras.
        warnings: Sentences.
        versions: Of the programs that estimated the poses.
    """

    source: str
    key: str
    given: int
    photos: RegisteredPhotos
    left_out: tuple[str, ...]
    masked: tuple[str, ...]
    conversion: str
    points: int
    facts: ModelFacts
    coverage: Coverage
    warnings: tuple[str, ...]
    versions: dict[str, str]

    def lines(self) -> list[str]:
        """Return the report for people."""
        camera, coverage = self.facts.intrinsics, self.coverage
        size = f"{camera.width:.0f}x{camera.height:.0f}"
        distortion = ", ".join(f"{value:.4f}" for value in camera.distortion) or "none"
        return [
            f"{len(self.photos.names)} of {self.given} photos registered, {self.points} points",
            f"mean reprojection error {self.facts.error:.2f} pixels at {size}",
            f"focal length {camera.fx:.1f} pixels, distortion {distortion}: removed from the photos",
            f"near content moves {coverage.parallax:.0%} of the width against far content; optical axes up "
            f"to {coverage.turn:.0f} degrees apart",
            *([self.conversion] if self.conversion else []),
            *([f"masks ignore pixels of {len(self.masked)} photos"] if self.masked else []),
            *(f"WARNING: {warning}" for warning in self.warnings),
        ]

    def numbers(self) -> dict[str, Any]:
        """Return the report for JSON."""
        coverage = asdict(self.coverage)
        gaps = coverage.pop("gap")
        views = zip(self.photos.names, self.photos.sharpness, self.photos.stops, gaps, strict=True)
        return {
            "source": self.source,
            "key": self.key,
            "photos": self.given,
            "registered": len(self.photos.names),
            "left_out": list(self.left_out),
            "masked": list(self.masked),
            "conversion": self.conversion,
            "models": list(self.facts.sizes),
            "matched_pairs": self.facts.pairs,
            "points": self.points,
            "mean_track_length": self.facts.track,
            "mean_reprojection_error": self.facts.error,
            "lens": asdict(self.facts.intrinsics),
            "coverage": coverage,
            "warnings": list(self.warnings),
            "views": [
                {"name": name, "sharpness": float(sharp), "stops": float(stops), "gap": gap}
                for name, sharp, stops, gap in views
            ],
            "versions": self.versions,
        }


def write_report(folder: Path, report: Report) -> None:
    """Write a report in both forms."""
    (folder / TEXT).write_text("\n".join(report.lines()) + "\n", encoding="utf-8")
    write_json(folder / NUMBERS, report.numbers())


def stored_key(scene: Path) -> str | None:
    """Read the key of what a scene was prepared from; None without a report."""
    try:
        content = json.loads((scene / NUMBERS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("key") if isinstance(content, dict) else None


def stored_lines(scene: Path) -> Sequence[str]:
    """Read the lines of the report on a finished scene."""
    try:
        return (scene / TEXT).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
