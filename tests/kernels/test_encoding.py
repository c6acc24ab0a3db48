"""Positional encoding by a kernel, against PyTorch: interpreted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from normnex_pl.model.encoding import fourier_features
from support.interpreter import interpreted

# The interpreter multiplies no bfloat16: the same kernels with float32 show that they read, sum and write
# what they should.
ENCODE = """
from normnex_pl.kernels import encoding
from normnex_pl.kernels.encoding import encode_planes
encoding.PRECISION = torch.float32
result = {"encoded": encode_planes(case["coordinates"], case["of_planes"], case["octaves"])}
"""


@pytest.mark.parametrize(("rays", "planes", "octaves", "shared"), [(70, 5, 10, 16), (3, 1, 2, 4)])
def test_points_on_planes_are_encoded_as_pytorch_does(
    rays: int, planes: int, octaves: int, shared: int, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(0)
    coordinates = (4 * torch.rand(planes, rays, 2, generator=generator) - 2).transpose(0, 1)
    of_planes = torch.randn(planes, shared, generator=generator)
    case = {"coordinates": coordinates, "of_planes": of_planes, "octaves": octaves}
    found = interpreted(ENCODE, case, tmp_path)["encoded"]
    own = fourier_features(coordinates.transpose(0, 1), octaves)
    expected = torch.cat([own, of_planes[:, None].expand(-1, rays, -1)], dim=-1).flatten(0, 1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
