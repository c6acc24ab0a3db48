"""Broken scenes: each is one UserError that names the file, what was expected and what was found."""

from __future__ import annotations

import contextlib
import io
import pickle
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from data.synthetic import assert_valid, forward_facing, llff_rows, read_llff, write_photos, write_scene
from normnex_pl.core.errors import UserError

POSES = "poses_bounds.npy"
BREAKERS: dict[str, tuple[Callable[[Path], object], str, str]] = {}


def breaks(says: str, layout: str = "llff") -> Callable[[Callable[[Path], object]], Callable[[Path], object]]:
    """Register a function that damages a valid scene of 4 views, and the text that the message must have."""

    def register(function: Callable[[Path], object]) -> Callable[[Path], object]:
        BREAKERS[function.__name__] = (function, says, layout)
        return function

    return register


def change_poses(root: Path, change: Callable[[NDArray[np.float64]], object]) -> None:
    """Change rows of the pose file in place."""
    rows = np.load(root / POSES)
    change(rows)
    np.save(root / POSES, rows)


@breaks(r"expected a folder with a scene, found nothing")
def no_such_folder(root: Path) -> None:
    shutil.rmtree(root)


@breaks(r"expected a folder with a scene, found a file")
def path_is_a_file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("")


@breaks(r"poses_bounds\.npy: expected the camera poses in this file, found no such file")
def no_poses(root: Path) -> None:
    (root / POSES).unlink()


@breaks(r"poses_bounds\.npy: expected a NumPy array of numbers, found")
def poses_are_a_folder(root: Path) -> None:
    (root / POSES).unlink()
    (root / POSES).mkdir()


@breaks(r"expected the photos in a folder images/ or images_<n>/ \(such as images_4/\), found neither")
def no_images_folder(root: Path) -> None:
    shutil.rmtree(root / "images")


@breaks(r"expected photos that end in \.jpg, .*, \.exr, \.tif, \.tiff, found none in images/, images_4/")
def empty_images_folders(root: Path) -> None:
    shutil.rmtree(root / "images")
    (root / "images").mkdir()
    (root / "images_4").mkdir()
    (root / "images" / "photo.cr2").write_text("")


@breaks(r"poses_bounds\.npy: expected a row for each of the 5 photos in images/, found 4 rows")
def more_photos_than_poses(root: Path) -> None:
    write_photos(root / "images", ["z.png"])


@breaks(r"poses_bounds\.npy: expected a row for each of the 3 photos in images/, found 4 rows")
def fewer_photos_than_poses(root: Path) -> None:
    (root / "images" / "view_002.png").unlink()


@breaks(r"poses_bounds\.npy: expected a NumPy array of numbers, found")
def empty_pose_file(root: Path) -> None:
    (root / POSES).write_bytes(b"")


@breaks(r"poses_bounds\.npy: expected a NumPy array of numbers, found")
def truncated_pose_file(root: Path) -> None:
    (root / POSES).write_bytes((root / POSES).read_bytes()[:-100])


@breaks(r"poses_bounds\.npy: expected a NumPy array of numbers, found .*pickled")
def pickled_pose_file(root: Path) -> None:
    (root / POSES).write_bytes(pickle.dumps(np.load(root / POSES)))


@breaks(r"poses_bounds\.npy: expected a NumPy array of numbers, found .*pickled")
def poses_are_objects(root: Path) -> None:
    np.save(root / POSES, np.array([{}, None], dtype=object), allow_pickle=True)


@breaks(r"poses_bounds\.npy: expected a NumPy array of numbers, found the type <U")
def poses_are_words(root: Path) -> None:
    np.save(root / POSES, np.load(root / POSES).astype(str))


@breaks(r"poses_bounds\.npy: expected a NumPy array of numbers, found the type complex128")
def poses_are_complex(root: Path) -> None:
    np.save(root / POSES, np.load(root / POSES).astype(complex))


@breaks(r"poses_bounds\.npy: expected a NumPy array of numbers, found .* or other file")
def poses_are_an_archive(root: Path) -> None:
    with (root / POSES).open("wb") as file:
        np.savez(file, poses=np.eye(3))


@breaks(r"poses_bounds\.npy: expected N x 14 .* or N x 17 .*, found 4 x 3 x 5 and no such file")
def poses_of_another_shape(root: Path) -> None:
    np.save(root / POSES, np.load(root / POSES)[:, :15].reshape(4, 3, 5))


@breaks(r"poses_bounds\.npy: expected N x 14 .*, found a single number")
def poses_are_one_number(root: Path) -> None:
    np.save(root / POSES, np.float64(3))


@breaks(r"poses_bounds\.npy: expected a row for each of the 4 photos in images/, found 0 rows")
def no_rows(root: Path) -> None:
    np.save(root / POSES, np.zeros((0, 17)))


@breaks(r"poses_bounds\.npy, view 'view_002': expected finite numbers, found NaN or infinity")
def nan_position(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((2, 3), np.nan))


@breaks(r"poses_bounds\.npy, view 'view_001': expected finite numbers, found NaN or infinity")
def infinite_rotation(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((1, 6), np.inf))


@breaks(r"poses_bounds\.npy, view 'view_001': expected numbers below 1e\+12, found 1e\+200")
def gigantic_position(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((1, 3), -1e200))


@breaks(r"view 'view_003': expected a rotation matrix, found columns that are not perpendicular")
def sheared_rotation(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((3, 0), rows[3, 0] + 0.05))


@breaks(r"view 'view_000': expected a rotation matrix, found columns .* not of length 1")
def scaled_rotation(root: Path) -> None:
    def double(rows: NDArray[np.float64]) -> None:
        rows[0, [0, 1, 2, 5, 6, 7, 10, 11, 12]] *= 2

    change_poses(root, double)


@breaks(r"view 'view_001': expected a rotation matrix \(determinant 1\), found a mirrored one")
def mirrored_rotation(root: Path) -> None:
    def mirror(rows: NDArray[np.float64]) -> None:
        rows[1, [0, 5, 10]] *= -1

    change_poses(root, mirror)


@breaks(r"view 'view_002': expected depth bounds 0 < near < far, found near 0 and far")
def zero_near_bound(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((2, 15), 0))


@breaks(r"view 'view_002': expected depth bounds 0 < near < far, found near -2 and far")
def negative_near_bound(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((2, 15), -2))


@breaks(r"view 'view_000': expected finite numbers, found NaN")
def nan_bound(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((0, 16), np.nan))


@breaks(r"view 'view_000': expected depth bounds 0 < near < far, found near 9 and far 3")
def swapped_bounds(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((0, slice(15, 17)), [9, 3]))


@breaks(r"poses_bounds\.npy, row 3: expected a positive height, width and focal length .* fx 0, fy 0")
def zero_focal_length(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((3, 14), 0))


@breaks(r"poses_bounds\.npy, row 0: expected a positive height.* found height -48")
def negative_height(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((slice(None), 4), -48))


@breaks(r"poses_bounds\.npy, row 1: expected a positive height.* width nan")
def nan_width(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((1, 9), np.nan))


@breaks(r"poses_bounds\.npy: expected photos shaped like the 48x64 pixels .*, found 16x12")
def height_and_width_swapped(root: Path) -> None:
    change_poses(root, lambda rows: rows.__setitem__((slice(None), [4, 9]), [64, 48]))


@breaks(r"poses_bounds\.npy: expected photos shaped like the 64x48 pixels .*, found 160x115")
def cropped_photos(root: Path) -> None:
    write_photos(root / "images", [f"view_{i:03}.png" for i in range(4)], (160, 115))


@breaks(r"hwf_cxcy\.npy: expected the 6 numbers .*, found 7", "nex")
def seven_intrinsics(root: Path) -> None:
    np.save(root / "hwf_cxcy.npy", np.arange(1.0, 8))


@breaks(r"hwf_cxcy\.npy: expected the 6 numbers .*, found 2 x 3", "nex")
def intrinsics_in_a_table(root: Path) -> None:
    np.save(root / "hwf_cxcy.npy", np.arange(1.0, 7).reshape(2, 3))


@breaks(r"hwf_cxcy\.npy: expected a NumPy array of numbers, found", "nex")
def damaged_intrinsics(root: Path) -> None:
    (root / "hwf_cxcy.npy").write_text("48 64 60 60 32 24")


@breaks(r"hwf_cxcy\.npy, row 0: expected .* a principal point inside the image, found .* cx 640", "nex")
def principal_point_outside(root: Path) -> None:
    np.save(root / "hwf_cxcy.npy", np.array([48, 64, 60, 60, 640, 24.0]))


@breaks(r"hwf_cxcy\.npy, row 0: expected a positive .* fy -60", "nex")
def negative_focal_length(root: Path) -> None:
    np.save(root / "hwf_cxcy.npy", np.array([48, 64, 60, -60, 32, 24.0]))


@breaks(r"view_002\.png: expected 16x12 pixels as in 3 of 4 photos, found 20x15")
def photo_of_another_size(root: Path) -> None:
    write_photos(root / "images", ["view_002.png"], (20, 15))


@breaks(r"view_003\.png: expected a readable photo, found")
def corrupt_photo(root: Path) -> None:
    path = root / "images" / "view_003.png"
    path.write_bytes(path.read_bytes()[:-200])


@breaks(r"view_000\.png: expected a readable photo, found")
def first_photo_is_no_photo(root: Path) -> None:
    (root / "images" / "view_000.png").write_text("hello")


@breaks(r"expected names that are unique without their endings, found 2 photos called 'view_001'")
def names_that_differ_in_their_endings_alone(root: Path) -> None:
    (root / "images" / "view_002.png").rename(root / "images" / "view_001.PNG")


@breaks(r"expected at least 2 views, found 1")
def one_view(root: Path) -> None:
    for i in (1, 2, 3):
        (root / "images" / f"view_00{i}.png").unlink()
    np.save(root / POSES, np.load(root / POSES)[:1])


@breaks(r"expected at least 1 training view, found none among 4 views")
def all_views_held_out(root: Path) -> None:
    (root / "val_image.txt").write_text("".join(f"view_{i:03}.png\n" for i in range(4)))


@breaks(r"expected at least 1 held-out view, found none among 4 views")
def no_view_held_out(root: Path) -> None:
    (root / "val_image.txt").write_text("\n")


@breaks(r"train_image\.txt: expected names of photos of this scene, such as 'view_000', found 'IMG_7\.jpg'")
def unknown_name_in_a_list(root: Path) -> None:
    (root / "train_image.txt").write_text("view_001.png\nIMG_7.jpg\n")


@breaks(r"val_image\.txt: expected photos that train_image\.txt doesn't list, found 'view_001' in both")
def lists_that_overlap(root: Path) -> None:
    (root / "train_image.txt").write_text("view_001\nview_002\n")
    (root / "val_image.txt").write_text("view_000\nview_001\n")


@breaks(r"val_image\.txt: expected a text file, found something else")
def list_that_is_no_text(root: Path) -> None:
    (root / "val_image.txt").write_bytes(b"\xff\xfe\x00\xd8")


@pytest.mark.parametrize("name", BREAKERS)
def test_a_broken_scene_is_one_clear_message(tmp_path: Path, name: str) -> None:
    breaker, says, layout = BREAKERS[name]
    root = write_scene(tmp_path / "scene", forward_facing(4), "nex" if layout == "nex" else "llff")
    assert_valid(read_llff(root, None))
    breaker(root)
    with pytest.raises(UserError, match=says) as caught:
        read_llff(root, None)
    message = str(caught.value)
    assert message.startswith(str(root)), "begins with the path"
    assert message.endswith("."), "ends with a sentence that says what to do"
    assert "\n" not in message


MALFORMED_PLANES = [
    *("", "\n1 2", "near far", "1", "1,2", "1 2 3", "1 2 0.5", "1 2 nan", "1 2 1 200 5"),
    *("2 1", "1 1", "-1 5", "0 5", "1 inf", "nan 2", "1 2 1 -3", "1 2 1 nan", "1 2 1 1e30"),
]


@pytest.mark.parametrize("text", MALFORMED_PLANES)
def test_malformed_planes_files_are_refused(tmp_path: Path, text: str) -> None:
    write_scene(tmp_path, forward_facing(3))
    (tmp_path / "planes.txt").write_text(text)
    with pytest.raises(UserError, match=r"planes\.txt: expected 'near far \[inverse \[padding\]\]'.* found"):
        read_llff(tmp_path, None)


@pytest.mark.parametrize("holdout", [1, 0, -8])
def test_a_holdout_that_leaves_nothing_to_learn_from_is_refused(tmp_path: Path, holdout: int) -> None:
    write_scene(tmp_path, forward_facing(3))
    with pytest.raises(UserError, match=f"holdout: expected 2 or more, .* found {holdout}"):
        read_llff(tmp_path, None, holdout)


def scene_or_message(files: dict[str, bytes]) -> None:
    """Assert that a folder with these files is a valid scene or a UserError, nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, data in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(data)
        with contextlib.suppress(UserError):
            assert_valid(read_llff(root, None))


@pytest.fixture(scope="module", params=["llff", "nex"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return a valid scene of 3 views, with every optional file, by relative path."""
    root = write_scene(tmp_path_factory.mktemp("scene"), forward_facing(3), request.param)
    (root / "images" / "view_001.png").unlink()
    write_photos(root / "images", ["view_001.jpg"])
    (root / "planes.txt").write_text("1.0 20 1 200\n")
    (root / "train_image.txt").write_text("view_000\nview_002\n")
    (root / "val_image.txt").write_text("view_001.jpg\n")
    assert_valid(read_llff(root, None))
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


fuzz = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
MAGIC = st.sampled_from([b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x80\x04"])


@fuzz
@given(magic=MAGIC, rest=st.binary(max_size=200))
def test_random_bytes_as_poses(files: dict[str, bytes], magic: bytes, rest: bytes) -> None:
    scene_or_message(files | {POSES: magic + rest})


@fuzz
@given(data=st.data())
def test_truncated_files(files: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    length = data.draw(st.integers(0, len(files[name])))
    scene_or_message(files | {name: files[name][:length]})


@fuzz
@given(data=st.data())
def test_files_with_a_changed_byte(files: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    # Headers, at the beginning, are where a byte matters most.
    position = data.draw(st.integers(0, 200) | st.integers(0, len(files[name]) - 1)) % len(files[name])
    changed = bytearray(files[name])
    changed[position] = data.draw(st.integers(0, 255))
    scene_or_message(files | {name: bytes(changed)})


@fuzz
@given(
    array=hnp.arrays(
        dtype=hnp.scalar_dtypes() | st.just(np.dtype("U3")),
        shape=st.sampled_from([(3, 17), (3, 14), (3, 16), (0, 17), (17,), (1, 17), ()]),
    )
)
def test_random_arrays_as_poses(files: dict[str, bytes], array: NDArray[np.generic]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    scene_or_message(files | {POSES: buffer.getvalue()})


@fuzz
@given(
    changes=st.dictionaries(
        st.tuples(st.integers(0, 2), st.integers(0, 16)), st.floats(), min_size=1, max_size=3
    ),
    scale=st.floats(1e-20, 1e20),
)
def test_poses_with_random_numbers_among_them(
    tmp_path: Path, changes: dict[tuple[int, int], float], scale: float
) -> None:
    """Cover worlds and numbers of any size, including `inf` and denormals."""
    rows = llff_rows(forward_facing(3))
    rows[:, [3, 8, 13, 15, 16]] *= scale
    for place, value in changes.items():
        rows[place] = value
    if not (tmp_path / "images").exists():
        write_photos(tmp_path / "images", ["a.png", "b.png", "c.png"])
    np.save(tmp_path / POSES, rows)
    with contextlib.suppress(UserError):
        assert_valid(read_llff(tmp_path, None))


@fuzz
@given(
    name=st.sampled_from(["planes.txt", "train_image.txt", "val_image.txt"]),
    text=st.text(max_size=40)
    | st.lists(st.floats(), max_size=5).map(lambda values: " ".join(map(str, values))),
)
def test_random_text_in_text_files(files: dict[str, bytes], name: str, text: str) -> None:
    scene_or_message(files | {name: text.encode("utf-8", "surrogatepass")})
