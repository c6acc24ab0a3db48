"""Frozen dataclasses that cross the borders of modules, and the vocabulary of their axes.

Axis names in shape annotations:
    ``ray``      rays of a batch            ``plane``    planes of the MPI, front to back
    ``layer``    groups of planes that share textures (``plane = layer * sublayer``)
    ``view``     photos of a scene          ``height``, ``width``  pixels of a photo or texture
    ``feature``  channels that a field stores on a layer for the models of colour and normals

Frames: the world of a loaded scene is the frame of its reference camera, in OpenCV axes (x right,
y down, z forward), scaled so that the nearest depth bound is 4/3. Pixel centres lie at integer + 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, Float, Integer, UInt8
from torch import Tensor

# Uniform in depth or in disparity (inverse depth), or the depths themselves; see `MPIGeometry`.
UniformSpacing = Literal["depth", "disparity"]
PlaneSpacing = UniformSpacing | tuple[float, ...]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in OpenCV axes.

    Attributes:
        K: Intrinsics in pixels, for an image of ``width`` x ``height``.
        c2w: Camera to world (world: see the module's docstring).
        width: Image width in pixels.
        height: Image height in pixels.
    """

    K: Float[Tensor, "3 3"]
    c2w: Float[Tensor, "3 4"]
    width: int
    height: int

    def to(self, device: torch.device) -> Camera:
        """Copy the camera to a device."""
        return Camera(self.K.to(device), self.c2w.to(device), self.width, self.height)


@dataclass(frozen=True)
class View:
    """A photo and its camera.

    Attributes:
        name: File name without its extension; unique in a scene.
        camera: Intrinsics and pose.
        image: sRGB bytes.
        mask: Which pixels count, for learning and for scores; None where all of them do.
    """

    name: str
    camera: Camera
    image: UInt8[Tensor, "height width 3"]
    mask: Bool[Tensor, "height width"] | None = None

    @property
    def rgb(self) -> Float[Tensor, "height width 3"]:
        """The photo as sRGB in [0, 1]."""
        return self.image.float() / 255

    def to(self, device: torch.device) -> View:
        """Copy the view to a device."""
        mask = None if self.mask is None else self.mask.to(device)
        return View(self.name, self.camera.to(device), self.image.to(device), mask)


@dataclass(frozen=True)
class MPIGeometry:
    """The geometry of an MPI: the reference camera, the canvas and the depths.

    Only plain values, so that a checkpoint can hold it without a class of this package.

    Attributes:
        fx: Horizontal focal length of the reference camera in pixels.
        fy: Vertical focal length of the reference camera in pixels.
        cx: Principal point of the reference camera in pixels from the left border.
        cy: Principal point of the reference camera in pixels from the upper border.
        width: Width of the reference image in pixels.
        height: Height of the reference image in pixels.
        padding: Pixels that the canvas adds on each of the four sides.
        near: Depth of the first plane in world units.
        far: Depth of the last plane in world units.
        spacing: Whether planes are uniform in depth or in disparity (inverse depth); or depths from near to
            far, strictly increasing, at equal shares of the plane index. Planes of another number stand on a
            smooth curve through them; see `normnex_pl.geometry.depth_curves`.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    padding: int
    near: float
    far: float
    spacing: PlaneSpacing

    @property
    def canvas_width(self) -> int:
        """Width of the canvas in reference pixels."""
        return self.width + 2 * self.padding

    @property
    def canvas_height(self) -> int:
        """Height of the canvas in reference pixels."""
        return self.height + 2 * self.padding


@dataclass(frozen=True)
class PlaneReasons:
    """Why the planes of a scene stand where they do: a clause each, for humans.

    Attributes:
        reference: Reason for the reference view.
        depths: Reason for the depths of the first and the last plane.
        spacing: Reason for the spacing.
        padding: Reason for the padding.
    """

    reference: str = ""
    depths: str = ""
    spacing: str = ""
    padding: str = ""


@dataclass(frozen=True)
class SeenDepths:
    """Depths at which the views see something.

    Attributes:
        depths: In the reference frame, in world units.
        weights: Share of what is seen that each stands for; their sum is 1.
        origin: Clause about the points that they come from, for humans.
    """

    depths: Float[Tensor, "seen"]
    weights: Float[Tensor, "seen"]
    origin: str


@dataclass(frozen=True)
class Scene:
    """A forward-facing capture, ready for training.

    Attributes:
        name: Name of the folder.
        root: The folder.
        views: All photos, sorted by name, all of one size.
        train: Indices of the training views.
        test: Indices of the held-out views.
        reference: Index of the view in whose frame the MPI lives.
        geometry: The MPI that suits the scene.
        source_from_world: Transforms points of this scene's world to the frame of the capture's own files.
        points: Points of a sparse reconstruction that training views see, in world space; None without a
            reconstruction.
        seen: What the training views see; None if nobody looked.
        reasons: Why `geometry` and `reference` are as they are.
        planes_unit: Length in ``planes.txt`` that is 1 in the world.
        kind: Name of the file format.
        photos: The files that were loaded, one for each view.
        masks: The files of masks that were loaded.
        conversion: How wide pixels became bytes; empty where all photos had bytes.
    """

    name: str
    root: Path
    views: tuple[View, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    reference: int
    geometry: MPIGeometry
    source_from_world: Float[Tensor, "4 4"]
    points: Float[Tensor, "point 3"] | None = None
    seen: SeenDepths | None = None
    reasons: PlaneReasons = PlaneReasons()
    planes_unit: float = 1.0
    kind: str = ""
    photos: tuple[Path, ...] = ()
    masks: tuple[Path, ...] = ()
    conversion: str = ""


@dataclass(frozen=True)
class Rays:
    """Rays in world space.

    Attributes:
        origins: Camera centres.
        directions: Directions through the pixel centres, of any length, pointing away from the camera.
    """

    origins: Float[Tensor, "*ray 3"]
    directions: Float[Tensor, "*ray 3"]

    @property
    def viewdirs(self) -> Float[Tensor, "*ray 3"]:
        """Unit directions from the camera to the scene."""
        return self.directions / self.directions.norm(dim=-1, keepdim=True)

    def split(self, count: int) -> list[Rays]:
        """Flatten the rays and split them into parts of at most ``count``."""
        origins, directions = self.origins.reshape(-1, 3), self.directions.reshape(-1, 3)
        return [Rays(*part) for part in zip(origins.split(count), directions.split(count), strict=True)]


@dataclass(frozen=True)
class RayBatch:
    """Training rays and the colours of their pixels, in L-shaped triplets (pixel, right, below).

    Attributes:
        rays: Rays of shape ``[triplet, 3]``.
        rgb: sRGB in [0, 1].
        views: Of each triplet, the position of its photo among the training views; None where rays are not of
            a training step.
    """

    rays: Rays
    rgb: Float[Tensor, "triplet 3 3"]
    views: Integer[Tensor, "triplet"] | None = None

    def first_rays(self) -> Rays:
        """Return the first ray of each triplet."""
        return Rays(self.rays.origins[:, 0], self.rays.directions[:, 0])
