"""Videos in whatever colours and under whatever names: their frames look as the scene does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from normnex_pl.capture.inputs import read_given
from normnex_pl.capture.video_color import (
    VideoColor,
    color_warning,
    hlg_to_linear,
    linear_to_srgb,
    pq_to_linear,
    read_color,
    srgb_to_linear,
    to_srgb,
    tone_map,
)
from normnex_pl.capture.video_frames import extract_frames
from normnex_pl.capture.work_folder import WorkFolder
from normnex_pl.core.errors import UserError

FRAMES, HEIGHT, WIDTH = 7, 48, 64
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_P3 = np.linalg.inv([[1.22494, -0.22494, 0], [-0.042057, 1.042057, 0], [-0.019638, -0.078636, 1.098274]])
BT2020_HLG = VideoColor("bt2020nc", "bt2020", "arib-std-b67")
BT2020_PQ = VideoColor("bt2020nc", "bt2020", "smpte2084")


def hlg(light: np.ndarray) -> np.ndarray:
    """Apply the OETF of ITU-R BT.2100."""
    bright = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
    return np.where(light <= 1 / 12, np.sqrt(3 * light), bright)


def pq(nits: np.ndarray) -> np.ndarray:
    """Apply the inverse EOTF of SMPTE ST 2084."""
    power = np.power(nits / 10_000, 0.1593017578125)
    return np.power((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power), 78.84375)


def pictures() -> np.ndarray:
    """Return moving pictures of smooth colours below the knee of tone mapping."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / 8
    waves = [[np.sin(x + 0.7 * t), np.cos(y - 0.5 * t), np.sin(x + y + t)] for t in range(FRAMES)]
    return np.moveaxis(0.5 + 0.35 * np.array(waves), 1, -1)


def encode(path: Path, signal: np.ndarray, color: VideoColor, full_range: bool = False) -> Path:
    """Write a lossless video with its tags."""
    range_ = "pc" if full_range else "tv"
    matrix = color.matrix.replace("nc", "")
    scale = "null" if matrix in ("gbr", "unknown") else f"scale=out_color_matrix={matrix}:out_range={range_}"
    pixels = "gbrp10le" if matrix == "gbr" else "yuv444p10le"
    tags = f"colorspace={color.matrix}:color_primaries={color.primaries}:color_trc={color.transfer}"
    filters = f"{scale},format={pixels},setparams={tags}:range={range_}"
    raw = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb48le",
        "-s",
        f"{signal.shape[2]}x{signal.shape[1]}",
        "-r",
        "10",
        "-i",
        "-",
    ]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *raw, "-vf", filters, "-c:v", "ffv1"]
    frames = (signal.clip(0, 1) * 65535).round().astype("<u2").tobytes()
    subprocess.run([*command, f"file:{path}"], input=frames, check=True)
    return path


SDR = "bt709"
KINDS: dict[str, tuple[VideoColor, bool]] = {
    "HLG": (BT2020_HLG, False),
    "PQ": (BT2020_PQ, False),
    "PQ, full range": (BT2020_PQ, True),
    "PQ of a narrow gamut": (VideoColor("bt709", "bt709", "smpte2084"), False),
    "wide gamut": (VideoColor("bt2020nc", "bt2020", "bt2020-10"), False),
    "P3": (VideoColor("bt709", "smpte432", "bt709"), False),
    "HD": (VideoColor("bt709", "bt709", "bt709"), False),
    "HD, full range": (VideoColor("bt709", "bt709", "bt709"), True),
    "SD": (VideoColor("smpte170m", "smpte170m", "smpte170m"), False),
}


def signal_of(rgb: np.ndarray, color: VideoColor) -> np.ndarray:
    light = srgb_to_linear(rgb)
    light = light @ {"bt2020": TO_BT2020, "smpte432": TO_P3}.get(color.primaries, np.eye(3)).T
    if color.transfer == "arib-std-b67":
        return hlg(light.clip(0) * 0.26496)
    return pq(light.clip(0) * 203) if color.transfer == "smpte2084" else linear_to_srgb(light.clip(0))


@pytest.mark.parametrize("name", KINDS)
def test_frames_of_any_colours_look_as_the_scene(name: str, tmp_path: Path) -> None:
    color, full_range = KINDS[name]
    rgb = pictures()
    video = encode(tmp_path / "clip.mkv", signal_of(rgb, color), color, full_range)
    assert read_color(video) == color
    files = extract_frames(video, tmp_path, FRAMES, 6)
    assert len(files) == FRAMES
    for path, true in zip(files, rgb, strict=True):
        with Image.open(path) as image:
            found = np.asarray(image.convert("RGB")).astype(float)
        assert np.abs(found - 255 * true).mean() < 1.5
        assert np.abs(found.mean(axis=(0, 1)) - 255 * true.mean(axis=(0, 1))).max() < 1


def test_the_report_says_what_became_of_the_colours(tmp_path: Path) -> None:
    large = signal_of(pictures(), BT2020_HLG).repeat(5, axis=1).repeat(5, axis=2)
    unknown = VideoColor("bt2020nc", "unknown", "unknown")
    video = encode(tmp_path / "clip.mkv", large, unknown)
    (warning,) = read_given(video, 1000, FRAMES, WorkFolder(tmp_path / "scene")).warnings
    assert "if it is HDR (HLG or PQ), the photos look pale" in warning
    assert "HDR (HLG): its frames are tone-mapped" in str(color_warning(BT2020_HLG))
    assert "HDR (PQ)" in str(color_warning(BT2020_PQ))
    assert "stored as ictcp" in str(color_warning(VideoColor("ictcp", "bt2020", "smpte2084")))
    for matrix in ("unknown", "bt709", "smpte170m", "gbr"):
        assert color_warning(VideoColor(matrix, "unknown", "unknown")) is None


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes: 100%d.txt").write_text("no video")
    with pytest.raises(UserError, match=r"expected a folder of photos or a video, found neither \(ffmpeg: "):
        read_color(tmp_path / "notes: 100%d.txt")


@given(st.sampled_from([BT2020_HLG, BT2020_PQ]), st.integers(0, 65535))
def test_grey_stays_grey(color: VideoColor, value: int) -> None:
    red, green, blue = to_srgb(np.full(3, value, np.uint16), color)
    assert red == green == blue


def test_diffuse_white_is_where_the_standards_have_it() -> None:
    np.testing.assert_allclose(
        pq_to_linear(np.array([0.0, pq(np.array(203.0)), 1.0])), [0, 1, 10_000 / 203], atol=1e-6
    )
    np.testing.assert_allclose(hlg_to_linear(np.array([0.0, 0.5, 0.75])), [0, 1 / 12 / 0.26496, 1], rtol=1e-4)


@given(st.lists(st.floats(-0.5, 50), min_size=3, max_size=3), st.floats(1, 2))
def test_tone_mapping_keeps_order_ratios_and_what_is_dark(rgb: list[float], factor: float) -> None:
    light = np.array(rgb)
    mapped = tone_map(light)
    assert mapped.max() <= 1
    if light.max() <= 0.9:
        np.testing.assert_array_equal(mapped, light)
    np.testing.assert_allclose(mapped * light.max(), light * mapped.max(), atol=1e-9)
    assert tone_map(factor * np.abs(light)).max() >= tone_map(np.abs(light)).max() - 1e-12


NAMES = [
    "2024-01-05T12:30:11.mkv",
    "-i.mkv",
    "100%d %03d %% [*] {a,b} ?.mkv",
    "concat:a|b 'quoted' \"twice\" \\ back\nnew line.mkv",
    "%41 é 日本.gif",
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    color = KINDS["HD"][0]
    return encode(tmp_path_factory.mktemp("clip") / "clip.mkv", pictures(), color).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_videos_are_files_whatever_they_are_called(
    name: str, clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read and write in the video's folder, where a relative path may begin with a colon or a dash."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(clip)
    work = Path(f"frames of {name}")
    work.mkdir()
    files = extract_frames(Path(name), work, FRAMES, 6)
    assert [path.name for path in files] == [f"frame_{number:06}.png" for number in range(FRAMES)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, work.name])
