"""Positional encoding of points on planes, written once, in the precision of the network that reads it."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from normnex_pl.kernels import launch
from normnex_pl.kernels.language import tl, triton
from normnex_pl.kernels.perceptron import PRECISION

_BLOCK = 64


def encode_planes(
    coordinates: Float[Tensor, "ray plane 2"], of_planes: Float[Tensor, "plane feature"], octaves: int
) -> Float[Tensor, "plane*ray feature"]:
    """Concatenate the `fourier_features` of each point and the features of its plane; planes first.

    Angles are computed in float32, since in half precision the highest octaves would be noise; results are
    rounded when they are stored.

    Args:
        coordinates: Canvas coordinates, on a CUDA device; no gradient reaches them.
        of_planes: Features that all points of a plane share.
        octaves: Octaves of the encoding of the coordinates.
    """
    points = rearrange(coordinates, "ray plane xy -> plane ray xy").contiguous()
    planes, rays, _ = points.shape
    own, shared = 4 * octaves, of_planes.shape[1]
    result = torch.empty(planes * rays, own + shared, device=points.device, dtype=PRECISION)
    sizes = {"OCTAVES": octaves, "SHARED": shared, "WIDTH": triton.next_power_of_2(own + shared)}
    programs = (triton.cdiv(rays, _BLOCK), planes)
    launch(
        _encode, programs, points, of_planes.contiguous(), result, rays, 0.5 * math.pi, **sizes, BLOCK=_BLOCK
    )
    return result


@triton.jit
def _encode(  # type: ignore[no-untyped-def]
    points, of_planes, result, rays, lowest,
    OCTAVES: tl.constexpr, SHARED: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    feature = tl.arange(0, WIDTH)
    point = tl.program_id(1).to(tl.int64) * rays + ray
    is_ray = (ray < rays)[:, None]
    own: tl.constexpr = 4 * OCTAVES
    # All sines, then all cosines; in each half x and then y, octave by octave.
    axis, octave = feature // OCTAVES % 2, feature % OCTAVES
    value = tl.load(points + point[:, None] * 2 + axis[None, :], is_ray & (feature < own)[None, :], 0.0)
    angle = value * (lowest * tl.exp2(octave.to(tl.float32)))[None, :]
    wave = tl.where((feature < 2 * OCTAVES)[None, :], tl.sin(angle), tl.cos(angle))
    is_shared = (feature >= own) & (feature < own + SHARED)
    shared = tl.load(of_planes + tl.program_id(1) * SHARED + feature - own, is_shared, 0.0)
    wave = tl.where(is_shared[None, :], shared[None, :], wave)
    place = result + point[:, None] * (own + SHARED) + feature[None, :]
    tl.store(place, wave.to(result.dtype.element_ty), is_ray & (feature < own + SHARED)[None, :])
