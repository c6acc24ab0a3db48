"""Weights that aren't finite don't get into a checkpoint, wherever they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from normnex_pl.core.errors import UserError
from normnex_pl.training.callbacks.finite_loss import FiniteLossGuard

SIZES = (1, 7, 4099)


class Weights(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.textures = nn.ParameterList([nn.Parameter(torch.randn(size)) for size in SIZES])
        self.nothing = nn.Parameter(torch.zeros(0))


@cache
def trainer() -> pl.Trainer:
    return pl.Trainer(accelerator="cpu", logger=False, barebones=True)


def save(weights: Weights) -> None:
    FiniteLossGuard(Path("last.ckpt")).on_save_checkpoint(trainer(), weights, {})


def test_weights_of_any_size_may_be_saved() -> None:
    weights = Weights()
    with torch.no_grad():
        weights.textures[1].fill_(torch.finfo(torch.float32).max)
        weights.textures[2].fill_(torch.finfo(torch.float32).min)
    save(weights)


@settings(deadline=None)
@given(st.sampled_from([float("nan"), float("inf"), -float("inf")]), st.sampled_from(SIZES), st.data())
def test_one_weight_that_is_no_number_is_enough(value: float, size: int, data: st.DataObject) -> None:
    weights = Weights()
    place = data.draw(st.integers(0, size - 1))
    with torch.no_grad():
        weights.textures[SIZES.index(size)][place] = value
    with pytest.raises(UserError, match="not a finite number"):
        save(weights)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_textures_are_not_copied_to_be_looked_at() -> None:
    weights = Weights()
    weights.textures.append(nn.Parameter(torch.zeros(2**24)))
    weights.cuda()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    save(weights)
    assert torch.cuda.max_memory_allocated() - before < 2**22
