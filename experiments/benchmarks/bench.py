"""Time training and rendering on this machine: `make bench`, or this file with --help."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from cases import Case, Scenes, run_case
from ceilings import measure_ceilings
from frames import baked_frame, live_frame
from normnex_pl.core.checkout import checkout_commit
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_json
from normnex_pl.training.configurations import known
from normnex_pl.training.module import NormNeXModule
from results import about, comparison, read_results, report
from step import growth_row, step_by_rays, step_parts

# Measured with all variants; other presets are the same models at other sizes, measured with the baseline.
MAIN_PRESETS = ("fast", "paper")
BASELINE = "nex_rgb"

# Sizes for a CPU, at which everything takes a moment.
SMALL_WIDTH = 48
SMALL = ("--data.rays_per_step=96", "--model.num_layers=4", "--model.sublayers=2")
# The values along each axis of growth: on a GPU, and at small sizes.
GROWTH = {
    "rays": ([1000, 2000, 4000, 8000, 16000], [48, 96]),
    "planes": ([48, 192, 384], [4, 8]),
    "width": ([504, 1008, 1512], [48, 64]),
    "views": ([20, 80], [4, 8]),
    "units": ([128, 256, 512], [32, 64]),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0, 1 if something couldn't be measured, or 2 for bad input."""
    options = parser().parse_args(arguments)
    try:
        old = None if options.compare is None else read_results(options.compare)
        cases = chosen_cases(options)
        options.out = options.out or default_path()
        results = measure(options, cases)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\n{report(results)}\n\nStored: {options.out}")
    if old is not None:
        print(f"\n{comparison(old, results)}")
    return int("failure" in str(results))


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    result = argparse.ArgumentParser(
        description="Time training steps with their parts, and frames; print tables and store JSON.",
        allow_abbrev=False,
    )
    result.add_argument("--presets", nargs="+", metavar="NAME", help="default: all")
    result.add_argument("--variants", nargs="+", metavar="NAME", help="default: all")
    result.add_argument("--scene", type=Path, help="folder of a scene; default: a synthetic one")
    result.add_argument("--out", type=Path, help="the JSON file; default: runs/bench/<time>-<commit>.json")
    result.add_argument("--compare", type=Path, help="JSON file of an earlier benchmark: print ratios")
    result.add_argument("--quick", action="store_true", help="fewer repetitions; no growth, no baked frame")
    result.add_argument("--small", action="store_true", help="tiny sizes; implied on a CPU")
    return result


def chosen_cases(options: argparse.Namespace) -> list[Case]:
    """Return the combinations of presets and variants to measure.

    Raises:
        UserError: There is no preset or variant of a name.
    """
    for chosen, folder in ((options.presets, "presets"), (options.variants, "variants")):
        for name in chosen or []:
            if name not in known(folder):
                raise UserError(f"--{folder}: expected some of {', '.join(known(folder))}, found {name}.")
    small = is_small(options)
    arguments, width = (SMALL, SMALL_WIDTH) if small else ((), None)
    return [
        Case(preset, variant, arguments, width)
        for preset in options.presets or known("presets")
        for variant in options.variants or known("variants")
        if options.variants or variant == BASELINE or preset in MAIN_PRESETS
    ]


def is_small(options: argparse.Namespace) -> bool:
    """Return whether tiny sizes are measured."""
    return bool(options.small) or not torch.cuda.is_available()


def default_path() -> Path:
    """Return a path that is new for each benchmark."""
    return Path("runs/bench") / f"{time.strftime('%Y%m%d-%H%M%S')}-{str(checkout_commit())[:8]}.json"


def measure(options: argparse.Namespace, cases: Sequence[Case]) -> dict[str, Any]:
    """Measure everything, storing the results after each case: an interruption loses only the rest."""
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    repeats = 5 if options.quick else 20
    start = time.monotonic()
    results: dict[str, Any] = {
        "about": about(device, is_small(options)),
        "ceilings": measure_ceilings(device, repeats),
        "steps": {},
        "growth": {},
        "baked": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        scenes = Scenes(options.scene, Path(folder))
        for case in cases:
            print(f"{time.monotonic() - start:4.0f} s  {case}", flush=True)
            measured = run_case(case, scenes, partial(_step_and_frame, repeats=repeats), counts=True)
            results["steps"][str(case)] = _with_roofline(measured, results["ceilings"])
            write_json(options.out, results)
        if not options.quick:
            print(f"{time.monotonic() - start:4.0f} s  baked frame", flush=True)
            results["baked"] = _baked(cases, scenes)
            for axis, values in GROWTH.items():
                if axis == "views" and options.scene is not None:
                    continue  # the number of photos of a given scene is fixed
                print(f"{time.monotonic() - start:4.0f} s  growth with {axis}", flush=True)
                chosen = values[is_small(options)]
                results["growth"][axis] = _grow(axis, chosen, _fast(cases), scenes)
    results["about"]["seconds"] = round(time.monotonic() - start, 1)
    write_json(options.out, results)
    return results


def _step_and_frame(trainer: pl.Trainer, module: NormNeXModule, repeats: int) -> dict[str, Any]:
    return step_parts(trainer, module, repeats) | live_frame(trainer, module, repeats)


def _with_roofline(measured: dict[str, Any], ceilings: dict[str, float]) -> dict[str, Any]:
    """Replace the counted work by numbers for storing, with the step's share of the roofline."""
    if "work" not in measured:
        return measured
    work = measured.pop("work")
    bound = work.milliseconds(ceilings, torch.get_float32_matmul_precision() != "highest")
    return measured | {
        "gflop": sum(work.flops.values()) / 1e9,
        "gigabytes": work.num_bytes / 1e9,
        "operations": work.operations,
        "roofline_ms": bound,
        "roofline_share": bound / measured["step_ms"],
    }


def _baked(cases: Sequence[Case], scenes: Scenes) -> dict[str, Any]:
    """Time the baked frame of the baseline in preset `fast`."""
    return _described(run_case(_fast(cases), scenes, partial(baked_frame, repeats=10)))


def _grow(axis: str, values: Sequence[int], fast: Case, scenes: Scenes) -> dict[str, Any]:
    """Measure steps along one axis: of preset `fast`, or of `paper` for the units of its network."""
    if axis == "rays":
        measured = run_case(fast, scenes, partial(step_by_rays, counts=values, repeats=10))
        return {str(value): measured.get(str(value), measured) for value in values}
    sublayers = 2 if fast.arguments else 6
    rows = {}
    for value in values:
        case = {
            "planes": fast.adding(f"--model.num_layers={value // sublayers}"),
            "width": replace(fast, width=value),
            "views": replace(fast, views=value),
            "units": replace(fast, preset="paper").adding(f"--model.field.init_args.width={value}"),
        }[axis]
        rows[str(value)] = _described(run_case(case, scenes, partial(growth_row, repeats=10)))
    return rows


def _fast(cases: Sequence[Case]) -> Case:
    """Return the baseline in preset `fast`, at the size of the others."""
    return replace(cases[0], preset="fast", variant=BASELINE)


def _described(measured: dict[str, Any]) -> dict[str, Any]:
    """Drop the values that aren't stored."""
    return {key: value for key, value in measured.items() if key != "lightning_ms"}


if __name__ == "__main__":
    sys.exit(main())
