"""An integrator that cuts off what single samples bring beyond a multiple of white.

Import it after a mitsuba variant has been activated: its base class belongs to the variant.
"""

from __future__ import annotations

import drjit as dr
import mitsuba as mi


class Capped(mi.SamplingIntegrator):
    """Light of another integrator, each sample scaled down to at most `limit` in its largest channel.

    Few samples find a small lamp by way of a mirror. Uncapped, each of those makes a speckle that outshines
    its surroundings, at numbers of samples that render a scene in minutes. Capped light is a little darker.
    """

    def __init__(self, inner: mi.SamplingIntegrator, limit: float) -> None:
        super().__init__(mi.Properties())
        self.inner, self.limit = inner, limit

    def sample(
        self,
        scene: mi.Scene,
        sampler: mi.Sampler,
        ray: mi.RayDifferential3f,
        medium: mi.Medium | None = None,
        active: bool = True,
    ) -> tuple[mi.Color3f, bool, list[float]]:
        """Return the radiance along a ray, in mitsuba's interface of integrators."""
        radiance, valid, more = self.inner.sample(scene, sampler, ray, medium, active)
        largest = dr.maximum(dr.max(radiance), 1e-6)
        return radiance * dr.minimum(1.0, self.limit / largest), valid, more
