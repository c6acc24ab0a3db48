"""Numbers of rays and widths of photos that fit into memory, which is nearly linear in the rays of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from normnex_pl.training.memory.count import MemoryEstimate

# A step is cut into at most this many chunks: beyond that, launching kernels takes longer than the rays.
_MOST_PARTS = 16

# Estimates a training by the rays of a step and the rays that are rendered at once (None for all).
Count = Callable[[int, int | None], MemoryEstimate]


def largest(fits_up_to: int, taken: Sequence[tuple[int, int]], most: int) -> int:
    """Return the largest number of rays that fits, where the bytes grow linearly with the rays.

    Args:
        fits_up_to: Bytes.
        taken: Two numbers of rays and the bytes that they take.
        most: Not more rays than this.

    Returns:
        Zero if not even one ray fits.
    """
    (few, low), (many, high) = taken
    slope = (high - low) / (many - few)
    base = low - slope * few
    if base + slope * most <= fits_up_to:
        return most
    return max(0, int((fits_up_to - base) / slope))


def chunk_that_fits(count: Count, rays: int, target: int) -> int | None:
    """Return the most rays that can be rendered at once, in equal chunks, within ``target`` bytes.

    Two estimates tell about how many, and another one makes sure.

    Returns:
        None if no number of chunks fits, or if chunks take no less than the whole.
    """
    half = -(-rays // 2)
    taken = [(half, count(rays, half).total), (rays, count(rays, None).total)]
    if taken[0][1] >= taken[1][1]:
        return None
    parts = -(-rays // max(1, largest(target, taken, rays)))
    for several in (parts, 2 * parts):
        if several <= _MOST_PARTS:
            at_once = -(-rays // several)
            if count(rays, at_once).total <= target:
                return at_once
    return None


def rays_that_fit(count: Count, rays: int, target: int) -> int:
    """Return the most rays of a step within ``target`` bytes, or zero."""
    few = max(3, rays // 4 // 3 * 3)
    taken = [(number, count(number, None).total) for number in (few, rays)]
    if rays <= few or taken[0][1] >= taken[1][1]:
        return 0
    return largest(target, taken, rays) // 3 * 3


def width_that_fits(count: Count, rays: int, width: int, target: int) -> int:
    """Return about the widest photos within ``target`` bytes, or zero.

    Textures grow with the photos' area, what belongs to rays doesn't.
    """
    few = max(3, rays // 4 // 3 * 3)
    low, high = count(few, None).total, count(rays, None).total
    of_rays = (high - low) * rays / max(1, rays - few)
    share = (target - of_rays) / (high - of_rays)
    return int(width * share**0.5) // 4 * 4 if share > 0 else 0
