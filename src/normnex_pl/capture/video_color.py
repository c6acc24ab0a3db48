"""The colours of a video: what its frames' tags say, and HDR or wide-gamut frames as sRGB.

The transfer functions are inverted here and not by ffmpeg's zscale and tonemap: not every build has them, and
zscale applies HLG's system gamma, which a clip that the same camera films in SDR doesn't have.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from normnex_pl.capture.ffmpeg import decode_command
from normnex_pl.core.errors import UserError

Values = Float[np.ndarray, "..."]

_TAGS = re.compile(r"color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)")
# ITU-R BT.2408: diffuse white is 203 nits in PQ and 75 % of the signal in HLG.
_WHITE_NITS, _WHITE_HLG = 203.0, 0.75
# Share of diffuse white up to which tone mapping changes nothing.
_KNEE = 0.9
# Linear RGB to that of BT.709 and sRGB, by the primaries' tag (ITU-R BT.2087; SMPTE EG 432-1, white D65).
_BT2020 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)
_P3 = np.array([[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]])
_WIDE = {"bt2020": _BT2020, "smpte431": _P3, "smpte432": _P3}
# Matrices of Y'CbCr that ffmpeg converts to RGB by its default converter.
_CONVERTED = {"unknown", "reserved", "gbr", "bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"}


@dataclass(frozen=True)
class VideoColor:
    """Tags of a video's frames, as ffmpeg names them (ITU-T H.273); "unknown" where there is none.

    Attributes:
        matrix: Of Y'CbCr.
        primaries: Of RGB.
        transfer: From light to signal.
    """

    matrix: str
    primaries: str
    transfer: str

    @property
    def hdr(self) -> str | None:
        """Name of the HDR transfer function; None for SDR."""
        return {"arib-std-b67": "HLG", "smpte2084": "PQ"}.get(self.transfer)

    @property
    def is_srgb(self) -> bool:
        """Whether frames are used as they are decoded."""
        return self.hdr is None and self.primaries not in _WIDE


def read_color(video: Path) -> VideoColor:
    """Read the tags of a video's first frame.

    Raises:
        UserError: The file is no video.
    """
    command = [*decode_command(video, "info"), "-vf", "showinfo", "-frames:v", "1", "-f", "null", "-"]
    result = subprocess.run(command, capture_output=True, check=False)
    said = result.stderr.decode(errors="replace")
    if result.returncode:
        last = said.strip().splitlines()[-1:] or ["nothing"]
        raise UserError(
            f"{video}: expected a folder of photos or a video, found neither (ffmpeg: {last[0].strip()}). "
            "Check the file."
        )
    found = _TAGS.search(said)
    return VideoColor(*found.groups()) if found else VideoColor("unknown", "unknown", "unknown")


def color_warning(color: VideoColor) -> str | None:
    """Describe the conversion of a video's colours; None if frames show them as they are."""
    if color.matrix not in _CONVERTED:
        return (
            f"the video's colours are stored as {color.matrix}, which ffmpeg doesn't convert: the photos "
            "have wrong colours. Convert the video to BT.709 first."
        )
    if color.hdr:
        return (
            f"the video is HDR ({color.hdr}): its frames are tone-mapped to SDR, and what is brighter than "
            "white keeps little contrast. Film in SDR if you can."
        )
    if color.matrix == "bt2020nc" and color.transfer in ("unknown", "reserved"):
        return (
            "the video's colours are BT.2020, and its transfer function isn't stated: if it is HDR (HLG or "
            "PQ), the photos look pale. Convert it to SDR first, or film in SDR."
        )
    return None


def to_srgb(signal: UInt16[np.ndarray, "*pixel 3"], color: VideoColor) -> UInt8[np.ndarray, "*pixel 3"]:
    """Convert a frame to sRGB; neutral pixels of SDR frames keep their values.

    Args:
        signal: RGB by the video's own primaries and transfer function, 65535 being the nominal peak.
        color: What they are.
    """
    linear = _LINEAR.get(color.transfer, srgb_to_linear)(signal / np.float32(65535))
    to_bt709 = _WIDE.get(color.primaries)
    if to_bt709 is None and color.hdr and color.primaries != "bt709":
        to_bt709 = _BT2020
    if to_bt709 is not None:
        linear = linear @ to_bt709.T
    if color.hdr:
        linear = tone_map(linear)
    return (linear_to_srgb(linear.clip(0, 1)) * 255).round().astype(np.uint8)


def hlg_to_linear(signal: Values) -> Values:
    """Return scene light by the inverse OETF of HLG (ITU-R BT.2100), 1 being diffuse white."""
    return _hlg_light(signal) / _hlg_light(np.array(_WHITE_HLG))


def pq_to_linear(signal: Values) -> Values:
    """Return display light by the EOTF of PQ (SMPTE ST 2084), 1 being diffuse white."""
    root = np.power(signal, 1 / 78.84375)
    ratio = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return np.power(ratio, 1 / 0.1593017578125) * (10_000 / _WHITE_NITS)


def srgb_to_linear(signal: Values) -> Values:
    """Return light by the transfer function of sRGB (IEC 61966-2-1)."""
    return np.where(signal <= 0.04045, signal / 12.92, np.power((signal + 0.055) / 1.055, 2.4))


def linear_to_srgb(linear: Values) -> Values:
    """Invert `srgb_to_linear`."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1 / 2.4) - 0.055)


def tone_map(linear: Float[np.ndarray, "*pixel 3"]) -> Float[np.ndarray, "*pixel 3"]:
    """Compress light above 90 % of diffuse white into what is left up to 1, keeping the ratios of RGB.

    The largest of a pixel's values follows a curve that is smooth at the knee and reaches 1 at infinity: with
    t = (v - knee) / (1 - knee), v becomes knee + (1 - knee) t / (1 + t).
    """
    peak = linear.max(axis=-1, keepdims=True)
    over = np.maximum(peak - _KNEE, 0) / (1 - _KNEE)
    mapped = np.minimum(peak, _KNEE) + (1 - _KNEE) * over / (1 + over)
    return linear * np.where(peak > _KNEE, mapped / np.maximum(peak, _KNEE), 1)


def _hlg_light(signal: Values) -> Values:
    bright = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(signal <= 0.5, np.square(signal) / 3, bright)


_LINEAR: Mapping[str, Callable[[Values], Values]] = {"arib-std-b67": hlg_to_linear, "smpte2084": pq_to_linear}
