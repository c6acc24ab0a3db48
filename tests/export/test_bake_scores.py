"""What is said of baked files in the terminal."""

from __future__ import annotations

from normnex_pl.export.bake_scores import report


def test_views_that_equal_the_live_ones_are_reported_too() -> None:
    """Their PSNR to each other is infinite, which is stored as null."""
    view = {"name": "first", "psnr": 30.0, "psnr_live": 30.0, "psnr_to_live": None}
    scores = {"views": [view], "frame_size": None, "megabytes_disk": 1.0, "megabytes_decoded": 2.0}
    assert "first: baked 30.00 dB, live 30.00 dB, one to the other - dB" in report(scores)
