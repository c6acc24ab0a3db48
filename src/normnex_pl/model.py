"""The multiplane image: a field, a basis and a colour model, and the one way to render them."""

from __future__ import annotations

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor, nn

from normnex_pl.components import Basis, ColorModel
from normnex_pl.fields import FieldFactory
from normnex_pl.geometry.cameras import image_rays
from normnex_pl.geometry.planes import canvas_coordinates, layer_depths, plane_depths, planes_ahead
from normnex_pl.rendering import composite, composite_weights, expected_depth
from normnex_pl.types import Camera, MPIGeometry, PlaneSamples, Rays, RenderOutput

IMAGE_COMPONENTS = ("rgb", "acc", "depth", "disparity", "diffuse")


class MPI(nn.Module):
    """A multiplane image of a forward-facing scene.

    Args:
        geometry: Canvas and depth range.
        num_layers: Layers that share textures.
        sublayers: Planes a layer.
        field: Makes the field.
        color: What the features mean.
        basis: Functions of the viewing direction.
    """

    depths: Float[Tensor, "plane"]
    layer_depths: Float[Tensor, "layer"]

    def __init__(
        self,
        geometry: MPIGeometry,
        num_layers: int,
        sublayers: int,
        field: FieldFactory,
        color: ColorModel,
        basis: Basis,
    ) -> None:
        super().__init__()
        self.geometry = geometry
        self.sublayers = sublayers
        self.color = color
        self.basis = basis
        self.field = field(geometry, num_layers, sublayers, color.num_features(basis.num_basis))
        depths = plane_depths(geometry, num_layers * sublayers)
        self.register_buffer("depths", depths, persistent=False)
        self.register_buffer("layer_depths", layer_depths(depths, num_layers), persistent=False)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All parameters, by the name under which a preset gives their learning rate."""
        return {**self.field.parameter_groups(), "basis": list(self.basis.parameters())}

    def render(self, rays: Rays) -> RenderOutput:
        """Renders a batch of rays, for training, evaluation and pictures alike.

        Args:
            rays: Of shape ``[ray]``, in the reference frame.
        """
        stored = self.field(PlaneSamples(self._meet(rays, self.depths), self._meet(rays, self.layer_depths)))
        specular = self.color.specular(stored.features, self.basis(rays.viewdirs))
        on_planes = repeat(specular, "ray layer rgb -> ray (layer sub) rgb", sub=self.sublayers)
        weights = composite_weights(stored.alpha * planes_ahead(rays, self.depths))
        return RenderOutput(
            rgb=composite(weights, (stored.base_color + on_planes).clamp(0, 1)),
            acc=weights.sum(dim=-1),
            depth=expected_depth(weights, self.depths),
            disparity=(weights / self.depths).sum(dim=-1),
            diffuse=composite(weights, stored.base_color),
            weights=weights,
        )

    def _meet(self, rays: Rays, depths: Float[Tensor, "plane"]) -> Float[Tensor, "ray plane 2"]:
        """Canvas coordinates that are finite: rays parallel to the planes end up beside the canvas."""
        return canvas_coordinates(rays, depths, self.geometry).nan_to_num(nan=2.0).clamp(-2, 2)

    @torch.no_grad()
    def render_image(self, camera: Camera, chunk: int = 16384) -> dict[str, Tensor]:
        """Renders a whole image in chunks that bound the memory.

        Args:
            camera: In the reference frame, on the model's device.
            chunk: Rays at once.

        Returns:
            The `IMAGE_COMPONENTS` of `RenderOutput`, of shape ``[height, width]`` or ``[height, width, 3]``.
        """
        rays = image_rays(camera)
        origins, directions = rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3)
        chunks = zip(origins.split(chunk), directions.split(chunk), strict=True)
        parts = [self._image_components(Rays(*part)) for part in chunks]
        shape = (camera.height, camera.width)
        return {
            name: torch.cat([part[name] for part in parts]).unflatten(0, shape) for name in IMAGE_COMPONENTS
        }

    def _image_components(self, rays: Rays) -> dict[str, Tensor]:
        rendered = self.render(rays)
        return {name: getattr(rendered, name) for name in IMAGE_COMPONENTS}
