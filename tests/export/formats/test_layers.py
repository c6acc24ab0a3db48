"""Pictures of layers: opened and put over each other by ffmpeg."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export.viewer.browser import psnr
from normnex_pl.core.types import Camera
from normnex_pl.export.formats.layers import LayersFormat
from normnex_pl.export.layers.pictures import linear_light, srgb_encoded


def ffmpeg(*words: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *words]
    return subprocess.run(command, capture_output=True, check=True).stdout


def canvas_camera(found: dict[str, dict[str, float]]) -> Camera:
    """Return the reference camera with a picture as large as the canvas, a pixel a texel."""
    g = found["camera"]
    scale = found["width"] / (g["width"] + 2 * g["padding"])
    fx, fy, cx, cy = (scale * v for v in (g["fx"], g["fy"], g["cx"] + g["padding"], g["cy"] + g["padding"]))
    K = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return Camera(K, torch.eye(3, 4), found["width"], found["height"])


def test_ffmpeg_puts_png_layers_over_each_other_as_we_do(run: Path, tmp_path: Path) -> None:
    folder = LayersFormat().write(run, tmp_path / "layers")
    found = json.loads((folder / "layers.json").read_text())
    pictures = [str(folder / entry["picture"]) for entry in found["layers"]]
    inputs = [word for picture in reversed(pictures) for word in ("-i", picture)]
    chain = "".join(
        f"[{'under' + str(i - 1) if i else 'black'}][{i}]overlay=format=rgb[under{i}];"
        for i in range(len(pictures))
    )
    size = f"{found['width']}x{found['height']}"
    graph = f"color=black:s={size}:d=1,format=rgb24[black];{chain}[under{len(pictures) - 1}]format=rgb24[out]"
    content = ffmpeg(
        *inputs, "-filter_complex", graph, "-map", "[out]", "-frames:v", "1", "-f", "rawvideo", "-"
    )
    shown = np.frombuffer(content, np.uint8).reshape(found["height"], found["width"], 3) / 255
    expected = LayersFormat().open(folder, torch.device("cpu"))(canvas_camera(found))
    assert psnr(shown, expected) > 35
    assert psnr(shown[:, ::-1], expected) < 25


@pytest.fixture(scope="module")
def exr(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("OpenEXR")
    return LayersFormat("exr").write(run, tmp_path_factory.mktemp("exr") / "layers")


def read_exr(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return red, green, blue and alpha as ffmpeg reads them."""
    content = ffmpeg("-i", str(path), "-pix_fmt", "gbrapf32le", "-f", "rawvideo", "-")
    green, blue, red, alpha = np.frombuffer(content, "<f4").reshape(4, *shape)
    return np.stack([red, green, blue, alpha], axis=-1)


def test_ffmpeg_reads_exr_layers_as_premultiplied_linear_light(run: Path, exr: Path, tmp_path: Path) -> None:
    png = LayersFormat().write(run, tmp_path / "png")
    found = json.loads((exr / "layers.json").read_text())
    for entry, other in zip(
        found["layers"], json.loads((png / "layers.json").read_text())["layers"], strict=True
    ):
        shown = read_exr(exr / entry["picture"], (found["height"], found["width"]))
        raw = ffmpeg("-i", str(png / other["picture"]), "-pix_fmt", "rgba", "-f", "rawvideo", "-")
        rgba = torch.from_numpy(np.frombuffer(raw, np.uint8).reshape(*shown.shape).copy()).double() / 255
        alpha = rgba[..., 3:]
        np.testing.assert_allclose(shown[..., 3:], alpha, atol=1e-3)
        np.testing.assert_allclose(shown[..., :3], linear_light(rgba[..., :3]) * alpha, atol=2e-3)
    again = LayersFormat("exr").open(exr, torch.device("cpu"))(canvas_camera(found))
    assert psnr(again.numpy(), LayersFormat().open(png, torch.device("cpu"))(canvas_camera(found))) > 40


def test_exr_layers_have_a_depth_channel_near_their_card(exr: Path) -> None:
    import OpenEXR

    found = json.loads((exr / "layers.json").read_text())
    for entry in found["layers"]:
        with OpenEXR.File(str(exr / entry["picture"])) as file:
            depth = file.channels()["Z"].pixels
        assert depth.shape == (found["height"], found["width"])
        assert depth.min() > 0
        assert depth.min() <= entry["depth_of_layer"] * 1.001
        assert depth.max() >= entry["depth_of_layer"] * 0.999


def test_srgb_is_decoded_and_encoded() -> None:
    values = torch.linspace(0, 1, 101).double()[:, None].expand(101, 3)
    torch.testing.assert_close(srgb_encoded(linear_light(values)), values, atol=1e-6, rtol=0)
    assert float(linear_light(torch.tensor([[0.5, 0.5, 0.5]]))[0, 0]) == pytest.approx(0.21404, abs=1e-5)
