"""Whole models with kernels, against the same models without: interpreted, and compiled on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from normnex_pl.core.rendering import PlaneSamples
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.fields import MLPField
from support.interpreter import interpreted, needs_gpu
from support.small import FIELDS, GEOMETRY, forward_rays, make_mpi

WIRED = """
from normnex_pl.kernels import encoding, perceptron
from normnex_pl.model import compositing, mpi as model
from normnex_pl.model.fields import mlp, pyramid, texture
encoding.PRECISION = perceptron.PRECISION = torch.float32
for module in (compositing, model, mlp, pyramid, texture):
    module.kernels_run_on = lambda _: True
mlp._rounds_to_bfloat16 = lambda _: True
mpi, rays = case["mpi"], case["rays"]
with torch.no_grad():
    seen = mpi.render(rays)
rendered = mpi.render(rays)
rendered.rgb.square().sum().backward()
torch.manual_seed(0)  # which layer is drawn
variation = mpi.field.regularizers()["tv_base_color"].add_gradient(0.1)
result = {
    "variation": variation,
    "seen": {name: getattr(seen, name) for name in case["names"]},
    "rendered": {name: getattr(rendered, name).detach() for name in case["names"]},
    "gradients": {name: parameter.grad for name, parameter in mpi.named_parameters()},
}
"""

SEEN = ("rgb", "acc", "depth", "disparity", "diffuse", "spread", "layer_weights", "specular", "features")


@pytest.mark.parametrize("field", FIELDS)
def test_a_model_renders_and_learns_by_kernels_as_without(field: str, tmp_path: Path) -> None:
    """Each kernel gets the arguments it is made for; in float32, since everything is interpreted."""
    mpi = make_mpi(field)
    rays = forward_rays(40)
    found = interpreted(WIRED, {"mpi": mpi, "rays": rays, "names": SEEN}, tmp_path)
    rendered = mpi.render(rays)
    rendered.rgb.square().sum().backward()
    torch.manual_seed(0)
    variation = mpi.field.regularizers()["tv_base_color"].add_gradient(0.1)
    torch.testing.assert_close(found["variation"], variation, rtol=1e-5, atol=0)
    # Rays through textures end where they let a ten-thousandth of the light through.
    bound = 3e-4 if field == "grid" else 1e-5
    for name in SEEN:
        expected = getattr(rendered, name).detach()
        for way in ("seen", "rendered"):
            torch.testing.assert_close(found[way][name], expected, rtol=1e-3, atol=bound, msg=f"{way} {name}")
    for name, parameter in mpi.named_parameters():
        torch.testing.assert_close(found["gradients"][name], parameter.grad, rtol=1e-3, atol=1e-5, msg=name)


@needs_gpu
def test_the_network_gives_the_same_with_and_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    field = MLPField(PlaneLayout(GEOMETRY, 4, 3), 24).cuda()
    planes, layers = (2 * torch.rand(500, count, 2, device="cuda") - 1 for count in (12, 4))
    samples = PlaneSamples(planes, layers)
    with torch.autocast("cuda", torch.bfloat16):
        fused = field(samples)
        monkeypatch.setattr("normnex_pl.model.fields.mlp.kernels_run_on", lambda _: False)
        plain = field(samples)
    torch.testing.assert_close(fused.alpha, plain.alpha, rtol=2e-2, atol=1e-4)
    torch.testing.assert_close(fused.features, plain.features, rtol=2e-2, atol=1e-2)
