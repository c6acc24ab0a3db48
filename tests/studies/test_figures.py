"""Figures of runs: what they name, and what they draw."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.figure import Figure

from normnex_pl.core.errors import UserError
from normnex_pl.model.appearance import ReflectionQuery, ViewQuery
from normnex_pl.model.appearance.lookup import face_camera, reflect
from normnex_pl.studies.comparison import Run, csv_table, markdown_table, named_columns, read_comparison
from normnex_pl.studies.figures import (
    Crop,
    PictureSlider,
    basis_figure,
    components_figure,
    normal_error_figure,
    normal_maps_figure,
    planes_figure,
    quality_figure,
    relighting_figure,
    slider_of_runs,
    training_figure,
    views_figure,
)
from normnex_pl.studies.figures.basis import lookup_of
from normnex_pl.studies.figures.captions import runs_caption
from normnex_pl.studies.figures.curves import _smoothed
from normnex_pl.studies.figures.normals import _shares
from normnex_pl.studies.figures.tables import picture_table
from studies.conftest import STEPS, Shown

PIXELS = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)


def caption(figure: Figure) -> str:
    return figure.get_suptitle()


def pictures(figure: Figure) -> list[np.ndarray]:
    """Return the pictures that are shown, by row and column."""
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]


def all_figures(shown: Shown) -> dict[str, Figure]:
    """Return one of each kind."""
    norm = shown.trained["normnex_transmittance"]
    return {
        "views": views_figure(shown.compared),
        "quality": quality_figure(shown.compared),
        "training": training_figure(shown.compared),
        "components": components_figure(norm),
        "planes": planes_figure(norm, [0, 7]),
        "basis": basis_figure(norm),
        "basis by view": basis_figure(shown.trained["nex_ycbcr"]),
        "relighting": relighting_figure(norm, [0.0, 1.0]),
        "maps": normal_maps_figure([norm]),
        "errors": normal_error_figure([norm]),
    }


def test_every_figure_names_scene_preset_and_steps(shown: Shown) -> None:
    for name, figure in all_figures(shown).items():
        assert re.search(rf"demo: .*preset tiny, {STEPS} steps", caption(figure)), name


def test_views_show_the_photo_the_runs_and_their_details(shown: Shown) -> None:
    crop = Crop(0.25, 0.5, 0.125, 0.25)
    figure = views_figure(shown.compared[:2], "view_008", [crop])
    photo, first, second, *details = pictures(figure)[:6]
    assert [axes.get_title() for axes in figure.axes[1:3]] == [
        f"{run.row}\n{next(v['psnr'] for v in run.metrics['views'] if v['name'] == 'view_008'):.2f} dB"
        for run in shown.compared[:2]
    ]
    height, width = photo.shape[:2]
    for whole, detail in zip((photo, first, second), details, strict=True):
        rows, columns = slice(height // 2, height // 2 + round(height / 4)), slice(width // 4, width * 3 // 8)
        np.testing.assert_array_equal(detail, whole[rows, columns])
    assert not np.array_equal(first, second)


def test_quality_is_over_seconds_that_grow_with_the_steps(shown: Shown) -> None:
    over_time, over_steps = quality_figure(shown.compared).axes
    assert len(over_time.lines) == len(over_steps.lines) == len(shown.compared)
    for timed, counted in zip(over_time.lines, over_steps.lines, strict=True):
        assert list(np.asarray(counted.get_xdata())) == [STEPS // 2 - 1, STEPS - 1]
        first, last = np.asarray(timed.get_xdata())
        assert 0 < first < last
        np.testing.assert_array_equal(timed.get_ydata(), counted.get_ydata())


def test_a_training_ends_with_the_score_of_its_held_out_views(shown: Shown, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(f"step,train/psnr\n{STEPS // 2 - 1},20\n{STEPS - 1},22\n")
    run = replace(shown.compared[0], folder=tmp_path)
    (axes,) = training_figure([run], {"another": (300.0, 20.0)}).axes
    rays, held_out, published = axes.lines
    seconds = run.metrics["train_seconds"]
    assert np.asarray(rays.get_xdata()) == pytest.approx([seconds / 2, seconds])
    assert held_out.get_xydata().tolist() == [[seconds, run.metrics["test"]["psnr"]]]
    assert published.get_xydata().tolist() == [[300, 20]]
    assert [line.get_label() for line in (rays, published)] == [run.row, "another"]


def test_curves_are_smoothed_by_as_many_neighbours_as_there_are() -> None:
    assert _smoothed(np.array([0.0, 6, 3, 0, 1])).tolist() == [3, 2.25, 2, 2.5, 4 / 3]


def test_without_validation_the_message_says_how_to_have_it(shown: Shown, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="num_validation_views"):
        quality_figure([replace(shown.compared[0], folder=tmp_path)])


def test_gain_zero_leaves_the_base_colour_and_gain_one_the_picture(shown: Shown) -> None:
    run = shown.trained["nex_rgb"]
    with torch.no_grad():
        run.module.mpi.gate.fill_(0.5)
        try:
            none, own, much = pictures(relighting_figure(run, [0, 1, 3]))
            components = run.components(run.view())
            assert float(run.module.mpi.gate) == 0.5
        finally:
            run.module.mpi.gate.fill_(1.0)
    np.testing.assert_allclose(none / 255, components["diffuse"].numpy().clip(0, 1), atol=1 / 255)
    np.testing.assert_allclose(own / 255, components["rgb"].numpy().clip(0, 1), atol=1 / 255)
    assert not np.array_equal(own, much)


@given(arrays(np.float32, (20, 2), elements=st.floats(-0.6875, 0.6875, width=32)))
def test_functions_of_reflected_directions_are_shown_where_they_are_looked_up(values: np.ndarray) -> None:
    xy = torch.from_numpy(values)
    lookup = lookup_of(ReflectionQuery(), xy)
    assert lookup.normals is not None
    normals = face_camera(lookup.normals[:, 0], lookup.viewdirs)
    reflected = reflect(lookup.viewdirs, normals)
    torch.testing.assert_close(reflected[:, :2], xy, atol=1e-5, rtol=0)
    assert (reflected[:, 2] <= 0).all()
    torch.testing.assert_close(
        -(normals * lookup.viewdirs).sum(-1), torch.full((20,), 0.8), atol=1e-5, rtol=0
    )


@given(arrays(np.float32, (20, 2), elements=st.floats(-0.6875, 0.6875, width=32)))
def test_functions_of_viewing_directions_are_shown_where_they_are_looked_up(values: np.ndarray) -> None:
    lookup = lookup_of(ViewQuery(), torch.from_numpy(values))
    np.testing.assert_array_equal(lookup.viewdirs[:, :2].numpy(), values)
    torch.testing.assert_close(lookup.viewdirs.norm(dim=-1), torch.ones(20))
    assert lookup.normals is None


@given(
    arrays(np.float64, 30, elements=st.floats(0, 180)),
    arrays(np.float64, 30, elements=st.floats(0.01, 1)),
)
def test_shares_are_the_weight_of_smaller_angles(angles: np.ndarray, weights: np.ndarray) -> None:
    limits, shares = _shares(torch.from_numpy(angles), torch.from_numpy(weights))
    expected = [weights[angles < limit].sum() / weights.sum() for limit in limits]
    np.testing.assert_allclose(shares, expected, atol=1e-6)


def test_normals_need_a_model_that_has_them(shown: Shown) -> None:
    with pytest.raises(UserError, match="Norm-NeX"):
        normal_maps_figure([shown.trained["nex_rgb"]])


def test_normals_show_the_truth_in_the_first_row(shown: Shown, scene: Path) -> None:
    with np.load(scene / "truth" / "view_000.npz") as truth:
        wanted = (truth["normals"].astype(np.float32) * [1, -1, -1] + 1) / 2
    figure = normal_maps_figure([shown.trained["normnex_density"], shown.trained["normnex_transmittance"]])
    np.testing.assert_allclose(pictures(figure)[1] / 255, wanted, atol=2 / 255)


@pytest.mark.parametrize(
    "crop",
    [
        (-0.1, 0.0, 0.5, 0.5),
        (0.0, 0.0, 0.0, 0.5),
        (0.6, 0.0, 0.5, 0.5),
        (0.0, 0.9, 0.1, 0.2),
        (0.0, math.nan, 1.0, 1.0),
    ],
)
def test_details_beyond_the_picture_are_refused(crop: tuple[float, float, float, float]) -> None:
    with pytest.raises(UserError, match="within"):
        Crop(*crop)


@given(left=st.floats(0, 0.99), top=st.floats(0, 0.99), width=st.floats(0.001, 1), height=st.floats(0.001, 1))
def test_details_have_pixels(left: float, top: float, width: float, height: float) -> None:
    crop = Crop(left, top, min(width, 1 - left), min(height, 1 - top))
    assert min(crop.of(PIXELS).shape) >= 1


def test_a_slider_holds_both_pictures_and_needs_nothing_else(shown: Shown) -> None:
    page = slider_of_runs(shown.compared[0], None)._repr_html_()
    assert page.count("data:image/jpeg;base64,") == 2
    assert not re.search(r"https?://|<script", page)
    assert f"demo: preset tiny, {STEPS} steps" in page
    assert "left: nex_rgb, right: photo" in page


def test_a_slider_takes_any_title_for_text() -> None:
    page = PictureSlider(PIXELS, PIXELS, "<b>", "&", '"')._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_a_slider_of_pictures_of_two_sizes_is_refused() -> None:
    with pytest.raises(UserError, match="60x40 and 60x20"):
        PictureSlider(PIXELS, PIXELS[:20], "a", "b", "c")


def test_pictures_of_several_shapes_lie_in_rows() -> None:
    _, axes = picture_table([[PIXELS, None], [PIXELS[:10], PIXELS[10:20]]], "c", ["x", "y"], ["1", "2"])
    assert [len(row) for row in axes] == [2, 2]
    assert [len(some.get_images()) for row in axes for some in row] == [1, 0, 1, 1]
    assert [axes[0][0].get_ylabel(), axes[1][0].get_ylabel()] == ["1", "2"]


def test_a_comparison_is_read_as_it_was_written_and_may_be_moved(
    shown: Shown, compared: Path, tmp_path: Path
) -> None:
    runs = read_comparison(compared)
    assert csv_table(runs) == (compared / "table.csv").read_text()
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "table.csv").write_text((compared / "table.csv").read_text())
    (moved / "runs").symlink_to(compared / "runs")
    assert [run.metrics for run in read_comparison(moved)] == [run.metrics for run in runs]


@pytest.mark.parametrize(
    "content", [None, "", "row,seed\nnex_rgb,0\n", "row,seed,folder,failure\nnex_rgb,x,a,\n"]
)
def test_what_is_no_comparison_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "table.csv").write_text(content)
    with pytest.raises(UserError, match="normnex compare"):
        read_comparison(tmp_path)


def test_failed_runs_are_passed_over(shown: Shown) -> None:
    failed = Run("broken", 0, Path("nowhere"), {}, "it broke")
    assert caption(views_figure([failed, *shown.compared[:1]])) == caption(views_figure(shown.compared[:1]))
    for show in (views_figure, quality_figure, training_figure, runs_caption):
        with pytest.raises(UserError, match="broken failed: it broke"):
            show([failed])
    with pytest.raises(UserError, match="it broke"):
        slider_of_runs(shown.compared[0], failed)


def test_a_layer_that_is_not_there_is_refused(shown: Shown) -> None:
    with pytest.raises(UserError, match=re.escape("layers: expected some of 0 to 7, found [8]")):
        planes_figure(shown.trained["nex_rgb"], [8])


def test_views_go_by_their_names(shown: Shown) -> None:
    run = shown.trained["nex_rgb"]
    assert [run.view().name, run.view("view_003").name] == ["view_000", "view_003"]
    with pytest.raises(UserError, match=r"expected one of the views view_000, .* found view_99"):
        run.view("view_99")


def test_a_table_of_some_columns(shown: Shown) -> None:
    table = markdown_table(shown.compared, named_columns("num_outputs", "psnr"))
    title, _, first = table.splitlines()[:3]
    assert title.split() == ["|", "|", "outputs", "|", "PSNR", "|"]
    assert first.split()[1:4] == ["nex_rgb", "|", "28"]
    with pytest.raises(UserError, match="quality"):
        named_columns("quality")
