"""A baked multiplane image, read and rendered from its files alone: front to back, until no light is left."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16
from torch import Tensor, nn

from normnex_pl.core.types import MPIGeometry, Rays
from normnex_pl.export.baked.basis_table import TABLES, read_table
from normnex_pl.export.baked.files import read_file, read_manifest
from normnex_pl.export.baked.manifest import Manifest
from normnex_pl.export.baked.parts import make_background, make_color, make_normals
from normnex_pl.export.baked.tiled_texture import TiledTexture, read_texture
from normnex_pl.geometry.planes import canvas_coordinates, planes_ahead
from normnex_pl.model.compositing import composite, composite_weights

# A ray ends where less than this share of its light is left: a quarter of an 8-bit level.
LEAST_LIGHT = 1 / 1024


class BakedMPI(nn.Module):
    """A baked multiplane image.

    Args:
        manifest: What the files are.
        alpha: A texture a plane.
        base_color: A texture a layer.
        features: A texture a layer.
        table: The basis functions.
    """

    depths: Float[Tensor, "plane"]
    layer_depths: Float[Tensor, "layer"]
    table: Float16[Tensor, "*cells basis"]

    def __init__(
        self,
        manifest: Manifest,
        alpha: TiledTexture,
        base_color: TiledTexture,
        features: TiledTexture,
        table: Float16[Tensor, "*cells basis"],
    ) -> None:
        super().__init__()
        self.manifest = manifest
        self.geometry = MPIGeometry(**asdict(manifest.geometry))
        self.sublayers = manifest.sublayers
        self.gate = manifest.gate
        self.num_color_features = manifest.num_color_features
        self.alpha, self.base_color, self.features = alpha, base_color, features
        self.color = make_color(manifest.color)
        self.normals = make_normals(manifest.normals)
        self.background = make_background(manifest.background)
        self.query = TABLES[manifest.basis.query]()
        self.register_buffer("table", table)
        self.register_buffer("depths", torch.tensor(manifest.depths))
        self.register_buffer("layer_depths", torch.tensor(manifest.layer_depths))

    @classmethod
    def read(cls, folder: Path) -> BakedMPI:
        """Read the files.

        Args:
            folder: ``mpi/`` of a run.

        Raises:
            UserError: A file is missing, damaged, or of another version.
        """
        manifest = read_manifest(folder)
        basis, textures = manifest.basis, manifest.textures
        table = np.frombuffer(read_file(folder, basis.stored), "<f2").astype(np.float16)
        return cls(
            manifest,
            read_texture(folder, "alpha", textures.alpha),
            read_texture(folder, "base_color", textures.base_color),
            read_texture(folder, "features", textures.features),
            torch.from_numpy(table.reshape(*basis.shape, basis.num_basis)),
        )

    @property
    def memory(self) -> int:
        """Bytes of textures and tables."""
        return sum(buffer.nbytes for buffer in self.buffers())

    @torch.no_grad()
    def render(self, rays: Rays, least_light: float = LEAST_LIGHT) -> dict[str, Tensor]:
        """Render rays, with the components of `MPI.components`.

        Args:
            rays: In the reference frame.
            least_light: Rays end where a smaller share of their light is left, which bounds the error.
        """
        light = torch.ones_like(rays.origins[:, 0])
        sums: dict[str, Tensor] = {}
        for layer in range(len(self.layer_depths)):
            going = (light >= least_light).nonzero()[:, 0]
            if not len(going):
                break
            some = Rays(rays.origins[going], rays.directions[going])
            planes, alpha = self._opacity(some, layer)
            hit = (alpha > 0).any(dim=1).nonzero()[:, 0]
            struck, alpha = Rays(some.origins[hit], some.directions[hit]), alpha[hit]
            values, alpha = self._shade(struck, layer, planes[hit], alpha, light[going[hit]])
            light[going[hit]] *= (1 - alpha).prod(dim=1)
            for name, value in values.items():
                total = sums.setdefault(name, value.new_zeros(len(light), value.shape[1]))
                total[going[hit]] += value
        return self._components(sums, len(light))

    def texels(
        self, plane: int, coordinates: Float[Tensor, "point 2"]
    ) -> tuple[Float[Tensor, "point"], Float[Tensor, "point 3"]]:
        """Read a plane without its specular part.

        Args:
            plane: Index of the plane.
            coordinates: Canvas coordinates, in [-1, 1].

        Returns:
            Opacities, 0 where nothing is stored, and base colours, arbitrary there.
        """
        device = self.depths.device
        values, present = self.alpha.read(torch.tensor(plane, device=device), coordinates)
        alpha = values * present[:, None]
        if plane == len(self.depths) - 1:
            alpha = self.background(alpha, coordinates[:, None])
        base, colored = self.base_color.read(
            torch.tensor(plane // self.sublayers, device=device), coordinates
        )
        return alpha[:, 0] * colored, base

    def _opacity(self, rays: Rays, layer: int) -> tuple[Float[Tensor, "ray sub 2"], Float[Tensor, "ray sub"]]:
        """Return canvas coordinates on a layer's planes, and opacities there."""
        planes = torch.arange(layer * self.sublayers, (layer + 1) * self.sublayers, device=self.depths.device)
        depths = self.depths[planes]
        coordinates = _meet(rays, depths, self.geometry)
        inside = (coordinates.abs() <= 1).all(dim=-1)
        values, present = self.alpha.read(planes, coordinates)
        alpha = values[..., 0] * (present & inside)
        if layer == len(self.layer_depths) - 1:
            alpha = self.background(alpha, coordinates)
        return coordinates, alpha * planes_ahead(rays, depths)

    def _shade(
        self,
        rays: Rays,
        layer: int,
        planes: Float[Tensor, "ray sub 2"],
        alpha: Float[Tensor, "ray sub"],
        light: Float[Tensor, "ray"],
    ) -> tuple[dict[str, Tensor], Float[Tensor, "ray sub"]]:
        """Return what a layer adds to rays, and its opacities where it has colours."""
        device = alpha.device
        base, present = self.base_color.read(torch.tensor(layer, device=device), planes)
        alpha = alpha * present
        weights = light[:, None] * composite_weights(alpha)
        specular, shown = self.features_of(rays, layer)
        depths = self.depths[layer * self.sublayers : (layer + 1) * self.sublayers]
        whole = weights.sum(dim=1, keepdim=True)
        values = {name: whole * value for name, value in shown.items()} | {
            "rgb": composite(weights, (base + specular[:, None]).clamp(0, 1)),
            "diffuse": composite(weights, base),
            "acc": whole,
            "depth": (weights * depths).sum(dim=1, keepdim=True),
            "disparity": (weights / depths).sum(dim=1, keepdim=True),
        }
        return values, alpha

    def features_of(self, rays: Rays, layer: int) -> tuple[Float[Tensor, "ray 3"], dict[str, Tensor]]:
        """Return the specular part of a layer as rays see it, and its other components."""
        coordinates = _meet(rays, self.layer_depths[layer : layer + 1], self.geometry)[:, 0]
        features, present = self.features.read(torch.tensor(layer, device=coordinates.device), coordinates)
        colors = features[:, None, : self.num_color_features]
        normals = self.normals(features[:, None, self.num_color_features :])
        inputs = self.query.coordinates(rays.viewdirs, None if normals is None else normals[:, 0])
        basis = read_table(self.table.movedim(-1, 0).float(), inputs)
        specular = self.gate * self.color.specular(colors, basis[:, None])[:, 0]
        shown = {name: part[:, 0] for name, part in self.color.parts(colors).items()}
        if normals is not None:
            shown["normals"] = normals[:, 0]
        there = present[:, None]
        return specular * there, {name: value * there for name, value in shown.items()}

    def _components(self, sums: dict[str, Tensor], rays: int) -> dict[str, Tensor]:
        """Return the components of the sums over the planes; see `MPI.components`."""
        if not sums:  # no ray met anything
            empty = self.depths.new_zeros(rays, 3)
            sums = dict.fromkeys(("rgb", "diffuse"), empty) | dict.fromkeys(
                ("acc", "depth", "disparity"), empty[:, :1]
            )
        acc = sums["acc"][:, 0]
        mean = sums["depth"][:, 0] / acc.clamp(min=1e-6)
        shown = sums | {
            "acc": acc,
            "depth": torch.where(acc > 1e-6, mean, self.depths[-1]),
            "disparity": sums["disparity"][:, 0],
            "specular": sums["rgb"] - sums["diffuse"],
        }
        if "normals" in sums:
            shown["normals"] = F.normalize(sums["normals"], dim=-1, eps=1e-6)
        return shown


def _meet(rays: Rays, depths: Float[Tensor, "plane"], geometry: MPIGeometry) -> Float[Tensor, "ray plane 2"]:
    """Return finite canvas coordinates: those of rays that miss the canvas are clamped."""
    return canvas_coordinates(rays, depths, geometry).nan_to_num(nan=2.0).clamp(-2, 2)
