"""Estimates of memory in words, and advice where memory doesn't suffice."""

from __future__ import annotations

from normnex_pl.training.memory.count import MemoryEstimate
from normnex_pl.training.memory.fitting import Count, chunk_that_fits, rays_that_fit, width_that_fits

GIB = 2**30


def describe(estimate: MemoryEstimate) -> str:
    """Return an estimate and its parts in words."""
    parts = {
        "parameters": estimate.parameters,
        "optimiser": estimate.optimizer,
        "photos": estimate.photos,
        "gradients": estimate.gradients,
        "activations": estimate.activations,
    }
    told = ", ".join(f"{name} {gib(size)}" for name, size in parts.items())
    return f"{gib(estimate.total)} GiB at the peak of a step ({told})"


def gib(size: int) -> str:
    """Return bytes as GiB, with as many digits as mean something."""
    return f"{size / GIB:.3g}"


def training_advice(count: Count, rays: int, width: int, target: int) -> str:
    """Return settings of which each alone makes a training take at most ``target`` bytes."""
    at_once = chunk_that_fits(count, rays, target)
    fewer = rays_that_fit(count, rays, target)
    narrower = width_that_fits(count, rays, width, target)
    ways = [
        f"--model.train_chunk_size={at_once} (the same result, slower)" if at_once else "",
        f"--data.width={narrower}" if width / 8 <= narrower < width else "",
        f"--data.rays_per_step={fewer}" if rays / 8 <= fewer < rays else "",
    ]
    found = [way for way in ways if way]
    if not found:
        return "Lower data.width and model.num_layers, or use a larger device."
    return f"By estimate, any of these makes it fit in {gib(target)} GiB: {'; '.join(found)}."


def out_of_memory_message(error: BaseException) -> str:
    """Return what the command line says when memory is exhausted.

    Args:
        error: With notes of what to do, if an estimate was possible.
    """
    reason = str(error).split("\n")[0].split(". GPU")[0].strip().rstrip(".")
    notes = getattr(error, "__notes__", None)
    advice = (
        " ".join(notes)
        if notes
        else "Lower data.width, data.rays_per_step, or in evaluation model.eval_chunk_size."
    )
    return f"Out of memory: {reason}. {advice}"
