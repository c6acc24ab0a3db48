"""Fingerprints change with everything that a run depends on, and with nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from typing_extensions import override

from data.layouts import LAYOUTS, captured
from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.readers.base import SceneReader
from normnex_pl.data.readers.llff import LLFFReader
from normnex_pl.data.scene.fingerprint import differences, fingerprint, read_fingerprint, write_fingerprint

CONFIG = "seed_everything: 1\nrun: {root: runs, folder: null, variant: a}\ndata: {scene: s, width: 40}\n"


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    folder = tmp_path / "scene"
    for name in ("images/a.png", "images_4/a.JPG", "poses_bounds.npy", "planes.txt", "truth/a/normals.npz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the sources in a repository with one commit, whose tree is clean."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # of a hook that runs the tests
        monkeypatch.delenv(name, raising=False)
    checkout = tmp_path / "checkout"
    for name in ("src/package/__init__.py", "src/package/code.py", "experiments/base.yaml", "README.md"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("one\n")
    (checkout / ".gitignore").write_text("*.pyc\n")
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "first")
    return checkout / "src" / "package"


def changed(scene: Path, package: Path, before: dict[str, str], config: str = CONFIG) -> list[str]:
    """Name the hashes that differ now."""
    return differences(before, fingerprint(config, scene, package))


@pytest.mark.parametrize(
    "name", ["images/a.png", "images_4/a.JPG", "poses_bounds.npy", "planes.txt", "truth/a/normals.npz"]
)
def test_one_byte_of_the_data_counts(scene: Path, package: Path, name: str) -> None:
    before = fingerprint(CONFIG, scene, package)
    (scene / name).write_bytes((scene / name).read_bytes()[:-1] + b"!")
    assert changed(scene, package, before) == ["data"]


OF_OTHER_KINDS = ["models.json", "transforms.json", "cam_00/a.JPG", "dense/images/left/a.png", "points.ply"]
MODELS = ["sparse/0/images.bin", "sparse/points3D.txt", "dense/sparse/cameras.bin"]


@pytest.mark.parametrize(
    "name",
    ["val_image.txt", "hwf_cxcy.npy", "images/b.png", "truth/b.npz", *OF_OTHER_KINDS, *MODELS],
)
def test_a_new_file_of_the_data_counts(scene: Path, package: Path, name: str) -> None:
    before = fingerprint(CONFIG, scene, package)
    (scene / name).parent.mkdir(parents=True, exist_ok=True)
    (scene / name).write_bytes(b"")
    assert changed(scene, package, before) == ["data"]


class DiaryReader(SceneReader):
    """A reader that a user might write, for files that no reader of ours knows."""

    def __init__(self, ending: str = ".diary") -> None:
        self.ending = ending

    @property
    @override
    def looks_for(self) -> str:
        return f"*{self.ending} (diaries)"

    @override
    def recognises(self, root: Path) -> bool:
        return any(self.files(root))

    @override
    def files(self, root: Path) -> Iterable[Path]:
        return root.glob(f"*{self.ending}")

    @override
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        raise NotImplementedError


def with_reader(reader: type[SceneReader], **options: str) -> str:
    """Return the configuration with a chosen reader."""
    named = f"{{class_path: {reader.__module__}.{reader.__qualname__}, init_args: {options}}}"
    return CONFIG.replace("width: 40", f"width: 40, reader: {named}")


@pytest.mark.parametrize(("name", "counts"), [("a.diary", False), ("a.poses", True), ("planes.txt", True)])
def test_the_files_of_a_chosen_reader_count(scene: Path, package: Path, name: str, counts: bool) -> None:
    config = with_reader(DiaryReader, ending=".poses")
    before = fingerprint(config, scene, package)
    (scene / name).write_text("changed")
    assert changed(scene, package, before, config) == (["data"] if counts else [])


def test_files_that_a_chosen_reader_does_not_read_do_not_count(scene: Path, package: Path) -> None:
    config = with_reader(LLFFReader)
    before = fingerprint(config, scene, package)
    for name in ("transforms.json", "points.ply"):
        (scene / name).write_text("of another kind")
    assert changed(scene, package, before, config) == []
    (scene / "hwf_cxcy.npy").write_text("of this kind")
    assert changed(scene, package, before, config) == ["data"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_scene_that_is_moved_has_the_fingerprint_that_it_had(
    tmp_path: Path, package: Path, layout: str
) -> None:
    one, other = (LAYOUTS[layout](tmp_path / name, captured(3)) for name in ("one", "other"))
    before = fingerprint(CONFIG, one, package)
    assert changed(other, package, before) == []
    LAYOUTS[layout](tmp_path / "third", captured(3, seed=1))
    assert changed(tmp_path / "third", package, before) == ["data"]


def test_a_renamed_photo_counts(scene: Path, package: Path) -> None:
    before = fingerprint(CONFIG, scene, package)
    (scene / "images/a.png").rename(scene / "images/b.png")
    assert changed(scene, package, before) == ["data"]


def test_neither_the_place_of_the_scene_nor_times_nor_other_files_count(scene: Path, package: Path) -> None:
    before = fingerprint(CONFIG, scene, package)
    os.utime(scene / "images/a.png", (0, 0))
    (scene / "notes.txt").write_text("a table")
    (scene / "images/.hidden.png").write_text("left by a file browser")
    moved = shutil.move(scene, scene.parent / "elsewhere")
    assert changed(Path(moved), package, before) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("width: 40", "width: 41"), ("everything: 1", "everything: 2"), ("variant: a", "variant: b")],
)
def test_a_setting_counts(scene: Path, package: Path, old: str, new: str) -> None:
    before = fingerprint(CONFIG, scene, package)
    assert changed(scene, package, before, CONFIG.replace(old, new)) == ["config"]


def test_paths_and_the_order_of_settings_do_not_count(scene: Path, package: Path) -> None:
    before = fingerprint(CONFIG, scene, package)
    same = "data: {width: 40, scene: t}\nrun: {variant: a, root: q, folder: r}\nseed_everything: 1\n"
    assert changed(scene, package, before, same) == []


def test_logs_do_not_count(scene: Path, package: Path) -> None:
    before = fingerprint(CONFIG, scene, package)
    assert changed(scene, package, before, f"{CONFIG}loggers: [{{class_path: a.WandB}}]\n") == []


def test_a_clean_tree_is_named_by_its_commit(scene: Path, package: Path) -> None:
    head = subprocess.run(
        ["git", "-C", str(package), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert fingerprint(CONFIG, scene, package)["commit"] == head


@pytest.mark.parametrize("name", ["src/package/code.py", "src/package/new.py", "experiments/base.yaml"])
def test_a_source_file_counts_and_only_the_very_same_matches(scene: Path, package: Path, name: str) -> None:
    path = package.parents[1] / name
    clean = fingerprint(CONFIG, scene, package)
    path.write_text("two\n")
    second = fingerprint(CONFIG, scene, package)
    path.write_text("three\n")
    assert changed(scene, package, clean) == ["commit"]
    assert changed(scene, package, second) == ["commit"]
    path.write_text("two\n")
    os.utime(path, (0, 0))
    assert changed(scene, package, second) == []


def test_a_staged_change_counts_as_one_that_is_not(scene: Path, package: Path) -> None:
    (package / "code.py").write_text("two\n")
    before = fingerprint(CONFIG, scene, package)
    git(package, "add", "code.py")
    assert changed(scene, package, before) == []


def test_a_commit_counts(scene: Path, package: Path) -> None:
    before = fingerprint(CONFIG, scene, package)
    git(package, "commit", "-q", "--allow-empty", "-m", "second")
    assert changed(scene, package, before) == ["commit"]


def test_neither_documents_nor_ignored_files_nor_the_place_of_the_checkout_count(
    scene: Path, package: Path
) -> None:
    before = fingerprint(CONFIG, scene, package)
    (package.parents[1] / "README.md").write_text("two\n")
    (package / "code.pyc").write_text("compiled")
    moved = Path(shutil.move(package.parents[1], scene.parent / "elsewhere"))
    assert changed(scene, moved / "src" / "package", before) == []


@pytest.mark.parametrize("repository", ["none", "without a commit", "of something else"])
def test_outside_a_checkout_the_sources_count(
    scene: Path, package: Path, tmp_path: Path, repository: str
) -> None:
    installed = tmp_path / "site-packages" / "package"
    shutil.copytree(package, installed)
    if repository != "none":
        git(installed.parent, "init", "-q")
    if repository == "without a commit":
        git(installed.parent, "add", ".")
    before = fingerprint(CONFIG, scene, installed)
    assert changed(scene, installed, before) == []
    (installed / "code.py").write_text("two\n")
    assert changed(scene, installed, before) == ["commit"]


def test_a_missing_scene_is_refused(tmp_path: Path, package: Path) -> None:
    with pytest.raises(UserError, match="expected a folder with a scene"):
        fingerprint(CONFIG, tmp_path / "nowhere", package)


def test_a_stored_fingerprint_is_read_back(tmp_path: Path) -> None:
    value = {"config": "a", "commit": "b", "data": "c"}
    write_fingerprint(tmp_path / "fingerprint.json", value)
    assert read_fingerprint(tmp_path / "fingerprint.json") == value


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff"])
def test_what_is_no_fingerprint_matches_nothing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "fingerprint.json"
    if content is not None:
        path.write_bytes(content)
    assert read_fingerprint(path) is None
    assert differences(None, {"config": "a", "data": "b"}) == ["config", "data"]
