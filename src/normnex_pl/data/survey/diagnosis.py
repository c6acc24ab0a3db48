"""Diagnosis of a scene: each finding says what was measured, what it leads to and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from normnex_pl.data.survey.survey import Survey, ViewSurvey

# The scenes of the published figures have 17 training views and more.
_FEW_VIEWS = 12
# Beyond these angles views see surfaces that planes facing the reference camera can't show.
_LARGEST_TURN = 30.0
_LARGEST_AROUND = 70.0
# With less, planes that differ in depth look the same from everywhere.
_SMALLEST_RANGE = 8.0
# Gaps between planes become visible beyond about a pixel; twice that is too much.
LARGEST_STEP = 2.0
# Of what the views see, between planes farther apart than that.
_MOST_WIDE = 0.05
_MOST_OUTSIDE = 0.05
# Of single views more than of all places together: only far content is lost.
_MOST_WITHOUT_LAST = 0.1
_FEWEST_POINTS_BETWEEN = 0.95
# A third of a stop, and as much again for content that enters or leaves the picture.
_LARGEST_BRIGHTNESS = 2 ** (2 / 3)
_NAMED = 4


def diagnose(survey: Survey) -> list[str]:
    """List what speaks against training on a scene as it is, a sentence or two each.

    Every measurement that has a limit is compared with it, whether or not the scene has points.

    Args:
        survey: Of the scene, with the number of planes that a training would have.
    """
    checks: tuple[Callable[[Survey], str | None], ...] = (
        _few_views,
        _facing_apart,
        _around,
        _little_parallax,
        _wide_steps,
        _far_neighbours,
        _points_left_out,
        _outside,
        _nothing_behind,
        _past_the_first_plane,
        _exposure,
    )
    return [found for check in checks if (found := check(survey))]


def _few_views(survey: Survey) -> str | None:
    count = len(survey.training)
    if count >= _FEW_VIEWS:
        return None
    return (
        f"{count} training views are few: from {_FEW_VIEWS} on, new views between them can be expected to "
        "look right. Take more photos."
    )


def _facing_apart(survey: Survey) -> str | None:
    turned = [view for view in survey.views if view.turned > _LARGEST_TURN]
    if not turned:
        return None
    return (
        f"{_named(turned)} look more than {_LARGEST_TURN:g} degrees past where the reference view looks: "
        "planes that face one way can't show what is seen from there. Take photos that face the same way, "
        "or leave these out."
    )


def _around(survey: Survey) -> str | None:
    if survey.around <= _LARGEST_AROUND:
        return None
    return (
        f"the cameras go around the scene: two of them stand {survey.around:.0f} degrees apart, seen from "
        f"its middle. A multiplane image shows one side, up to about {_LARGEST_AROUND:g} degrees. Use photos "
        "from one side."
    )


def _little_parallax(survey: Survey) -> str | None:
    if survey.range_pixels >= _SMALLEST_RANGE:
        return None
    return (
        f"the nearest content moves by only {survey.range_pixels:.1f} pixels against the farthest between "
        "the photos: depth can hardly be determined. Take photos from farther apart, or load them wider."
    )


def _wide_steps(survey: Survey) -> str | None:
    steps, share = survey.steps, survey.steps.wider_than(LARGEST_STEP)
    if share is None:
        places = zip(("near end", "middle", "far end"), steps.ends, strict=True)
        wide = [f"{step:.1f} pixels apart at the {place}" for place, step in places if step > LARGEST_STEP]
        found = f"neighbouring planes are {' and '.join(wide)}" if wide else None
    else:
        apart = f"more than {LARGEST_STEP:g} and up to {steps.widest:.1f} pixels apart"
        found = f"{share:.0%} of what the views see lies between neighbouring planes that are {apart}"
        found = found if share > _MOST_WIDE else None
    if found is None:
        return None
    chosen = "let them be placed where the views see most, " if isinstance(survey.spacing, str) else ""
    return (
        f"{found}, seen from the outermost camera: edges will double there. Take more planes, {chosen}take "
        "photos from nearer together, or load them at a smaller width."
    )


def _far_neighbours(survey: Survey) -> str | None:
    if survey.neighbour_pixels <= survey.num_planes:
        return None
    return (
        f"neighbouring cameras are far apart: between them the nearest content moves by "
        f"{survey.neighbour_pixels:.0f} pixels against the farthest, more than there are planes "
        f"({survey.num_planes}). Take photos in between."
    )


def _points_left_out(survey: Survey) -> str | None:
    if survey.points_between is None or survey.points_between >= _FEWEST_POINTS_BETWEEN:
        return None
    return (
        f"only {survey.points_between:.0%} of the points lie between the first and the last plane. Correct "
        "planes.txt, or remove it to have planes chosen."
    )


def _outside(survey: Survey) -> str | None:
    outside = [view for view in survey.views if view.outside > _MOST_OUTSIDE]
    if not outside:
        return None
    return (
        f"more than {_MOST_OUTSIDE:.0%} of what {_named(outside)} see lies outside of the canvas, and stays "
        "black. Raise the padding (--data.planes.padding), or leave these views out."
    )


def _nothing_behind(survey: Survey) -> str | None:
    missing = [view for view in survey.views if view.nothing_behind > _MOST_WITHOUT_LAST]
    if not missing:
        return None
    return (
        f"more than {_MOST_WITHOUT_LAST:.0%} of the rays of {_named(missing)} miss the canvas of the last "
        "plane: what is far away there stays black. Raise the padding (--data.planes.padding), or leave "
        "these views out."
    )


def _past_the_first_plane(survey: Survey) -> str | None:
    past = [view for view in survey.views if view.position[2] >= survey.near]
    if not past:
        return None
    return f"{_named(past)} stand behind the first plane and can't see it. Leave these views out."


def _exposure(survey: Survey) -> str | None:
    odd = [
        view for view in survey.views if not 1 / _LARGEST_BRIGHTNESS <= view.brightness <= _LARGEST_BRIGHTNESS
    ]
    if not odd:
        return None
    return (
        f"{_named(odd)} are much brighter or darker than the other photos: colours that differ in exposure "
        "become haze before the camera. Take photos with fixed exposure and white balance, or train with a "
        "colour map for each photo (--model.exposure=AffineExposure)."
    )


def _named(views: Iterable[ViewSurvey]) -> str:
    """Name some views, and count the others."""
    names = [view.name for view in views]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
