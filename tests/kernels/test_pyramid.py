"""A coarse volume added to a fine one by kernels, against PyTorch in float64: interpreted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from support.interpreter import interpreted, needs_gpu

ADD = """
from normnex_pl.kernels.pyramid import add_coarser
coarse, fine = (case[name].requires_grad_() for name in ("coarse", "fine"))
total = add_coarser(coarse, fine)
total.backward(case["gradient"])
result = {"total": total.detach(), "coarse": coarse.grad, "fine": fine.grad}
"""

Shape = tuple[int, int, int]


def volumes(coarse: Shape, fine: Shape) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"coarse": torch.randn(coarse), "fine": torch.randn(fine), "gradient": torch.randn(fine)}


def expected(case: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    coarse, fine = (case[name].detach().double().requires_grad_() for name in ("coarse", "fine"))
    read = F.interpolate(coarse[None, None], size=fine.shape, mode="trilinear", align_corners=False)
    total = fine + read[0, 0]
    total.backward(case["gradient"].double())
    assert coarse.grad is not None
    assert fine.grad is not None
    return {"total": total.detach(), "coarse": coarse.grad, "fine": fine.grad}


@pytest.mark.parametrize(
    ("coarse", "fine"),
    [((3, 5, 7), (6, 11, 15)), ((1, 1, 1), (2, 3, 4)), ((2, 4, 5), (5, 9, 10)), ((2, 3, 3), (2, 3, 3))],
)
def test_a_coarse_volume_is_read_at_the_cells_of_a_fine_one(
    coarse: Shape, fine: Shape, tmp_path: Path
) -> None:
    case = volumes(coarse, fine)
    found = interpreted(ADD, case, tmp_path)
    for name, values in expected(case).items():
        torch.testing.assert_close(found[name].double(), values, rtol=1e-5, atol=1e-5, msg=name)


@needs_gpu
def test_levels_of_a_real_size_are_summed_on_a_gpu() -> None:
    from normnex_pl.kernels.pyramid import add_coarser

    case = {name: values.cuda() for name, values in volumes((96, 258, 321), (192, 517, 643)).items()}
    coarse, fine = (case[name].requires_grad_() for name in ("coarse", "fine"))
    total = add_coarser(coarse, fine)
    total.backward(case["gradient"])
    wanted = expected(case)
    torch.testing.assert_close(total.detach().double(), wanted["total"], rtol=1e-4, atol=1e-4)
    assert coarse.grad is not None
    torch.testing.assert_close(coarse.grad.double(), wanted["coarse"], rtol=1e-4, atol=1e-3)
