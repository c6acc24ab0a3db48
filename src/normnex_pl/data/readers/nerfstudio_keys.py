"""The keys of ``transforms.json``, in nerfstudio's and instant-ngp's dialect: read, refused or warned of.

Keys of nerfstudio: https://docs.nerf.studio/quickstart/data_conventions.html; of instant-ngp:
https://github.com/NVlabs/instant-ngp, src/nerf_loader.cu and json_binding.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from normnex_pl.data.readers.json_files import refuse, shortened
from normnex_pl.data.readers.unread_keys import is_nothing, warn_of_unread_keys

# Without a name, it is a pinhole with OpenCV's distortion.
_CAMERA_MODELS = (None, "OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")
# Where these hold anything but nothing or zeros, photos don't follow that model.
_OTHER_LENSES: Mapping[str, str] = {
    "is_fisheye": "a lens that is no fisheye ('is_fisheye' false or absent)",
    "fisheye_crop_radius": "a lens that is no fisheye (no 'fisheye_crop_radius')",
    "equirectangular": "photos that are no panoramas (no 'equirectangular')",
    "latlong": "photos that are no panoramas (no 'latlong')",
    "orthographic": "photos in perspective (no 'orthographic')",
    "k4": "no fourth radial coefficient 'k4'",
    "k5": "no fifth radial coefficient 'k5'",
    "k6": "no sixth radial coefficient 'k6'",
    "distortion_params": "distortion as k1, k2, k3, p1 and p2 (no 'distortion_params')",
}
# Its poses have the axes left, up and forward.
_OTHER_AXES = "from_mitsuba"
# The first coefficient of this lens is often zero.
_F_THETA = tuple(f"ftheta_{letter}{number}" for letter in "pf" for number in range(6))
_READ = (
    *("frames", "file_path", "transform_matrix", "camera_model", "ply_file_path", "mask_path"),
    *("w", "h", "fl_x", "fl_y", "cx", "cy", "camera_angle_x", "camera_angle_y"),
    *("k1", "k2", "k3", "p1", "p2", "train_filenames", "val_filenames", "test_filenames"),
)
_ADVICE = "Undistort the photos, and estimate their poses again with one of the models that can be read."
_EFFECTS = {
    "mask_filename": "masks are named by 'mask_path'",
    "depth_file_path": "depth maps don't guide the training",
    "rolling_shutter": "each photo is taken as exposed at one moment",
    "transform_matrix_start": "each photo is taken as exposed at one moment",
    "transform_matrix_end": "each photo is taken as exposed at one moment",
    "x_fov": "fl_x and camera_angle_x are read",
    "y_fov": "fl_y and camera_angle_y are read",
    "applied_transform": "the frame of the file is kept",
    "applied_scale": "the units of the file are kept",
    "aabb": "planes stand where points or planes.txt say",
    "aabb_scale": "planes stand where points or planes.txt say",
}


def check_lens(where: str, fields: Mapping[str, Any]) -> None:
    """Raise a UserError if the keys of a frame speak of a lens or axes that aren't supported.

    Args:
        where: File and place in it, for the message.
        fields: The frame's keys over those at the top.
    """
    model = fields.get("camera_model")
    if model not in _CAMERA_MODELS:
        known = ", ".join(filter(None, _CAMERA_MODELS))
        refuse(where, f"a camera model among {known}", shortened(model), _ADVICE)
    for key, expected in _OTHER_LENSES.items():
        value = fields.get(key)
        if not is_nothing(value):
            refuse(where, expected, shortened(value), _ADVICE)
    if not is_nothing(fields.get(_OTHER_AXES)):
        expected = f"poses with the axes right, up, backward (no '{_OTHER_AXES}')"
        refuse(where, expected, shortened(fields[_OTHER_AXES]))
    for key in _F_THETA:
        if fields.get(key) is not None:
            refuse(where, f"a lens that is no fisheye (no '{key}')", shortened(fields[key]), _ADVICE)


def warn_of_unread(path: Path, content: Mapping[str, Any]) -> None:
    """Log one warning about the keys of the file and its frames that are not used."""
    frames = [frame for frame in content["frames"] if isinstance(frame, dict)]
    warn_of_unread_keys(path, [content, *frames], (*_READ, *_OTHER_LENSES, *_F_THETA, _OTHER_AXES), _EFFECTS)
