"""Time both eyes of a headset against one: ``headset_rendering.py RUN [--frames=5]`` prints JSON.

A browser draws a baked run with the viewer's own renderer, at the size of a headset's eyes. Nothing else is
timed, such as the transfer to a display. Chromium is found by the variable CHROMIUM or on the path; without a
graphics card it draws on the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from normnex_pl.core.checkout import checkout_commit
from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.files import read_manifest
from normnex_pl.export.site.publish import LOOPBACK, make_server
from normnex_pl.training.run_folder import RunFolder

SIZE = (1680, 1760)  # pixels of an eye, as common emulators and headsets have them
IPD = 0.063  # metres
PIXEL = 4  # bytes
FLAGS = ("--no-sandbox", "--use-gl=angle", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")

# Draw one eye and both in turn, so that what else the computer does falls on both; return milliseconds.
DRAW = """async ([frames, width, height, ipd]) => {
  const { renderer, look, gl, view, presenter } = window.viewer;
  const { scaleOf } = await import("./xr/scale.js");
  const { metres } = scaleOf(view.limits, presenter.presentation.metres_per_unit);
  const eye = (x) => ({
    width, height, fx: height / 2, fy: height / 2, cx: width / 2, cy: height / 2,
    c2w: [[1, 0, 0, x / metres], [0, 1, 0, 0], [0, 0, 1, 0]],
  });
  const eyes = { left: eye(-ipd / 2), right: eye(ipd / 2) };
  const time = (names) => {
    const start = performance.now();
    for (const name of names) renderer.draw(name, eyes[name], look);
    renderer.finish(names.at(-1));
    return performance.now() - start;
  };
  time(["left"]); // compiles
  const mono = [], stereo = [];
  for (let i = 0; i < frames; i++) {
    mono.push(time(["left"]));
    stereo.push(time(["left", "right"]));
    await new Promise((resolve) => setTimeout(resolve));
  }
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  return { mono, stereo, card: gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER) };
}"""


def measure(url: str, browser: str, frames: int) -> dict[str, Any]:
    """Return the times of frames in milliseconds, and the name of the graphics card."""
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        page = program.new_page()
        page.set_default_timeout(0)
        page.goto(f"{url}?quality=low")
        while not page.evaluate("Boolean(window.viewer?.loaded)"):
            page.wait_for_timeout(50)
        page.evaluate("viewer.settled()")
        times: dict[str, Any] = page.evaluate(DRAW, [frames, *SIZE, IPD])
        program.close()
    return times


def compare(folder: Path, browser: str, frames: int) -> dict[str, Any]:
    """Return the ratio of times, and the bytes on the graphics card."""
    manifest = read_manifest(folder)
    server = make_server(folder, LOOPBACK, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    times = measure(server.url, browser, frames)
    server.shutdown()
    server.server_close()
    mono, stereo = (statistics.median(times[name]) for name in ("mono", "stereo"))
    eye = SIZE[0] * SIZE[1] * PIXEL
    return {
        "run": str(folder),
        "provenance": manifest.provenance,
        "planes": len(manifest.depths),
        "eye": SIZE,
        "card": times["card"],
        "frames": frames,
        "mono_ms": mono,
        "stereo_ms": stereo,
        "ratio": stereo / mono,
        "texture_bytes": manifest.bytes.decoded,  # one copy for both eyes
        "mono_picture_bytes": eye,
        "stereo_picture_bytes": 2 * eye,
        "commit": checkout_commit(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="headset_rendering", description=__doc__, allow_abbrev=False)
    parser.add_argument("run", type=Path, help="folder of a baked run, or its mpi/")
    parser.add_argument("--frames", type=int, default=5, help="number of frames of each kind; default: 5")
    options = parser.parse_args(arguments)
    baked = RunFolder(options.run).baked
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        if browser is None:
            raise UserError("CHROMIUM: expected the path of a browser, found none, and none on the PATH.")
        result = compare(baked if baked.is_dir() else options.run, browser, options.frames)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
