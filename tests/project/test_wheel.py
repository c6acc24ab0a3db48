"""The wheel: what is in it, and that it trains, bakes and shows a scene where no checkout is in sight."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from cli.conftest import scene  # noqa: F401 (a fixture)
from cli.helpers import WIDTH, metrics

ROOT = Path(__file__).parents[2]
PACKAGE = "normnex_pl"
BUILT_FROM = ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel offline from a copy of the sources, so that it includes nothing of an earlier build."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("src", "experiments"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / "sources" / name, ignore=ignored)
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, folder / "sources")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(folder)]
    run([sys.executable, "-m", "pip", "wheel", *options, str(folder / "sources")], folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def normnex(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the command in a separate environment, which has this one's dependencies but no checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    options = ["--quiet", "--no-deps", "--no-index", "--no-cache-dir"]
    run([sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)], folder)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    # As a plain line, this folder's own .pth files, such as that of an editable installation, don't count.
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "normnex"


def run(command: list[str], folder: Path) -> str:
    """Return what a program prints that must succeed, called in a folder without a checkout on the path."""
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Return an environment without this checkout, and without VGG16, which takes seconds to load."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return ours | {"TORCH_HOME": str(folder), "https_proxy": "http://127.0.0.1:9", "PYTHONUNBUFFERED": "1"}


def names_in(wheel: Path) -> set[str]:
    """Return the paths in the wheel, within the package."""
    with zipfile.ZipFile(wheel) as file:
        return {
            name.removeprefix(f"{PACKAGE}/") for name in file.namelist() if name.startswith(f"{PACKAGE}/")
        }


def test_the_wheel_has_all_modules_configurations_and_the_viewer(wheel: Path) -> None:
    package = ROOT / "src" / PACKAGE
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    viewer = {
        path.relative_to(package).as_posix()
        for path in (package / "export" / "viewer").rglob("*")
        if path.is_file()
    }
    yaml = {path.relative_to(ROOT).as_posix() for path in (ROOT / "experiments").rglob("*.yaml")}
    assert names_in(wheel) == modules | viewer | yaml


@pytest.mark.slow
def test_an_installed_wheel_trains_bakes_and_shows_without_a_checkout(
    normnex: Path,
    scene: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    where = "import normnex_pl; print(normnex_pl.__file__)"
    place = Path(run([str(normnex.with_name("python")), "-c", where], tmp_path).strip())
    assert normnex.parents[1] in place.parents
    small = [f"--data.width={WIDTH}", "--data.rays_per_step=60", "--trainer.accelerator=cpu"]
    words = [str(scene), "--variant=nex_rgb", "--preset=tiny", "--trainer.max_steps=5", *small]
    run([str(normnex), "train", *words], tmp_path)
    folder = Path("runs") / scene.name / "nex_rgb-tiny"
    assert metrics(tmp_path / folder)["steps"] == 5
    assert "normnex view" in run([str(normnex), "bake", str(folder), "--device=cpu"], tmp_path)
    command = [str(normnex), "view", str(folder), "--port=0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split(":")[2].partition("/")[0])
            for path, content in (("/", b"<html"), ("/mpi/manifest.json", b'"textures"')):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", path)
                answer = connection.getresponse()
                assert answer.status == 200
                assert content in answer.read()
                connection.close()
        finally:
            process.terminate()
