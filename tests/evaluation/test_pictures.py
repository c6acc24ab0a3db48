"""Bytes, error maps and sheets of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from normnex_pl.evaluation.pictures.colors import ERROR_SCALE, error_map, to_bytes, write_png
from normnex_pl.evaluation.pictures.components import error_legend
from normnex_pl.evaluation.pictures.sheet import TITLE_SIZE, Panel, panel_table
from support.sheets import find

Pixels = NDArray[np.uint8]
LABEL = "Ág view_07, jpq"


def noise(seed: int, height: int = 30, width: int = 200) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def gray(value: float) -> torch.Tensor:
    return torch.full((1, 1, 3), value)


def contact_sheet(rows: list[list[Pixels]], titles: list[str], labels: list[str]) -> Pixels:
    """Return a table whose last column holds error maps; an empty text keeps its line."""
    panels = [
        [
            Panel("", title or " ", picture, error_legend() if column == len(titles) - 1 else None)
            for column, (title, picture) in enumerate(zip(titles, row, strict=True))
        ]
        for row in rows
    ]
    return panel_table(panels, [label or " " for label in labels])


def ink(text: str) -> int:
    """Return the pixels that a text darkens on an empty page."""
    page = Image.new("RGB", (300, 60), "white")
    font = ImageFont.load_default(TITLE_SIZE)
    ImageDraw.Draw(page).text((10, 10), text, "black", font)
    return int((np.asarray(page) < 255).any(axis=-1).sum())


def added(with_text: Pixels, without: Pixels) -> NDArray[np.bool_]:
    assert with_text.shape == without.shape
    return (with_text != without).any(axis=-1)


@pytest.mark.parametrize("byte", [0, 1, 127, 254])
def test_colours_are_rounded_to_the_nearest_byte(byte: int) -> None:
    assert to_bytes(gray(byte / 255)).tolist() == [[[byte] * 3]]
    assert to_bytes(gray((byte + 0.499) / 255)).tolist() == [[[byte] * 3]]
    assert to_bytes(gray((byte + 0.501) / 255)).tolist() == [[[byte + 1] * 3]]


def test_bytes_survive_the_round_trip() -> None:
    every = torch.arange(256, dtype=torch.uint8)[:, None, None].expand(256, 1, 3)
    np.testing.assert_array_equal(to_bytes(every.float() / 255), every.numpy())


def test_colours_out_of_gamut_saturate() -> None:
    assert to_bytes(gray(-0.3)).max() == 0
    assert to_bytes(gray(1.3)).min() == 255


def test_equal_images_have_a_black_error_map() -> None:
    image = torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(0))
    assert error_map(image, image).max() <= 4


def test_error_maps_get_lighter_with_the_error_up_to_the_largest_one_shown() -> None:
    errors = torch.tensor([0, 0.05, 0.1, 0.2, ERROR_SCALE, 0.5])
    image = errors[None, :, None].expand(1, 6, 3)
    truth = torch.zeros(1, 6, 3)
    lightness = error_map(image, truth).astype(float).mean(axis=-1)[0]
    assert (np.diff(lightness)[:-1] > 10).all()
    assert lightness[-1] == lightness[-2] > 200
    np.testing.assert_array_equal(error_map(image, truth), error_map(truth, image))


def test_error_maps_show_the_mean_over_channels() -> None:
    one = torch.tensor([[[0.3, 0, 0]]])
    np.testing.assert_array_equal(error_map(one, gray(0.0)), error_map(gray(0.1), gray(0.0)))


def test_written_pictures_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "picture.png"
    write_png(path, noise(0))
    with Image.open(path) as file:
        np.testing.assert_array_equal(np.asarray(file), noise(0))


def test_sheets_show_every_picture_unscaled_in_its_row_and_column() -> None:
    rows = [[noise(3 * row + column) for column in range(3)] for row in range(2)]
    sheet = contact_sheet(rows, ["photo", "render", "error"], ["view_00", "view_08"])
    places = np.array([[find(picture, sheet) for picture in row] for row in rows])
    tops, lefts = places[..., 0], places[..., 1]
    assert (tops == tops[:, :1]).all()
    assert (lefts == lefts[:1]).all()
    assert (np.diff(tops[:, 0]) > 30).all()
    assert (np.diff(lefts[0]) > 200).all()


@pytest.mark.parametrize("row", [0, 1])
def test_labels_are_whole_and_overlap_neither_titles_nor_pictures(row: int) -> None:
    rows = [[noise(0), noise(1)], [noise(2), noise(3)]]
    titles, labels = ["Ágjpq photo", "error"], ["", ""]
    labels[row] = LABEL
    sheet = contact_sheet(rows, titles, labels)
    of_label = added(sheet, contact_sheet(rows, titles, ["", ""]))
    of_titles = added(sheet, contact_sheet(rows, ["", ""], labels))
    assert of_label.sum() == ink(LABEL)
    label_rows = np.flatnonzero(of_label.any(axis=1))
    title_rows = np.flatnonzero(of_titles.any(axis=1))
    assert title_rows.max() < label_rows.min()
    top = find(rows[row][0], sheet)[0]
    assert label_rows.max() < top
    if row:
        assert find(rows[row - 1][0], sheet)[0] + 30 <= label_rows.min()


def test_titles_stand_above_their_columns() -> None:
    rows = [[noise(0), noise(1)]]
    sheet = contact_sheet(rows, ["photo", "error"], [""])
    for column, title in enumerate(["photo", "error"]):
        others = ["photo", "error"]
        others[column] = ""
        of_title = added(sheet, contact_sheet(rows, others, [""]))
        assert of_title.sum() == ink(title)
        top, left = find(rows[0][column], sheet)
        columns = np.flatnonzero(of_title.any(axis=0))
        assert left <= columns.min() + 1
        assert columns.max() < left + 200
        assert np.flatnonzero(of_title.any(axis=1)).max() < top


def test_the_legend_is_below_the_last_column() -> None:
    """Its bar runs from the colour of no error to that of the largest one shown."""
    rows = [[noise(0), noise(1)]]
    sheet = contact_sheet(rows, ["photo", "error"], ["view"])
    top, left = find(rows[0][1], sheet)
    below = sheet[top + 30 :, left:]
    bar = error_map(torch.tensor([[[0.0] * 3, [1.0] * 3]]), torch.zeros(1, 2, 3))[0]
    first = np.argwhere((below == bar[0]).all(axis=-1))
    last = np.argwhere((below == bar[1]).all(axis=-1))
    assert len(first) > 0
    assert first[:, 1].max() < last[:, 1].min()
    assert first[:, 1].min() == 0


def test_nothing_runs_over_the_border_of_the_sheet() -> None:
    sheet = contact_sheet([[noise(0), noise(1)]], ["photo", "error"], [LABEL])
    for border in (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]):
        assert (border == 255).all()


def test_a_row_needs_a_label() -> None:
    with pytest.raises(ValueError, match="shorter"):
        contact_sheet([[noise(0)], [noise(1)]], ["photo"], ["only one"])


def test_labels_are_whole_however_narrow_the_pictures_are() -> None:
    """The page is as wide as its longest text."""
    label = "a label that is much longer than a picture and its legend together"
    tiny = np.zeros((3, 3, 3), dtype=np.uint8)
    inked = [
        np.flatnonzero((contact_sheet([[tiny]], [""], [text]) < 128).any(axis=(0, 2))).max()
        for text in (label, label + ".")
    ]
    assert inked[0] < inked[1]


def test_places_may_be_empty() -> None:
    first, second = (Panel("", "title", noise(seed)) for seed in range(2))
    sheet = panel_table([[first, first], [None, second]], ["one", "two"])
    top, left = find(second.picture, sheet)
    assert left > 200
    assert (sheet[top : top + 30, : left - 1] == 255).all()
