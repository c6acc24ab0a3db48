"""The evaluation of held-out views, from a rendering to the summary of all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from normnex_pl.core.truth import ViewTruth
from normnex_pl.core.types import Scene, View
from normnex_pl.evaluation.metrics import psnr
from normnex_pl.evaluation.pictures.colors import error_map
from normnex_pl.evaluation.report import contact_sheet, report
from normnex_pl.evaluation.summary import summarise, summarise_variation
from normnex_pl.evaluation.view_scores import ViewResult, depth_unit, evaluate_view, view_scores
from support.sheets import find
from support.small import GEOMETRY, moved, reference_camera


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip LPIPS: VGG doesn't accept such small pictures."""
    monkeypatch.setattr("normnex_pl.evaluation.metrics.lpips_vgg", lambda image, truth: None)


def photo(seed: int, x: float) -> View:
    generator = torch.Generator().manual_seed(seed)
    size = (GEOMETRY.height, GEOMETRY.width, 3)
    image = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
    return View(f"view_{seed}", moved(reference_camera(), x=x), image)


@pytest.fixture
def scene() -> Scene:
    """Return a scene of two training and two held-out photos; a unit of its files is three of the scene's."""
    views = tuple(photo(seed, x) for seed, x in enumerate((-0.1, 0.1, -0.08, 0.0)))
    source_from_world = torch.diag(torch.tensor([1 / 3, 1 / 3, 1 / 3, 1]))
    return Scene("four", Path("four"), views, (0, 1), (2, 3), 0, GEOMETRY, source_from_world)


def rendering(view: View, error: float = 0.1) -> dict[str, Tensor]:
    rgb = (view.rgb - error).clamp(min=0)
    return {"rgb": rgb, "diffuse": rgb / 2, "specular": rgb / 2, "acc": torch.ones_like(rgb[..., 0])}


def truth_of(view: View) -> ViewTruth:
    size = (GEOMETRY.height, GEOMETRY.width)
    normals = torch.tensor([0.0, 0, -1]).expand(*size, 3)
    half = view.rgb / 2
    return ViewTruth(normals, torch.ones(size), half, half, torch.zeros(size, dtype=torch.uint8))


def results(scene: Scene, *, with_truth: bool) -> list[ViewResult]:
    held_out = [scene.views[i] for i in scene.test]
    return [
        evaluate_view(rendering(view), view, truth_of(view) if with_truth else None, scene, GEOMETRY)
        for view in held_out
    ]


def test_a_result_has_the_scores_and_pictures_of_its_rendering(scene: Scene) -> None:
    view = scene.views[2]
    shown = rendering(view)
    result = evaluate_view(shown, view, None, scene, GEOMETRY)
    assert result.scores == view_scores(shown, view, None, scene)
    assert result.scores["psnr"] == psnr(shown["rgb"], view.rgb)
    assert result.scores["truth"] is None
    assert [panel.name for panel in result.panels] == ["render", "truth", "error"]
    np.testing.assert_array_equal(result.panels[1].picture, view.image.numpy())
    torch.testing.assert_close(result.specular, shown["specular"])


def test_a_view_with_a_mask_is_scored_and_shown_without_what_it_ignores(scene: Scene) -> None:
    mask = torch.ones(GEOMETRY.height, GEOMETRY.width, dtype=torch.bool)
    mask[:3, :4] = False
    view = replace(scene.views[2], mask=mask)
    shown = rendering(view)
    shown["rgb"][~mask] = 1 - view.rgb[~mask]
    held_out = [evaluate_view(shown, one, None, scene, GEOMETRY) for one in (view, scene.views[3])]
    scores, panels = held_out[0].scores, held_out[0].panels
    assert scores["masked"] == pytest.approx(12 / mask.numel())
    assert scores["lpips_vgg"] is None
    assert scores["psnr"] == pytest.approx(psnr(rendering(scene.views[2])["rgb"], view.rgb, mask), abs=1e-4)
    errors = error_map(view.rgb, view.rgb)[0, 0]
    assert (panels[2].picture[~mask.numpy()] == errors).all()
    dimmed, photo = panels[1].picture, view.image.numpy()
    np.testing.assert_array_equal(dimmed[mask.numpy()], photo[mask.numpy()])
    np.testing.assert_allclose(dimmed[~mask.numpy()], photo[~mask.numpy()] / 4, atol=1)
    summary = summarise(held_out)
    assert "(1 views without the 6.2% of their pixels that masks ignore" in report(summary, [10.0, 10.0])


@pytest.mark.parametrize("learns", [False, True])
def test_aligned_scores_are_shown_where_exposures_were_learned(scene: Scene, learns: bool) -> None:
    summary = summarise(results(scene, with_truth=False)) | {"learns_exposures": learns}
    assert summary["test"]["psnr_aligned"] > summary["test"]["psnr"]
    assert ("colours aligned with each photo: PSNR" in report(summary, [10.0, 10.0])) == learns


def test_normals_that_are_not_looked_up_score_as_constant_ones_do(scene: Scene) -> None:
    view = scene.views[2]
    shown = rendering(view)
    assert view_scores(shown, view, None, scene)["psnr_flat_normals"] is None
    scores = view_scores(shown | {"rgb_flat_normals": shown["rgb"]}, view, None, scene)
    assert scores["psnr_flat_normals"] == scores["psnr"]


def test_a_photo_that_lies_on_one_plane_is_warped_without_error(scene: Scene) -> None:
    """Warp to the same camera, where any plane shows the photo itself."""
    same = replace(scene.views[0], name="same")
    result = evaluate_view(rendering(same), same, None, scene, GEOMETRY)
    assert result.warp > 60


def test_means_are_those_of_the_views_and_need_the_truth_of_all(scene: Scene) -> None:
    known, unknown = results(scene, with_truth=True), results(scene, with_truth=False)
    summary = summarise(known)
    assert summary["views"] == [result.scores for result in known]
    psnrs = [result.scores["psnr"] for result in known]
    assert summary["test"]["psnr"] == pytest.approx(np.mean(psnrs))
    assert summary["test"]["diffuse_psnr"] is not None
    mixed = summarise([known[0], unknown[1]])
    assert mixed["test"].keys() == summary["test"].keys()
    assert mixed["test"]["psnr"] == pytest.approx(np.mean(psnrs))
    assert mixed["test"]["diffuse_psnr"] is None


def test_variation_over_the_views_needs_the_truth_of_all(scene: Scene) -> None:
    known, unknown = results(scene, with_truth=True), results(scene, with_truth=False)
    found = summarise_variation(known, scene)
    assert found is not None
    assert set(found) == {"true_std", "std", "correlation", "steady_std"}
    assert summarise_variation([known[0], unknown[1]], scene) is None


def test_the_unit_of_depth_is_that_of_the_files(scene: Scene) -> None:
    assert depth_unit(scene) == pytest.approx(3)


def test_the_contact_sheet_shows_a_row_a_view(scene: Scene) -> None:
    some = results(scene, with_truth=False)
    sheet = contact_sheet(some)
    places = np.array([[find(panel.picture, sheet) for panel in result.panels] for result in some])
    assert (places[:, :, 0] == places[:, :1, 0]).all()
    assert (places[:, :, 1] == places[:1, :, 1]).all()
    assert places[1, 0, 0] > places[0, 0, 0]
    assert (np.diff(places[0, :, 1]) > 0).all()
