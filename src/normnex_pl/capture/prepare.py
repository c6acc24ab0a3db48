"""The steps from photos to a scene, each of which resumes where it was stopped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Float

import normnex_pl
from normnex_pl.capture.coverage import measure_coverage
from normnex_pl.capture.findings import FEWEST, RegisteredPhotos, warnings_of, why_not_facing
from normnex_pl.capture.inputs import VERSION, GivenPhotos, check_places, read_given
from normnex_pl.capture.model_files import ModelFacts, model_folder, read_facts, store_model
from normnex_pl.capture.options import PrepareOptions
from normnex_pl.capture.report import Report, stored_key, stored_lines, write_report
from normnex_pl.capture.scene_files import write_scene
from normnex_pl.capture.structure import Reconstruction, Structure, StructureSettings
from normnex_pl.capture.work_folder import LOG, WorkFolder, hash_of
from normnex_pl.capture.working_copies import copy_name, copy_photos, mask_of
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing_folder
from normnex_pl.data.readers.colmap import read_model
from normnex_pl.data.readers.colmap_model import SparseReconstruction, c2w_of

logger = logging.getLogger(__name__)


def prepare(options: PrepareOptions) -> Sequence[str]:
    """Make a scene of photos.

    Returns:
        The report, in lines.

    Raises:
        UserError: The photos can't become a scene; the message says why.
    """
    check_places(options.photos, options.scene)
    work = WorkFolder(options.scene)
    given = read_given(options.photos, options.longest, options.frames, work)
    settings = StructureSettings(options.lens, given.focal, options.seed, device=options.device)
    key = hash_of([given.key, settings.key(), VERSION])
    if options.scene.exists() and any(options.scene.iterdir()):
        return _finished(options.scene, key)
    logger.info("1/4 photos: %d, copied at %dx%d pixels", len(given.files), *given.size)
    copies = work.stage("photos", given.key)
    sharpness = np.array(copy_photos(given, copies))
    facts, folder = _estimate(given, settings, key, copies, work)
    report = _assess(given, key, copies, sharpness, facts, read_model(folder), options.anyway)
    logger.info("4/4 scene: %d photos, undistorted, with poses", len(report.photos.names))
    photos = {name: copies / copy_name(given.names.index(name)) for name in report.photos.names}
    with replacing_folder(options.scene) as temporary:
        write_scene(temporary, folder, facts.intrinsics, photos)
        write_report(temporary, report)
        (temporary / LOG).write_bytes(work.log.read_bytes())
    work.remove()
    return report.lines()


def _finished(scene: Path, key: str) -> Sequence[str]:
    """Return the report of a scene that exists already.

    Raises:
        UserError: It was made from other photos or options.
    """
    if stored_key(scene) != key:
        raise UserError(
            f"{scene}: expected no such folder, or the scene that these photos and options make, found "
            "something else. Give another SCENE, or remove the folder."
        )
    logger.info("%s is finished already", scene)
    return stored_lines(scene)


def _estimate(
    given: GivenPhotos, settings: StructureSettings, key: str, copies: Path, work: WorkFolder
) -> tuple[ModelFacts, Path]:
    """Estimate cameras and points, unless an earlier run did.

    Returns:
        Facts about the model, and its folder.

    Raises:
        UserError: No model of enough photos was found.
    """
    folder = work.stage("model", key)
    facts = read_facts(folder)
    if facts is None:
        structure = Structure(copies, given.size, work.stage("features", key), settings, work.log)
        logger.info("2/4 features and matches (log: %s)", work.log)
        structure.find_features()
        structure.match()
        logger.info("3/4 cameras")
        found = structure.find_cameras()
        _check_model(found, given, work.log)
        facts = store_model(folder, found, given.names, copies)
    return facts, model_folder(folder)


def _check_model(found: Reconstruction, given: GivenPhotos, log: Path) -> None:
    """Raise a UserError unless enough photos were placed together."""
    placed, count = max(found.sizes, default=0), len(given.files)
    if placed >= FEWEST:
        return
    advice = "Take photos from places a little apart, of something with texture that stands still."
    if found.pairs >= count - 1:
        advice = (
            "They overlap, but show no depth: move the camera sideways and up between the photos, don't only "
            "turn it."
        )
    raise UserError(
        f"{given.source}: expected photos of one scene from several places, found {placed} of {count} that "
        f"can be placed together, and {found.pairs} of {count * (count - 1) // 2} pairs with something in "
        f"common. {advice} Details: {log}."
    )


def _assess(
    given: GivenPhotos,
    key: str,
    copies: Path,
    sharpness: Float[np.ndarray, "photo"],
    facts: ModelFacts,
    model: SparseReconstruction,
    anyway: bool,
) -> Report:
    """Report on the reconstruction, with warnings of what may fail later.

    Raises:
        UserError: The photos don't face the scene from one side, and it shall not be written anyway.
    """
    images = sorted(model.images, key=lambda image: image.name)
    (intrinsics,) = model.cameras.values()
    observers = np.array([image.identifier for image in images])
    c2w = np.stack([c2w_of(image) for image in images])
    coverage = measure_coverage(c2w, observers, model.points, intrinsics)
    names = tuple(image.name for image in images)
    photos = RegisteredPhotos(
        names,
        sharpness[[given.names.index(name) for name in names]],
        np.array([facts.stops[name] for name in names]),
    )
    left_out = tuple(name for name in given.names if name not in names)
    warnings = [*given.warnings, *warnings_of(facts, coverage, photos, left_out)]
    if reason := why_not_facing(coverage):
        if not anyway:
            raise UserError(
                f"{given.source}: {reason}, which a multiplane image can't show. Take photos that all face "
                "the same way from places a little apart, or keep those that do. (--anyway writes the scene "
                "all the same.)"
            )
        warnings.insert(0, f"{reason}, which a multiplane image can't show.")
    return Report(
        source=str(given.source),
        key=key,
        given=len(given.files),
        photos=photos,
        left_out=left_out,
        masked=tuple(name for name in names if mask_of(copies / copy_name(given.names.index(name))).exists()),
        conversion=given.conversion.description,
        points=len(model.points.xyz),
        facts=facts,
        coverage=coverage,
        warnings=tuple(warnings),
        versions={"pycolmap": pycolmap.__version__, "normnex_pl": normnex_pl.__version__},
    )
