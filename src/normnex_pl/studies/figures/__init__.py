"""Figures of run folders and trained models for notebooks. Each names the preset and the number of steps."""

from normnex_pl.studies.figures.basis import basis_figure
from normnex_pl.studies.figures.curves import quality_figure, training_figure
from normnex_pl.studies.figures.decomposition import components_figure, planes_figure, relighting_figure
from normnex_pl.studies.figures.normals import normal_error_figure, normal_maps_figure
from normnex_pl.studies.figures.slider import PictureSlider, slider_of_runs
from normnex_pl.studies.figures.views import Crop, views_figure

__all__ = [
    "Crop",
    "PictureSlider",
    "basis_figure",
    "components_figure",
    "normal_error_figure",
    "normal_maps_figure",
    "planes_figure",
    "quality_figure",
    "relighting_figure",
    "slider_of_runs",
    "training_figure",
    "views_figure",
]
