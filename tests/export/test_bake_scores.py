"""The summary of baked files in the terminal."""

from __future__ import annotations

from normnex_pl.export.baked.scores import report


def test_views_that_equal_the_live_ones_are_reported_too() -> None:
    """Their PSNR to each other is infinite, which is stored as null."""
    view = {"name": "first", "psnr": 30.0, "psnr_live": 30.0, "psnr_to_live": None}
    scores = {
        "views": [view],
        "frames_per_second": 3.0,
        "frame_size": [4, 5],
        "renderer": "torch",
        "device": "CPU",
        "megabytes_disk": 1.0,
        "megabytes_memory": 2.0,
    }
    lines = report(scores).splitlines()
    assert lines[0] == "first: baked 30.00 dB, live 30.00 dB, one to the other - dB"
    assert lines[1] == "3.00 frames/s at 4x5 by torch on CPU"
    assert lines[2] == "1.00 MB on disk, 2.00 MB in memory"
