"""Triton's kernels without a GPU: in its interpreter, by NumPy."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import triton

from normnex_pl.export.baked import triton_renderer
from normnex_pl.kernels import baked as triton_kernels
from normnex_pl.kernels import baked_reading as triton_reading
from normnex_pl.kernels import baked_shading as triton_shading

# What decorates functions while it is imported, in this order: Triton decides then whether to interpret them.
_DECORATING = (
    triton.language.standard,
    triton.language,
    triton_reading,
    triton_shading,
    triton_kernels,
    triton_renderer,
)


@contextmanager
def interpreted_triton() -> Iterator[None]:
    """Interpret the kernels that are launched meanwhile.

    Setting the variable at the start of the tests would be too late: pytest imports Triton, by way of
    Lightning, when it reads its own settings.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        _reload()
        yield
    _reload()


def _reload() -> None:
    for module in _DECORATING:
        importlib.reload(module)
