"""The multiplane image: a field, a basis and a colour model, and the one way to render them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from normnex_pl.core.errors import UserError
from normnex_pl.core.rendering import FieldOutput, PlaneSamples, RenderOutput
from normnex_pl.core.types import Camera, MPIGeometry, Rays
from normnex_pl.geometry.cameras import image_rays, join_image
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.geometry.planes import canvas_coordinates, canvas_lines, planes_ahead
from normnex_pl.kernels import kernels_run_on
from normnex_pl.kernels.textures import read_layers
from normnex_pl.model.appearance import Background, Basis, ClearBackground, ColorModel, NormalModel
from normnex_pl.model.compositing import composite, composite_shaded
from normnex_pl.model.fields import FieldFactory
from normnex_pl.model.rasterizer import rasterize


@dataclass(frozen=True)
class RenderOptions:
    """Deviations from the learned model, for ablations and figures.

    Attributes:
        normals: Model of the normals to use instead of the learned one; None for the learned one.
        specular_gain: Factor of the specular part of each plane, on top of the gate, before anything clamps.
    """

    normals: NormalModel | None = None
    specular_gain: float = 1.0


AS_LEARNED = RenderOptions()


class MPI(nn.Module):
    """A multiplane image of a forward-facing scene.

    Args:
        layout: Planes, layers and canvas.
        field: Creates the field.
        color: Turns features and basis functions into the specular part.
        basis: Basis functions, and the direction by which they are looked up.
        normals: Reads normals from the features that follow those of the colour model.
        background: Closes the far end, or leaves it open.

    Attributes:
        depths: Depths of the planes in world units.
        layer_depths: Depths of the layers, likewise.
        spacing: Derivative of the depth by the plane index, at each plane.
        gate: Factor of the specular part; a diffuse phase sets it to zero. Part of the state.

    Raises:
        UserError: The basis is looked up by normals, but there are none.
    """

    depths: Float[Tensor, "plane"]
    layer_depths: Float[Tensor, "layer"]
    spacing: Float[Tensor, "plane"]
    gate: Float[Tensor, ""]

    def __init__(
        self,
        layout: PlaneLayout,
        field: FieldFactory,
        color: ColorModel,
        basis: Basis,
        normals: NormalModel,
        background: Background = ClearBackground(),  # noqa: B008 (it has no state)
    ) -> None:
        super().__init__()
        if basis.query.needs_normals and not normals.num_features:
            raise UserError(
                f"model.normals: expected a model of normals, since {type(basis.query).__name__} looks the "
                f"basis up by them, found {type(normals).__name__}. Choose PredictedNormals or ViewQuery."
            )
        self.layout = layout
        self.color = color
        self.basis = basis
        self.normals = normals
        self.background = background
        self.num_color_features = color.num_features(basis.num_basis)
        num_features = self.num_color_features + normals.num_features
        self.field = field(layout, num_features)
        self.register_buffer("depths", layout.depths, persistent=False)
        self.register_buffer("layer_depths", layout.layer_depths, persistent=False)
        self.register_buffer("spacing", layout.spacing, persistent=False)
        self.register_buffer("gate", torch.ones(()))

    @property
    def geometry(self) -> MPIGeometry:
        """Reference camera, canvas and depth range."""
        return self.layout.geometry

    @property
    def num_layers(self) -> int:
        """Groups of neighbouring planes that share textures."""
        return self.layout.num_layers

    @property
    def sublayers(self) -> int:
        """Planes per layer."""
        return self.layout.sublayers

    @property
    def num_outputs(self) -> int:
        """Values per sample: opacity, base colour, and the features of the layer."""
        return 1 + 3 + self.num_color_features + self.normals.num_features

    @property
    def stored_bytes(self) -> int:
        """Size of the multiplane image at one byte per value, uncompressed; see `Field.stored_values`."""
        return self.field.stored_values()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Group all parameters by the names under which presets give their learning rates."""
        return {**self.field.parameter_groups(), "basis": list(self.basis.parameters())}

    def render(self, rays: Rays, options: RenderOptions = AS_LEARNED) -> RenderOutput:
        """Render a batch of rays, for training, evaluation and pictures alike.

        Fields that are textures are rendered by kernels where these run, which store nothing for each plane.

        Args:
            rays: Of shape ``[ray]``, in the reference frame.
            options: Deviations from the learned model.
        """
        textures = self.field.textures() if kernels_run_on(rays.origins) else None
        if textures is None:
            return self.render_planes(rays, options)
        lines = canvas_lines(rays, self.geometry)
        shading = self._shading(rays, read_layers(textures.features, lines, 1 / self.layer_depths), options)
        composited = rasterize(textures, shading["specular"], lines, self.depths, self.background.opaque_last)
        return RenderOutput(**composited, **shading, planes=None)

    def render_planes(self, rays: Rays, options: RenderOptions = AS_LEARNED) -> RenderOutput:
        """Render a batch of rays, and keep what each plane has met: `RenderOutput.planes`."""
        samples = self.intersect(rays)
        return self.shade(rays, samples, self.field(samples), options)

    def intersect(self, rays: Rays) -> PlaneSamples:
        """Intersect rays with the planes and the layers, in canvas coordinates."""
        return PlaneSamples(self._meet(rays, self.depths), self._meet(rays, self.layer_depths))

    def shade(
        self,
        rays: Rays,
        samples: PlaneSamples,
        stored: FieldOutput,
        options: RenderOptions = AS_LEARNED,
    ) -> RenderOutput:
        """Shade and composite the values that the field stores where rays meet its planes.

        Args:
            rays: In the reference frame.
            samples: Where they meet the planes.
            stored: Values of the field there.
            options: Deviations from the learned model.
        """
        shading = self._shading(rays, stored.features, options)
        alpha = self.background(stored.alpha, samples.planes) * planes_ahead(rays, self.depths)
        composited = composite_shaded(alpha, stored.base_color, shading["specular"], self.depths)
        return RenderOutput(**composited, **shading)

    def _shading(
        self, rays: Rays, features: Float[Tensor, "ray layer feature"], options: RenderOptions
    ) -> dict[str, Any]:
        """Return ``specular``, ``features`` and ``normals`` of the layers as in `RenderOutput`."""
        read_normals = self.normals if options.normals is None else options.normals
        normals = read_normals(features[..., self.num_color_features :])
        of_color = features[..., : self.num_color_features]
        gate = self.gate * options.specular_gain
        specular = gate * self.color.specular(of_color, self.basis(rays.viewdirs, normals))
        return {"specular": specular, "features": of_color, "normals": normals}

    def _meet(self, rays: Rays, depths: Float[Tensor, "plane"]) -> Float[Tensor, "ray plane 2"]:
        """Intersect rays with planes; clamp intersections that miss the canvas, or don't exist, to +-2."""
        return canvas_coordinates(rays, depths, self.geometry).nan_to_num(nan=2.0).clamp(-2, 2)

    @torch.no_grad()
    def render_image(
        self, camera: Camera, chunk_size: int = 16384, options: RenderOptions = AS_LEARNED
    ) -> dict[str, Tensor]:
        """Render a whole image in chunks that bound the memory.

        Args:
            camera: In the reference frame, on the model's device.
            chunk_size: Rays per chunk.
            options: Deviations from the learned model.

        Returns:
            The `components` of all pixels, of shape ``[height, width]`` or ``[height, width, channel]``.
        """
        chunks = image_rays(camera).split(chunk_size)
        with self.field.prepared():
            return join_image(camera, [self.components(self.render(rays, options)) for rays in chunks])

    def components(self, rendered: RenderOutput) -> dict[str, Tensor]:
        """Composite everything that can be shown of rays, by the same weights as their colour.

        Returns:
            ``rgb``, ``acc``, ``depth``, ``disparity`` and ``diffuse`` as in `RenderOutput`; ``specular``,
            which is rgb - diffuse and may be negative; the parts that the colour model names (``tint`` in
            [0, 1], ``chroma`` in [-0.5, 0.5]); ``normals`` in the reference frame, if the model has any: of
            unit length, or zero where nothing is covered.
        """
        weights = rendered.layer_weights
        shown = {name: getattr(rendered, name) for name in ("rgb", "acc", "depth", "disparity", "diffuse")}
        shown["specular"] = rendered.rgb - rendered.diffuse
        parts = self.color.parts(rendered.features)
        shown |= {name: composite(weights, values) for name, values in parts.items()}
        if rendered.normals is not None:
            shown["normals"] = composite_normals(weights, rendered.normals)
        return shown


def composite_normals(
    weights: Float[Tensor, "ray layer"], normals: Float[Tensor, "ray layer 3"]
) -> Float[Tensor, "ray 3"]:
    """Average normals by weight and normalise; zero where nothing is covered."""
    total = composite(weights, normals)
    return total / total.norm(dim=-1, keepdim=True).clamp(min=1e-6)
