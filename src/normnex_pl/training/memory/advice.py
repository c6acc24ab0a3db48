"""What to do where memory doesn't suffice: numbers of rays that fit, and settings to lower."""

from __future__ import annotations

from collections.abc import Callable

from normnex_pl.training.memory.count import MemoryNeed, largest

GIB = 2**30
# A training is cut into at most this many parts: beyond that, the time for launches outweighs the rays'.
_MOST_PARTS = 16

# Counts what a step takes, by the rays of it and those that are rendered at once.
Count = Callable[[int, int | None], MemoryNeed]


def describe(need: MemoryNeed) -> str:
    """Return a need and its parts in words."""
    parts = {
        "parameters": need.parameters,
        "optimiser": need.optimizer,
        "photos": need.photos,
        "gradients": need.gradients,
        "activations": need.activations,
    }
    told = ", ".join(f"{name} {gib(size)}" for name, size in parts.items())
    return f"{gib(need.total)} GiB at the peak of a step ({told})"


def gib(size: int) -> str:
    """Bytes as GiB, with as many digits as mean something."""
    return f"{size / GIB:.3g}"


def parts_that_fit(count: Count, rays: int, target: int) -> int | None:
    """Return the most rays that can be rendered at once, in equal parts, within ``target`` bytes.

    What a step takes is nearly linear in them: two counts tell about how many, and another one makes sure.

    Returns:
        None if no number of parts fits, or if parts take no less than the whole.
    """
    half = -(-rays // 2)
    needs = [(half, count(rays, half).total), (rays, count(rays, None).total)]
    if needs[0][1] >= needs[1][1]:
        return None
    parts = -(-rays // max(1, largest(target, needs, rays)))
    for several in (parts, 2 * parts):
        if several <= _MOST_PARTS:
            at_once = -(-rays // several)
            if count(rays, at_once).total <= target:
                return at_once
    return None


def rays_that_fit(count: Count, rays: int, target: int) -> int:
    """Return the most rays a step within ``target`` bytes, or zero."""
    few = max(3, rays // 4 // 3 * 3)
    needs = [(number, count(number, None).total) for number in (few, rays)]
    if rays <= few or needs[0][1] >= needs[1][1]:
        return 0
    return largest(target, needs, rays) // 3 * 3


def width_that_fits(count: Count, rays: int, width: int, target: int) -> int:
    """About the widest photos within ``target`` bytes, or zero: textures grow with the area, rays don't."""
    few = max(3, rays // 4 // 3 * 3)
    low, high = count(few, None).total, count(rays, None).total
    of_rays = (high - low) * rays / max(1, rays - few)
    share = (target - of_rays) / (high - of_rays)
    return int(width * share**0.5) // 4 * 4 if share > 0 else 0


def training_advice(count: Count, rays: int, width: int, target: int) -> str:
    """Settings with which a training takes at most ``target`` bytes, each by itself."""
    at_once = parts_that_fit(count, rays, target)
    fewer = rays_that_fit(count, rays, target)
    narrower = width_that_fits(count, rays, width, target)
    ways = [
        f"--model.train_chunk_size={at_once} (the same result, slower)" if at_once else "",
        f"--data.width={narrower}" if width / 8 <= narrower < width else "",
        f"--data.rays_per_step={fewer}" if rays / 8 <= fewer < rays else "",
    ]
    found = [way for way in ways if way]
    if not found:
        return "Lower data.width and model.num_layers, or take a larger device."
    return f"Any of these makes it fit in {gib(target)} GiB, as far as can be counted: {'; '.join(found)}."


def out_of_memory_message(error: BaseException) -> str:
    """What the command line says of a memory that is full.

    Args:
        error: With notes of what to do, if anybody could count.
    """
    reason = str(error).split("\n")[0].split(". GPU")[0].strip().rstrip(".")
    notes = getattr(error, "__notes__", None)
    advice = (
        " ".join(notes)
        if notes
        else "Lower data.width, data.rays_per_step, or in evaluation model.eval_chunk_size."
    )
    return f"Out of memory: {reason}. {advice}"
