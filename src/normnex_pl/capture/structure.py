"""Structure from motion by COLMAP: features, matches, and a model of cameras and points.

Every step resumes where an earlier run was stopped: COLMAP's database keeps the results, photo by photo and
pair by pair. A build of pycolmap with CUDA (``pycolmap-cuda12``) finds features and matches on the GPU.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
from tqdm import tqdm

from normnex_pl.capture.cores import usable_cores
from normnex_pl.capture.quiet import library_output_to
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing
from normnex_pl.data.photos.mask_files import MASKS

_DATABASE = "database.db"
# A thread holds a dozen copies of a photo at twice its size.
_MOST_SIFT_THREADS = 8
_PAIRS_AT_ONCE = 16
_GPU_BATCH = 32
# In widths, without an entry in the EXIF data: a field of view of 45 degrees.
_USUAL_FOCAL = 1.2
# COLMAP starts from a pair with triangulation angles of 16 degrees, which captures that face the scene often
# don't have, and searches long for one.
_FIRST_PAIR_DEGREES = 4.0
_SMALLEST_MODEL = 3
# A match of two photos alone may be chance: nothing confirms the depth of its point.
_SHORTEST_TRACK = 3
# Of the last bundle adjustment: wrong matches, up to 4 pixels off, have less influence on the cameras.
_ROBUST_PIXELS = 0.5
_LAST_ITERATIONS, _LAST_TOLERANCE = 50, 1e-6


@dataclass(frozen=True)
class StructureSettings:
    """Settings on which the result depends, beside the photos.

    Attributes:
        lens: COLMAP's name of the camera model that all photos share.
        focal: Focal length in pixels, where the photos tell it.
        seed: Of what COLMAP draws at random. Its threads still make a difference in the last digits.
        longest: Larger photos are scaled down to this side to find features.
        device: auto, cpu or cuda.
    """

    lens: str
    focal: float | None
    seed: int = 0
    longest: int = 1600
    device: str = "auto"

    def key(self) -> dict[str, Any]:
        """Return everything that can change the result, the version of COLMAP included."""
        changing = {key: value for key, value in asdict(self).items() if key != "device"}
        return changing | {"pycolmap": pycolmap.__version__}


@dataclass(frozen=True)
class Reconstruction:
    """The result of incremental mapping.

    Attributes:
        model: Cameras and points of the largest model; None if there is none.
        sizes: Of all models, in photos, the largest first.
        pairs: Of photos that see something in common.
    """

    model: Any
    sizes: tuple[int, ...]
    pairs: int


class Structure:
    """Structure from motion, to be called step by step: `find_features`, `match`, `find_cameras`.

    Args:
        photos: Folder of the photos, all of one size, and of masks in ``masks/``, in whose black there are no
            features.
        size: Their width and height in pixels.
        folder: Where the database is kept.
        settings: Of COLMAP.
        log: The file for COLMAP's output.

    Raises:
        UserError: There is no such device.
    """

    def __init__(
        self, photos: Path, size: tuple[int, int], folder: Path, settings: StructureSettings, log: Path
    ) -> None:
        self.photos, self.size, self.folder, self.settings, self.log = photos, size, folder, settings, log
        self.names = sorted(path.name for path in photos.glob("*.png"))
        self.database = folder / _DATABASE
        if settings.device == "cuda" and not pycolmap.has_cuda:
            raise UserError(
                "--device: expected a pycolmap that was built with CUDA, found one without. Install "
                "pycolmap-cuda12 in its place, or use --device=cpu."
            )
        self._device = getattr(pycolmap.Device, settings.device)
        self._on_gpu = pycolmap.has_cuda and settings.device != "cpu"
        pycolmap.set_random_seed(settings.seed)

    def find_features(self) -> None:
        """Extract SIFT features of all photos."""
        if not self.database.exists():
            self._make_database()
        options = pycolmap.FeatureExtractionOptions()
        options.max_image_size = self.settings.longest
        threads = min(usable_cores(), _MOST_SIFT_THREADS)
        options.num_threads = threads
        with (
            library_output_to(self.log) as terminal,
            tqdm(total=len(self.names), desc="  features", unit="photo", file=terminal) as bar,
        ):
            for batch, reading in self._batches(_GPU_BATCH if self._on_gpu else 2 * threads):
                pycolmap.extract_features(
                    self.database,
                    self.photos,
                    image_names=batch,
                    reader_options=reading,
                    extraction_options=options,
                    device=self._device,
                )
                bar.update(len(batch))

    def match(self) -> None:
        """Match all pairs of photos, and verify the matches by two-view geometry."""
        verification = pycolmap.TwoViewGeometryOptions()
        verification.ransac.random_seed = self.settings.seed
        pairing = pycolmap.ImportedPairingOptions()
        pairing.match_list_path = self.folder / "pairs.txt"
        pairs = combinations(self.names, 2)
        total = len(self.names) * (len(self.names) - 1) // 2
        at_once = _PAIRS_AT_ONCE * (_GPU_BATCH if self._on_gpu else usable_cores())
        with (
            library_output_to(self.log) as terminal,
            tqdm(total=total, desc="  matches", unit="pair", file=terminal) as bar,
        ):
            while batch := list(islice(pairs, at_once)):
                pairing.match_list_path.write_text("".join(f"{one} {two}\n" for one, two in batch))
                pycolmap.match_image_pairs(
                    self.database,
                    pairing_options=pairing,
                    verification_options=verification,
                    device=self._device,
                )
                bar.update(len(batch))

    def find_cameras(self) -> Reconstruction:
        """Estimate poses, points and lens: incremental mapping, then a robust bundle adjustment."""
        options = pycolmap.IncrementalPipelineOptions()
        options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = (
            self.settings.seed
        )
        options.min_model_size = _SMALLEST_MODEL
        options.mapper.init_min_tri_angle = _FIRST_PAIR_DEGREES
        scratch = self.folder / "models"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        with (
            library_output_to(self.log) as terminal,
            tqdm(total=len(self.names), desc="  cameras", unit="photo", file=terminal) as bar,
        ):

            def begin_model() -> None:
                bar.reset()
                bar.update(2)

            models = pycolmap.incremental_mapping(
                self.database,
                self.photos,
                scratch,
                options=options,
                initial_image_pair_callback=begin_model,
                next_image_callback=bar.update,
            )
            ranked = sorted(models.values(), key=lambda model: -model.num_reg_images())
            if ranked:
                _refine(ranked[0])
        sizes = tuple(model.num_reg_images() for model in ranked)
        return Reconstruction(ranked[0] if ranked else None, sizes, self._count_pairs())

    def _batches(self, at_once: int) -> Iterator[tuple[list[str], Any]]:
        """Yield names of photos and how to read them: COLMAP wants a mask of all of a batch or of none."""
        masked = {name for name in self.names if (self.photos / MASKS / f"{name}.png").exists()}
        for kind in (masked, set(self.names) - masked):
            reading = pycolmap.ImageReaderOptions()
            reading.existing_camera_id = 1
            if kind == masked:
                reading.mask_path = self.photos / MASKS
            names = iter(sorted(kind))
            while batch := list(islice(names, at_once)):
                yield batch, reading

    def _make_database(self) -> None:
        """Enter one camera and all photos in their order, so that identifiers don't depend on threads."""
        width, height = self.size
        focal = self.settings.focal or _USUAL_FOCAL * max(self.size)
        camera = pycolmap.Camera.create_from_model_name(1, self.settings.lens, focal, width, height)
        camera.has_prior_focal_length = self.settings.focal is not None
        rig = pycolmap.Rig()
        rig.add_ref_sensor(camera.sensor_id)
        with replacing(self.database) as temporary, pycolmap.Database.open(temporary) as database:
            database.write_camera(camera, use_camera_id=True)
            rig.rig_id = database.write_rig(rig)
            for name in self.names:
                _enter_photo(database, rig, camera, name)

    def _count_pairs(self) -> int:
        """Count the pairs of photos with geometrically verified matches."""
        with pycolmap.Database.open(self.database) as database:
            _, inliers = database.read_two_view_geometry_num_inliers()
        return int(np.count_nonzero(inliers))


def _enter_photo(database: Any, rig: Any, camera: Any, name: str) -> None:
    """Enter a photo, and a frame of the rig that consists of it alone."""
    image = pycolmap.Image(name=name, camera_id=camera.camera_id)
    image.image_id = database.write_image(image)
    frame = pycolmap.Frame()
    frame.rig_id = rig.rig_id
    frame.add_data_id(image.data_id)
    frame.frame_id = database.write_frame(frame)


def _refine(model: Any) -> None:
    """Drop points with short tracks, and adjust the rest with a robust (Cauchy) loss."""
    pycolmap.ObservationManager(model).filter_points3D_with_short_tracks(_SHORTEST_TRACK)
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = _ROBUST_PIXELS
    options.ceres.solver_options.max_num_iterations = _LAST_ITERATIONS
    options.ceres.solver_options.function_tolerance = _LAST_TOLERANCE
    pycolmap.bundle_adjustment(model, options)
    model.update_point_3d_errors()
