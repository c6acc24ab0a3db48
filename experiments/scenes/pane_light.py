"""Integrators for the two layers of light that a pane of thin glass shows.

The pane isn't among the shapes of the scene: it acts upon what a camera sees and upon nothing else. It casts
no shadow, and other mirrors don't show it. So the two layers add up to the photo exactly, and light that
reaches the things through the glass makes no noise.

Import it after a mitsuba variant has been activated: its base class belongs to the variant.
"""

from __future__ import annotations

import drjit as dr
import mitsuba as mi

from pane_geometry import Rectangle


class _Pane:
    """Intersect rays with a pane, and tell the share of light that it reflects."""

    def __init__(self, place: Rectangle, index: float) -> None:
        self.middle, self.right, self.up, self.normal = (
            mi.ScalarPoint3f(place.middle),
            mi.ScalarVector3f(place.right),
            mi.ScalarVector3f(place.up),
            mi.ScalarVector3f(place.normal),
        )
        self.half_size = place.half_size
        self.index = index

    def meet(
        self, scene: mi.Scene, ray: mi.RayDifferential3f, active: bool
    ) -> tuple[mi.Bool, mi.Point3f, mi.Float]:
        """Return whether rays meet the pane before anything else, where, and the share that it reflects.

        Both faces of the glass reflect r by Fresnel, and what runs to and fro between them adds up to
        R = 2 r / (1 + r); the rest, 1 - R, passes, as by mitsuba's `thindielectric`: nothing is absorbed.
        """
        cosine = dr.dot(ray.d, self.normal)
        distance = dr.dot(mi.Vector3f(self.middle - ray.o), self.normal) / cosine
        point = ray(distance)
        offset = mi.Vector3f(point - self.middle)
        inside = (dr.abs(dr.dot(offset, self.right)) <= self.half_size[0]) & (
            dr.abs(dr.dot(offset, self.up)) <= self.half_size[1]
        )
        surface = scene.ray_intersect_preliminary(ray, active=active)
        met = active & inside & (distance > 0) & (distance < surface.t)
        face = mi.fresnel(dr.abs(cosine), self.index)[0]
        return met, point, 2 * face / (1 + face)


class ThroughPane(mi.SamplingIntegrator):
    """Light that passes a pane, attenuated; beside it, all light."""

    def __init__(self, inner: mi.SamplingIntegrator, place: Rectangle, index: float) -> None:
        super().__init__(mi.Properties())
        self.inner, self.pane = inner, _Pane(place, index)

    def sample(
        self,
        scene: mi.Scene,
        sampler: mi.Sampler,
        ray: mi.RayDifferential3f,
        medium: mi.Medium | None = None,
        active: bool = True,
    ) -> tuple[mi.Color3f, bool, list[float]]:
        """Return the radiance along a ray, in mitsuba's interface of integrators."""
        met, _, share = self.pane.meet(scene, ray, active)
        radiance, valid, more = self.inner.sample(scene, sampler, ray, medium, active)
        return radiance * dr.select(met, 1 - share, 1.0), valid, more


class MirroredByPane(mi.SamplingIntegrator):
    """Light that a pane reflects; beside it, none."""

    def __init__(self, inner: mi.SamplingIntegrator, place: Rectangle, index: float) -> None:
        super().__init__(mi.Properties())
        self.inner, self.pane = inner, _Pane(place, index)

    def sample(
        self,
        scene: mi.Scene,
        sampler: mi.Sampler,
        ray: mi.RayDifferential3f,
        medium: mi.Medium | None = None,
        active: bool = True,
    ) -> tuple[mi.Color3f, bool, list[float]]:
        """Return the radiance along a ray, in mitsuba's interface of integrators."""
        met, point, share = self.pane.meet(scene, ray, active)
        away = ray.d - 2 * dr.dot(ray.d, self.pane.normal) * mi.Vector3f(self.pane.normal)
        onward = mi.RayDifferential3f(mi.Ray3f(point, away, ray.time, ray.wavelengths))
        radiance, _, more = self.inner.sample(scene, sampler, onward, medium, met)
        return dr.select(met, radiance * share, 0.0), met, more
