"""Kernels compiled for a GPU, without one: the interpreter accepts what the compiler refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Sizes of 1 are compiled as constants.
COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from normnex_pl.kernels import pyramid, rasterizer_backward, rasterizer_forward, textures

FLOATS = {"offset", "least_transparency", "least_light"}

def compiled(kernel, pointers, **constants):
    kinds = dict.fromkeys(kernel.arg_names, "i32")
    kinds |= dict.fromkeys(FLOATS & set(kinds), "fp32") | dict.fromkeys(pointers.split(), "*fp32")
    kinds |= dict.fromkeys(constants, "constexpr")
    values = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    source = ASTSource(kernel, signature=kinds, constexprs=values)
    code = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]
    assert ".entry" in code

GRADIENTS = "by_sums by_weights ends by_alpha by_base by_specular"
RAYS = "alpha base_color specular lines disparities sums "
FORWARD, BACKWARD = rasterizer_forward.composite_forward, rasterizer_backward.composite_backward
for ones in ({}, {"layers": 1, "sublayers": 1}):
    compiled(FORWARD, RAYS + "weights", OPAQUE=True, BLOCK=64, **ones)
    compiled(BACKWARD, RAYS + GRADIENTS, OPAQUE=False, BLOCK=64, **ones)
for ones in ({}, {"coarse_depth": 1, "coarse_width": 1}):
    compiled(pyramid._expand, "coarse fine total", BLOCK=256, **ones)
    compiled(pyramid._gather, "gradient by_coarse", SLICES=6, ROWS=6, COLUMNS=6, BLOCK=256, **ones)
compiled(textures._read, "textures lines disparities values", FEATURES=32, BLOCK=64)
compiled(textures._give, "lines disparities gradient by_texture", FEATURES=32, BLOCK=64)
"""


def test_kernels_compile_for_hopper() -> None:
    pytest.importorskip("triton")
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
