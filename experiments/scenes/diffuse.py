"""An integrator for the light that the first visible surface reflects diffusely.

Import it after a mitsuba variant has been activated: its base class belongs to the variant.
"""

from __future__ import annotations

import drjit as dr
import mitsuba as mi

from light_paths import MAX_DEPTH, ROULETTE_DEPTH


def power_heuristic(pdf: mi.Float, other: mi.Float) -> mi.Float:
    """Return the weight of a sample of density `pdf` where another strategy has density `other`."""
    return pdf**2 / dr.maximum(pdf**2 + other**2, 1e-30)


class FirstHitDiffuse(mi.SamplingIntegrator):
    """Radiance that leaves the first surface by the diffuse lobe of its material.

    The light that reaches the surface includes all interreflections. Emitters and the lobe are both sampled
    and weighted by the power heuristic; a path tracer follows the bounce. Random numbers are drawn in the
    order of mitsuba's path tracer, so that with the same seed both have the same noise.
    """

    def __init__(self, props: mi.Properties) -> None:
        super().__init__(props)
        self.path = mi.load_dict({"type": "path", "max_depth": MAX_DEPTH - 1, "rr_depth": ROULETTE_DEPTH - 1})
        self.context = mi.BSDFContext()
        self.context.type_mask = mi.BSDFFlags.Diffuse

    def sample(
        self,
        scene: mi.Scene,
        sampler: mi.Sampler,
        ray: mi.RayDifferential3f,
        medium: mi.Medium | None = None,
        active: bool = True,
    ) -> tuple[mi.Color3f, bool, list[float]]:
        """Return the radiance along a ray, in mitsuba's interface of integrators."""
        si = scene.ray_intersect(ray, active)
        active = active & si.is_valid()
        bsdf = si.bsdf(ray)
        # A material without a diffuse lobe, such as metal, reflects nothing diffusely.
        active = active & mi.has_flag(bsdf.flags(), mi.BSDFFlags.DiffuseReflection)

        light, light_weight = scene.sample_emitter_direction(si, sampler.next_2d(active), True, active)
        towards_light = si.to_local(light.d)
        lit = active & (light.pdf != 0)
        value, pdf = bsdf.eval_pdf(self.context, si, towards_light, lit)
        share = dr.select(light.delta, 1.0, power_heuristic(light.pdf, pdf))
        radiance = dr.select(lit, value * light_weight * share, 0.0)

        bounce, weight = bsdf.sample(
            self.context, si, sampler.next_1d(active), sampler.next_2d(active), active
        )
        sampler.next_1d(active)  # the path tracer's for Russian roulette
        active = active & (bounce.pdf > 0)
        onward = mi.RayDifferential3f(si.spawn_ray(si.to_world(bounce.wo)))
        incoming, _, _ = self.path.sample(scene, sampler, onward, medium, active)
        incoming = incoming - self._surplus(scene, si, onward, bounce.pdf, active)
        return radiance + dr.select(active, weight * incoming, 0.0), active, []

    @staticmethod
    def _surplus(
        scene: mi.Scene, si: mi.SurfaceInteraction3f, onward: mi.Ray3f, pdf: mi.Float, active: bool
    ) -> mi.Color3f:
        """Return the emission of an emitter that the bounce hits, minus the share due to the bounce."""
        hit = scene.ray_intersect(onward, active)
        emitter = hit.emitter(scene, active)
        if emitter is None:  # only in scalar variants, which follow one ray at a time
            return mi.Color3f(0)
        active = active & (emitter != None)  # noqa: E711 (elementwise)
        towards = mi.DirectionSample3f(scene, hit, si)
        light_pdf = dr.select(active, scene.pdf_emitter_direction(si, towards, active), 0.0)
        emission = dr.select(active, emitter.eval(hit, active), 0.0)
        return (1.0 - power_heuristic(pdf, light_pdf)) * emission
