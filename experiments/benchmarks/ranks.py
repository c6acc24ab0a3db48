"""Time the training on several GPUs and on one, with gradients summed in different ways; see --help."""

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

from bench import SMALL, SMALL_WIDTH
from cases import VIEWS, preset_width
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_json
from normnex_pl.studies.queue.processes import visible_gpus
from normnex_pl.training.configurations import config_files, config_words, known
from normnex_pl.training.run_folder import RunFolder
from rank_report import ALONE, Row, report, say
from rank_ways import MEANINGS, WAYS, Way
from synthetic import write_scene


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0, 1 if something couldn't be measured, or 2 for bad input."""
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
        description="Time training steps on one and on several GPUs of this machine, with the same work per "
        "rank and gradients summed in different ways. With --seconds, also train equally long on one and on "
        "several GPUs, by the first way, and compare the held-out views.",
        epilog=MEANINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("--presets", nargs="+", default=["fast", "paper"], metavar="NAME")
    result.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), metavar="WAY")
    result.add_argument("--ranks", type=int, default=2, help="GPUs (2)")
    result.add_argument("--scene", type=Path, help="folder of a scene; default: a synthetic one")
    result.add_argument("--warm", type=int, default=40, help="steps of the warm-up (40)")
    result.add_argument("--steps", type=int, default=160, help="timed steps (160)")
    result.add_argument("--seconds", type=float, help="also train for this long; needs --scene")
    result.add_argument("--small", action="store_true", help="tiny sizes, on the CPU")
    result.add_argument("--out", type=Path, help="JSON file of the results")
    return result


def check(options: argparse.Namespace) -> None:
    """Check the options.

    Raises:
        UserError: Something can't be measured.
    """
    presets = known("presets")
    if unknown := [name for name in options.presets if name not in presets]:
        raise UserError(f"--presets: expected some of {', '.join(presets)}, found {', '.join(unknown)}.")
    if options.seconds and options.scene is None:
        raise UserError(
            "--seconds: expected a --scene with photos to score, found none. Name one, or omit --seconds."
        )
    gpus = len(visible_gpus())
    if not options.small and gpus < options.ranks:
        raise UserError(
            f"--ranks: expected at most the {gpus} GPUs of this machine, found {options.ranks}. "
            "Use fewer, or --small."
        )


class Bench:
    """A benchmark whose trainings run in separate processes.

    Args:
        options: The options of the command line.
        folder: Folder for scenes, runs and results.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self._number = 0
        self._scenes: dict[int, Path] = {}
        self._gpus: SimpleQueue[int] = SimpleQueue()

    def times(self) -> dict[str, dict[str, Row]]:
        """Time each preset on one rank, then by each way on several."""
        presets = self.options.presets
        for preset in presets:
            self._scene(preset)
        # Concurrently, each on a GPU of its own.
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
        """Add the PSNR after the training time that the options ask for."""
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
        """Train, and return the end of the output."""
        small = self.options.small
        launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}")
        command = [
            *(sys.executable, *(launcher if ranks > 1 else ()), "-m", "normnex_pl", "fit"),
            *config_words(config_files(preset=preset)),
            *(f"--data.scene={self._scene(preset)}", f"--run.folder={run}", f"--trainer.devices={ranks}"),
            f"--trainer.accelerator={'cpu' if small else 'gpu'}",
            *((*SMALL, f"--data.width={SMALL_WIDTH}") if small else ()),
            *words,
        ]
        paths = [Path(__file__).parent, Path(__file__).parents[2] / "src", os.environ.get("PYTHONPATH", "")]
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
    """Read a JSON file; return an empty dictionary if it doesn't exist."""
    if not path.exists():
        return {}
    content: Row = json.loads(path.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    sys.exit(main())
