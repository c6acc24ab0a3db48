"""A survey in words, for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from normnex_pl.data.survey.diagnosis import LARGEST_STEP
from normnex_pl.data.survey.steps import PlaneSteps, spacing_words
from normnex_pl.data.survey.survey import Survey, ViewSurvey
from normnex_pl.training.memory.advice import GIB
from normnex_pl.training.memory.count import MemoryEstimate

_WIDTH = 100
_TITLE = 12
_NAMED = 6


def report(survey: Survey, warnings: Sequence[str], memory: MemoryEstimate | None) -> str:
    """Return a report of a scene.

    Args:
        survey: Its measures.
        warnings: See `normnex_pl.data.survey.diagnosis`.
        memory: What the training takes that is configured, if one is.
    """
    training, held_out = survey.training, survey.held_out
    lines = [
        f"{survey.name}: {survey.kind} scene, {len(survey.views)} photos of {survey.width}x{survey.height}",
        *_row("to learn", f"{len(training)} views"),
        *_row("held out", f"{len(held_out)} views: {_names(held_out)}"),
        *_photos(survey),
        "",
        "Cameras (lengths in units in which the nearest depth bound is 4/3)",
        *_row("lens", f"focal length {survey.focal:.0f} pixels, {survey.field_of_view:.0f} degrees wide"),
        *_row("baseline", f"{survey.baseline:.3g}, {survey.baseline / survey.near:.0%} of the nearest depth"),
        *_row(
            "facing", f"up to {max(view.turned for view in survey.views):.0f} degrees off the reference view"
        ),
        *_row(
            "parallax",
            f"seen from the outermost camera the first plane has moved by {survey.range_pixels:.0f} pixels "
            f"against the last; between neighbouring cameras by {survey.neighbour_pixels:.0f}",
        ),
        "",
        f"Planes ({survey.num_planes} of them)",
        *_row("points", _points(survey)),
        *_row("depths", f"{survey.near:.4g} to {survey.far:.4g}", survey.reasons.depths),
        *_row("spacing", spacing_words(survey.spacing), survey.reasons.spacing),
        *_row(
            "steps",
            _steps(survey.steps),
            "how far neighbouring planes move against each other, seen from the outermost camera; gaps begin "
            "to show beyond 1 or 2",
        ),
        *_row("padding", _padding(survey), survey.reasons.padding),
        *_row("reference", f"view {survey.reference}", survey.reasons.reference),
        "",
        "Outside of the canvas (of the places where rays meet planes, and of rays that miss the last plane)",
        *_row("training", _outside(training)),
        *_row("held out", _outside(held_out)),
    ]
    if memory is not None:
        lines += ["", "Memory of a training on a GPU, at its peak", *_row("in all", _memory(memory))]
    lines += ["", "Warnings" if warnings else "Nothing speaks against training on this scene."]
    return "\n".join([*lines, *(line for text in warnings for line in _wrapped(text, "  - ", "    "))])


def _photos(survey: Survey) -> list[str]:
    """Return lines about pixels that are ignored, and those that were converted; none if there are none."""
    masked = [view for view in survey.views if view.ignored > 0]
    lines = _row("photos", survey.conversion) if survey.conversion else []
    if masked:
        worst = max(masked, key=lambda view: view.ignored)
        mean = sum(view.ignored for view in masked) / len(masked)
        text = f"of {len(masked)} photos; they ignore {mean:.1%} of the pixels of these on average"
        lines += _row("masks", f"{text}, most of {worst.name}: {worst.ignored:.1%}")
    return lines


def _row(title: str, value: str, reason: str = "") -> list[str]:
    """Return a line with a title, and the reason in brackets below it."""
    first, later = f"  {title:<{_TITLE}}", " " * (_TITLE + 2)
    return _wrapped(value, first, later) + (_wrapped(f"({reason})", later, later + " ") if reason else [])


def _wrapped(text: str, first: str, later: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)


def _names(views: Sequence[ViewSurvey]) -> str:
    more = f" and {len(views) - _NAMED} more" if len(views) > _NAMED else ""
    return ", ".join(view.name for view in views[:_NAMED]) + more


def _points(survey: Survey) -> str:
    if survey.points is None:
        return "none"
    between = (
        "" if survey.points_between is None else f", {survey.points_between:.1%} of them between the planes"
    )
    return f"{survey.points} points{between}"


def _steps(steps: PlaneSteps) -> str:
    near, middle, far = steps.ends
    places = f"{near:.1f} pixels near, {middle:.1f} in the middle, {far:.1f} far"
    wide = steps.wider_than(LARGEST_STEP)
    if wide is None:
        return places
    return (
        f"{steps.typical:.1f} pixels where the views see most, over {LARGEST_STEP:g} for {wide:.0%} of "
        f"what they see; {places}"
    )


def _padding(survey: Survey) -> str:
    canvas = [size + 2 * survey.padding for size in (survey.width, survey.height)]
    return f"{survey.padding} pixels on each side, a canvas of {canvas[0]}x{canvas[1]}"


def _memory(need: MemoryEstimate) -> str:
    return (
        f"{need.total / GIB:.1f} GiB: {need.parameters / GIB:.1f} parameters, "
        f"{(need.gradients + need.optimizer) / GIB:.1f} gradients and optimiser, {need.photos / GIB:.1f} "
        f"photos, {need.activations / GIB:.1f} a step"
    )


def _outside(views: Sequence[ViewSurvey]) -> str:
    count = len(views)
    worst = max(views, key=lambda view: view.outside)
    means = [
        sum(values) / count for values in ([v.outside for v in views], [v.nothing_behind for v in views])
    ]
    return (
        f"{means[0]:.1%} and {means[1]:.1%} on average; most for {worst.name}: {worst.outside:.1%} and "
        f"{worst.nothing_behind:.1%}"
    )
