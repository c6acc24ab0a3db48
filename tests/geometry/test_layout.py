"""Layouts of planes: layers are groups of neighbouring planes."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.geometry.layout import PlaneLayout
from support.small import GEOMETRY, few


@few
@given(st.integers(1, 6), st.integers(1, 5))
def test_a_layer_stands_between_its_first_and_its_last_plane(num_layers: int, sublayers: int) -> None:
    layout = PlaneLayout(GEOMETRY, num_layers, sublayers)
    assert layout.num_planes == len(layout.depths) == num_layers * sublayers
    assert len(layout.layer_depths) == num_layers
    of_layers = layout.depths.unflatten(0, (num_layers, sublayers))
    assert (layout.layer_depths >= of_layers[:, 0] - 1e-5).all()
    assert (layout.layer_depths <= of_layers[:, -1] + 1e-5).all()


def test_planes_do_not_depend_on_their_layers() -> None:
    assert torch.equal(PlaneLayout(GEOMETRY, 6, 2).depths, PlaneLayout(GEOMETRY, 3, 4).depths)
