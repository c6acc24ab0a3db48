"""Times the training on several GPUs against one, with gradients summed in different ways; see --help."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from bench import SMALL, SMALL_WIDTH
from cases import EXPERIMENTS, VIEWS, names_of, preset_width
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_json
from normnex_pl.studies.batch import visible_gpus
from normnex_pl.training.run_folder import RunFolder
from synthetic import write_scene

Row = dict[str, Any]
# Arguments of `normnex fit`, and callbacks by their class paths.
Way = tuple[tuple[str, ...], tuple[str, ...]]

_YAML = ("-c", str(EXPERIMENTS / "ddp.yaml"))
_HOOK = "--trainer.strategy.init_args.ddp_comm_hook"
_TORCH_HOOKS = "torch.distributed.algorithms.ddp_comm_hooks.default_hooks"
WAYS: dict[str, Way] = {
    "yaml": (_YAML, ()),
    "bf16": ((*_YAML, f"{_HOOK}={_TORCH_HOOKS}.bf16_compress_hook"), ()),
    "graph": ((*_YAML, "--model.execution=rank_parts.GraphOnRanks"), ()),
    "graph_bf16": (
        (
            *_YAML,
            "--model.execution=rank_parts.GraphOnRanks",
            f"{_HOOK}={_TORCH_HOOKS}.bf16_compress_hook",
        ),
        (),
    ),
    "touched": ((*_YAML, f"{_HOOK}=rank_parts.touched_values"), ()),
    "static": ((*_YAML, "--trainer.strategy.dict_kwargs.static_graph=true"), ()),
    "signals": (_YAML, ("rank_parts.LightningsSignals",)),
    "ddp": (("--trainer.strategy=ddp",), ()),
}
MEANINGS = """ways to sum gradients:
  yaml        experiments/ddp.yaml, as `make train GPUS=2` does
  bf16        the same, sent as bfloat16
  graph       the same as yaml, with the recorded step of one GPU (model.execution)
  graph_bf16  both
  touched     the same as yaml, but of the values that are not zero on some rank alone
  static      the same as yaml, with DDP told that all steps are alike
  signals     the same as yaml, with Lightning's look for a signal before each step
  ddp         Lightning's own settings, with gradients in copies and buffers sent in each step
"""
ALONE = "one rank"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, 1 if something couldn't be measured, or 2 for bad input."""
    options = parser().parse_args(arguments)
    try:
        check(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        results = bench.times()
        if options.seconds:
            bench.qualities(results)
    print(report(results, options.ranks))
    if options.out:
        write_json(options.out, results)
    return int(any("failure" in row for rows in results.values() for row in rows.values()))


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    result = argparse.ArgumentParser(
        description="Times training steps on one and on several GPUs of this machine, the same work a rank, "
        "with gradients summed in different ways. With --seconds it also trains for as long on one as on "
        "several, by the first way, and compares the held-out views.",
        epilog=MEANINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("--presets", nargs="+", default=["fast", "paper"], metavar="NAME")
    result.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), metavar="WAY")
    result.add_argument("--ranks", type=int, default=2, help="GPUs (2)")
    result.add_argument("--scene", type=Path, help="folder of a scene; default: one that is made up")
    result.add_argument("--warm", type=int, default=40, help="steps before those that are timed (40)")
    result.add_argument("--steps", type=int, default=160, help="steps that are timed (160)")
    result.add_argument("--seconds", type=float, help="train for so long too; needs a --scene")
    result.add_argument("--small", action="store_true", help="tiny sizes, on the CPU")
    result.add_argument("--out", type=Path, help="JSON file of the results")
    return result


def check(options: argparse.Namespace) -> None:
    """Raise a UserError if something can't be measured."""
    known = names_of("presets")
    if unknown := [name for name in options.presets if name not in known]:
        raise UserError(f"--presets: expected some of {', '.join(known)}, found {', '.join(unknown)}.")
    if options.seconds and options.scene is None:
        raise UserError("--seconds: expected a --scene to judge by, found none. Name one, or leave it out.")
    gpus = len(visible_gpus())
    if not options.small and gpus < options.ranks:
        raise UserError(
            f"--ranks: expected at most the {gpus} GPUs of this machine, found {options.ranks}. "
            "Take fewer, or --small."
        )


class Bench:
    """Run trainings in processes of their own.

    Args:
        options: Of the command line.
        folder: For scenes, runs and results.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self._number = 0
        self._scenes: dict[int, Path] = {}
        self._gpus: SimpleQueue[int] = SimpleQueue()

    def times(self) -> dict[str, dict[str, Row]]:
        """Of each preset: of one rank, then of all ways."""
        presets = self.options.presets
        for preset in presets:
            self._scene(preset)
        # Alone on a GPU each, at the same time.
        for gpu in range(1 if self.options.small else self.options.ranks):
            self._gpus.put(gpu)
        with ThreadPoolExecutor(self._gpus.qsize()) as pool:
            alone = list(pool.map(self._timed_alone, presets))
        results = {preset: {ALONE: row} for preset, row in zip(presets, alone, strict=True)}
        for preset in presets:
            say(preset, ALONE, results[preset][ALONE])
            for way in self.options.ways:
                results[preset][way] = self._timed(preset, WAYS[way], self.options.ranks)
                say(preset, way, results[preset][way])
        return results

    def qualities(self, results: dict[str, dict[str, Row]]) -> None:
        """Add the PSNR after as many seconds of training as the options say."""
        first = self.options.ways[0]
        for preset in self.options.presets:
            for way, ranks, words in ((ALONE, 1, ()), (first, self.options.ranks, WAYS[first][0])):
                row = results[preset][way]
                if "failure" not in row:
                    steps = round(1000 * self.options.seconds / row["ms_per_step"])
                    row |= self._trained(preset, words, ranks, steps)
                    say(preset, way, row)

    def _timed_alone(self, preset: str) -> Row:
        gpu = self._gpus.get()
        try:
            return self._timed(preset, ((), ()), 1, gpu)
        finally:
            self._gpus.put(gpu)

    def _timed(self, preset: str, way: Way, ranks: int, gpu: int = 0) -> Row:
        words, callbacks = way
        path, run = self._new("json"), self._new("run")
        timer = {"path": str(path), "warm": self.options.warm, "steps": self.options.steps}
        entries: list[Row] = [{"class_path": name} for name in callbacks]
        entries.append({"class_path": "rank_parts.StepTimer", "init_args": timer})
        adding = [f"--trainer.callbacks+={json.dumps(entry)}" for entry in entries]
        printed = self._run(preset, [*words, *adding], ranks, gpu, run)
        return read(path) or {"failure": printed}

    def _trained(self, preset: str, words: Sequence[str], ranks: int, steps: int) -> Row:
        run = self._new("run")
        length = [f"--trainer.max_steps={steps}", "--trainer.max_epochs=-1"]
        printed = self._run(preset, [*words, *length], ranks, 0, run)
        metrics = read(RunFolder(run).metrics)
        if not metrics:
            return {"failure": printed}
        return {"steps": steps, "psnr": metrics["test"]["psnr"], "seconds": metrics["train_seconds"]}

    def _run(self, preset: str, words: Sequence[str], ranks: int, gpu: int, run: Path) -> str:
        """Train, and return the end of what was printed."""
        small = self.options.small
        launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}")
        command = [
            *(sys.executable, *(launcher if ranks > 1 else ()), "-m", "normnex_pl", "fit"),
            *("-c", str(EXPERIMENTS / "base.yaml"), "-c", str(EXPERIMENTS / "variants" / "nex_rgb.yaml")),
            *("-c", str(EXPERIMENTS / "presets" / f"{preset}.yaml"), f"--data.scene={self._scene(preset)}"),
            *(f"--run.folder={run}", f"--trainer.devices={ranks}"),
            f"--trainer.accelerator={'cpu' if small else 'gpu'}",
            *((*SMALL, f"--data.width={SMALL_WIDTH}") if small else ()),
            *words,
        ]
        paths = [Path(__file__).parent, EXPERIMENTS.parent / "src", os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(path) for path in paths if str(path))}
        if ranks == 1:
            environment |= {"CUDA_VISIBLE_DEVICES": (visible_gpus() or [""])[gpu]}
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.stdout[-3000:]

    def _scene(self, preset: str) -> Path:
        if self.options.scene is not None:
            return Path(self.options.scene)
        width = SMALL_WIDTH if self.options.small else preset_width(preset)
        if width not in self._scenes:
            self._scenes[width] = write_scene(self.folder / f"scene_{width}", VIEWS, width, width * 3 // 4)
        return self._scenes[width]

    def _new(self, ending: str) -> Path:
        self._number += 1
        return self.folder / f"{self._number}.{ending}"


def read(path: Path) -> Row:
    """Return a JSON file; nothing if there is none."""
    if not path.exists():
        return {}
    content: Row = json.loads(path.read_text(encoding="utf-8"))
    return content


def say(preset: str, way: str, row: Row) -> None:
    """Print a result at once: a benchmark that is stopped has shown the first ones."""
    print(f"{preset}, {way}: {row.get('failure') or row}", flush=True)


def report(results: dict[str, dict[str, Row]], ranks: int) -> str:
    """Tables in Markdown."""
    lines = [
        f"\n| preset | {ranks} ranks by | ms a step | rays a second | times one rank | GiB | PSNR |",
        "|---|---|---|---|---|---|---|",
    ]
    for preset, rows in results.items():
        one = rows[ALONE].get("rays_per_second")
        for way, row in rows.items():
            lines.append(f"| {preset} | {way} | {' | '.join(cells(row, one))} |")
    for preset, rows in results.items():
        if "gradient_mb" in rows[ALONE]:
            megabytes, touched = rows[ALONE]["gradient_mb"], rows[ALONE]["touched"]
            lines.append(
                f"\n{preset}: {megabytes:.0f} MB of gradients, {touched:.0%} of them not zero on a rank"
            )
    return "\n".join(lines)


def cells(row: Row, one: float | None) -> list[str]:
    """Return a row of the table behind its names."""
    if "failure" in row:
        return ["failed", "", "", "", ""]
    return [
        f"{row['ms_per_step']:.2f}",
        f"{row['rays_per_second']:,.0f}",
        f"{row['rays_per_second'] / one:.2f}" if one else "-",
        "-" if row["peak_gpu_gib"] is None else f"{row['peak_gpu_gib']:.1f}",
        f"{row['psnr']:.2f} after {row['steps']} steps, {row['seconds']:.0f} s" if "psnr" in row else "-",
    ]


if __name__ == "__main__":
    sys.exit(main())
