"""Digests that ranks compare, which any changed bit changes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from normnex_pl.normals import FilteredDepth
from normnex_pl.training import ranks
from normnex_pl.training.ranks import digest, digests, disagreements
from support.small import make_mpi

DTYPES = {
    1: (torch.uint8, torch.bool, torch.int8),
    2: (torch.float16, torch.bfloat16, torch.int16),
    4: (torch.float32, torch.int32),
    8: (torch.float64, torch.int64, torch.complex64),
}
shapes = st.lists(st.integers(1, 5), max_size=4).map(tuple)


def tensor_of(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    """Draw random bits, NaN among them."""
    count = torch.Size(shape).numel() * torch.empty((), dtype=dtype).element_size()
    high = 2 if dtype == torch.bool else 256
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randint(high, (count,), dtype=torch.uint8, generator=generator)
    return raw.view(dtype).reshape(shape)


@settings(max_examples=60, deadline=None)
@given(st.data(), shapes, st.sampled_from([dtype for kinds in DTYPES.values() for dtype in kinds]))
def test_a_changed_bit_changes_the_digest_and_a_copy_does_not(
    data: st.DataObject, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    tensor = tensor_of(shape, dtype, data.draw(st.integers(0, 2**32)))
    assert digest(tensor) == digest(tensor.clone())
    changed = tensor.clone()
    bits = changed.reshape(-1).view(torch.uint8)
    place = data.draw(st.integers(0, len(bits) - 1))
    bits[place] ^= 1 if dtype == torch.bool else 1 << data.draw(st.integers(0, 7))
    assert digest(changed) != digest(tensor)


def test_places_count_and_strides_do_not() -> None:
    values = torch.arange(6.0).reshape(2, 3)
    assert digest(values) != digest(values.flip(0))
    assert digest(values.T.contiguous().T) == digest(values)


def test_large_tensors_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randn(103, generator=torch.Generator().manual_seed(0))
    whole = digest(values)
    monkeypatch.setattr(ranks, "_CHUNK", 10)
    assert digest(values) == whole


def test_zeros_of_both_signs_and_all_nan_are_told_apart() -> None:
    """Distinguish bits of values that are equal as numbers."""
    assert digest(torch.tensor([0.0])) != digest(torch.tensor([-0.0]))
    assert digest(torch.tensor([float("nan")])) == digest(torch.tensor([float("nan")]))


def test_a_model_is_known_by_its_parameters_its_buffers_and_what_estimators_keep() -> None:
    mpi = make_mpi("grid")
    both = nn.ModuleDict({"mpi": mpi, "estimator": FilteredDepth(divisor=1)})
    before = digests(both)
    assert {"mpi.gate", "mpi.depths", "mpi.field.alpha.0", "mpi.field.base_color.raw"} <= before.keys()
    mpi.gate.fill_(0)
    mpi.of_this_rank = torch.ones(3)  # type: ignore[assignment]
    both["estimator"].refresh(mpi)  # type: ignore[operator]
    now = digests(both)
    assert disagreements([before, now, before]) == {"mpi.gate": [1], "estimator.kept": [1]}
    assert disagreements([before, dict(before)]) == {}
    assert digests(nn.Identity()) == {}
