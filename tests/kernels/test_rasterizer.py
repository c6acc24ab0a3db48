"""Planes of textures composited by kernels, against the same planes one by one in float64."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import Rays
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.appearance import (
    Background,
    ClearBackground,
    NeuralBasis,
    NoNormals,
    OpaqueLastPlane,
    RGBColor,
    ViewQuery,
)
from normnex_pl.model.fields import GridField
from normnex_pl.model.mpi import MPI
from support.interpreter import interpreted, needs_gpu
from support.small import GEOMETRY, excite, forward_rays

# Each loss reaches other rows of what the kernel returns, and all of them another gradient.
RENDER = """
from normnex_pl.core.types import Rays
from normnex_pl.model import mpi as module
from normnex_pl.model.fields import pyramid
for each in (module, pyramid):
    each.kernels_run_on = lambda _: True
mpi = case["mpi"]
rendered = mpi.render(Rays(*case["rays"]))
assert rendered.planes is None
values = {name: getattr(rendered, name) for name in case["names"]}
sum((values[name] * weight).sum() for name, weight in case["by"].items()).backward()
result = {
    "values": {name: value.detach() for name, value in values.items()},
    "gradients": {name: parameter.grad for name, parameter in mpi.named_parameters()},
}
"""
NAMES = ("rgb", "acc", "depth", "disparity", "diffuse", "spread", "layer_weights", "specular")
LEARNED_FROM = ("rgb", "acc", "disparity", "spread", "layer_weights")


def model(background: Background, layers: int = 2, sublayers: int = 3) -> MPI:
    """Make a model whose planes vary, with surfaces that let no light pass, and colours that clamp."""
    torch.manual_seed(0)
    layout = PlaneLayout(GEOMETRY, layers, sublayers)
    field = partial(GridField, divisors=(4, 2, 1), feature_divisor=2)
    mpi = MPI(layout, field, RGBColor(), NeuralBasis(ViewQuery()), NoNormals(), background)
    excite(mpi.field)
    for parameter in mpi.basis.parameters():
        nn.init.normal_(parameter)
    return mpi


def gradients_by(rendered: RenderOutput) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    return {name: torch.randn(getattr(rendered, name).shape, generator=generator) for name in LEARNED_FROM}


def one_by_one(mpi: MPI, rays: Rays, by: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Render planes one by one in float64; return the values and the gradients of the parameters."""
    exact = model(mpi.background, mpi.num_layers, mpi.sublayers).double()
    exact.load_state_dict(mpi.state_dict())
    rendered = exact.render_planes(Rays(rays.origins.double(), rays.directions.double()))
    values = {name: getattr(rendered, name) for name in NAMES}
    torch.stack([(values[name] * weight.double()).sum() for name, weight in by.items()]).sum().backward()
    gradients = {name: parameter.grad for name, parameter in exact.named_parameters()}
    return {name: value.detach() for name, value in values.items()}, gradients  # type: ignore[return-value]


@pytest.mark.parametrize("background", [ClearBackground(), OpaqueLastPlane()])
@pytest.mark.parametrize(("layers", "sublayers"), [(2, 3), (6, 1), (1, 1)])
def test_the_kernel_composites_and_learns_as_planes_one_by_one(
    background: Background, layers: int, sublayers: int, tmp_path: Path
) -> None:
    mpi, rays = model(background, layers, sublayers), forward_rays(70)
    by = gradients_by(mpi.render_planes(rays))
    expected, gradients = one_by_one(mpi, rays, by)
    case = {"mpi": mpi, "rays": (rays.origins, rays.directions), "names": NAMES, "by": by}
    found = interpreted(RENDER, case, tmp_path)
    for name in NAMES:
        torch.testing.assert_close(
            found["values"][name].double(), expected[name], rtol=1e-3, atol=3e-4, msg=name
        )
    for name, gradient in gradients.items():
        difference = (found["gradients"][name].double() - gradient).norm()
        assert difference <= 1e-3 * gradient.norm(), name


def test_rays_beyond_the_canvas_and_planes_behind_them_show_nothing(tmp_path: Path) -> None:
    mpi = model(OpaqueLastPlane())
    origins = torch.tensor([[0.0, 0, 0], [0, 0, 0], [0, 0, 20]])
    directions = torch.tensor([[9.0, 0, 1], [1, 0, 0], [0, 0, 1]])
    by = {"rgb": torch.ones(3, 3)}
    case = {"mpi": mpi, "rays": (origins, directions), "names": NAMES, "by": by}
    found = interpreted(RENDER, case, tmp_path)
    assert (found["values"]["acc"] == 0).all()
    assert (found["values"]["rgb"] == 0).all()
    assert all(gradient.isfinite().all() for gradient in found["gradients"].values())


@needs_gpu
@pytest.mark.parametrize("background", [ClearBackground(), OpaqueLastPlane()])
def test_a_gpu_composites_and_learns_as_planes_one_by_one(background: Background) -> None:
    mpi, rays = model(background), forward_rays(3000)
    by = gradients_by(mpi.render_planes(rays))
    expected, gradients = one_by_one(mpi, rays, by)
    mpi.cuda()
    rendered = mpi.render(Rays(rays.origins.cuda(), rays.directions.cuda()))
    assert rendered.planes is None
    losses = [(getattr(rendered, name) * weight.cuda()).sum() for name, weight in by.items()]
    torch.stack(losses).sum().backward()
    for name in NAMES:
        values = getattr(rendered, name).detach().cpu().double()
        torch.testing.assert_close(values, expected[name], rtol=1e-3, atol=3e-4, msg=name)
    for name, parameter in mpi.named_parameters():
        assert parameter.grad is not None
        difference = (parameter.grad.cpu().double() - gradients[name]).norm() / gradients[name].norm()
        assert difference < 2e-3, name
