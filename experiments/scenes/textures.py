"""Procedural textures of the rendered scenes: sRGB, uint8, determined by a random generator."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

WALL_BASE: Colour = (92, 138, 140)
WALL_CHIPS: tuple[Colour, ...] = (
    (238, 226, 200),
    (226, 128, 96),
    (228, 178, 84),
    (36, 70, 92),
    (150, 190, 182),
    (196, 88, 82),
)


def fractal_noise(
    rng: np.random.Generator,
    height: int,
    width: int,
    slope: float = 1.4,
    stretch: float = 1.0,
) -> NDArray[np.float32]:
    """Return periodic noise whose amplitude falls as a power of the frequency.

    Args:
        rng: source of randomness.
        height: rows.
        width: columns.
        slope: exponent of the fall-off; larger is smoother.
        stretch: how many times longer the features are along the columns' axis (x).

    Returns:
        (height, width), zero mean, unit standard deviation.
    """
    frequency_y = np.fft.fftfreq(height)[:, None] * height
    frequency_x = np.fft.rfftfreq(width)[None] * width
    # Features are isotropic in texels for stretch = 1, whatever the aspect ratio.
    radius = np.hypot(frequency_y / height, stretch * frequency_x / width) * max(height, width)
    amplitude = np.maximum(radius, 1.0) ** -slope
    amplitude[0, 0] = 0.0
    phase = np.exp(2j * np.pi * rng.random(amplitude.shape))
    noise = np.fft.irfft2(amplitude * phase, s=(height, width))
    return (noise / noise.std()).astype(np.float32)


def _shade(colour: NDArray[np.float32], gain: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Multiply an image (H, W, 3) in 0..255 by a gain (H, W) and quantise it."""
    return np.clip(colour * gain[..., None], 0, 255).astype(np.uint8)


def terrazzo(rng: np.random.Generator, height: int, width: int, texels_per_unit: float) -> NDArray[np.uint8]:
    """Return plaster with coloured stone chips of many sizes, and a fine grain on top.

    Args:
        rng: source of randomness.
        height: rows.
        width: columns.
        texels_per_unit: texels per world unit: the chips have a size in the world.

    Returns:
        (height, width, 3).
    """
    canvas = Image.new("RGB", (width, height), WALL_BASE)
    draw = ImageDraw.Draw(canvas)
    area = height * width / texels_per_unit**2
    for radius, per_unit in ((0.10, 9), (0.05, 45), (0.025, 140), (0.015, 180)):
        for _ in range(int(area * per_unit)):
            centre = rng.random(2) * (width, height)
            angles = np.sort(rng.random(rng.integers(4, 8)) * 2 * np.pi)
            lengths = radius * texels_per_unit * rng.uniform(0.45, 1.0, angles.size)
            outline = centre + lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)
            colour = WALL_CHIPS[rng.integers(len(WALL_CHIPS))]
            draw.polygon([(float(x), float(y)) for x, y in outline], fill=colour)
    cloud = fractal_noise(rng, height, width, slope=1.7)
    grain = fractal_noise(rng, height, width, slope=0.8)
    return _shade(np.asarray(canvas, np.float32), 1 + 0.07 * cloud + 0.02 * grain)


def planks(rng: np.random.Generator, height: int, width: int, texels_per_plank: int) -> NDArray[np.uint8]:
    """Return dark wooden planks that run along x, each with its own tone and grain.

    Args:
        rng: source of randomness.
        height: rows.
        width: columns.
        texels_per_plank: width of a plank in rows.

    Returns:
        (height, width, 3).
    """
    dark, light = np.float32((74, 40, 24)), np.float32((168, 108, 64))
    row = np.arange(height)
    plank = row // texels_per_plank
    seam = np.minimum(row % texels_per_plank, texels_per_plank - 1 - row % texels_per_plank)
    tone = rng.uniform(-0.16, 0.16, plank[-1] + 1)[plank]
    # Rolling each plank along x breaks the grain at the seams.
    shift = rng.integers(0, width, plank[-1] + 1)[plank]
    column = (np.arange(width)[None] + shift[:, None]) % width
    coarse = fractal_noise(rng, height, width, slope=1.3, stretch=14)
    fine = fractal_noise(rng, height, width, slope=0.7, stretch=22)
    coarse, fine = (np.take_along_axis(noise, column, axis=1) for noise in (coarse, fine))
    rings = 0.5 + 0.5 * np.sin(5.0 * coarse)
    mix = np.clip(0.40 + 0.20 * (rings - 0.5) + 0.16 * fine + tone[:, None], 0, 1)[..., None]
    gain = np.where(seam < 0.012 * texels_per_plank + 1, 0.45, 1.0)
    gain = np.broadcast_to(gain[:, None], (height, width)).astype(np.float32)
    return _shade((dark + mix * (light - dark)).astype(np.float32), gain)


def marble(
    rng: np.random.Generator, height: int, width: int, dark: Colour, light: Colour
) -> NDArray[np.uint8]:
    """Return veined stone between two colours; periodic, so that it wraps around a sphere.

    Args:
        rng: source of randomness.
        height: rows.
        width: columns.
        dark: colour of the body.
        light: colour of the veins.

    Returns:
        (height, width, 3).
    """
    cloud = fractal_noise(rng, height, width, slope=1.7)
    fine = fractal_noise(rng, height, width, slope=1.2)
    vein = np.abs(np.sin(2.6 * cloud + 0.25 * fine)) ** 0.6
    mix = np.clip(1.05 - vein, 0, 1)[..., None]
    colour = np.float32(dark) + mix * (np.float32(light) - np.float32(dark))
    return _shade(colour.astype(np.float32), (1 + 0.03 * fine).astype(np.float32))


def stripes(
    rng: np.random.Generator, height: int, width: int, colours: tuple[Colour, ...], count: int
) -> NDArray[np.uint8]:
    """Return slightly wavy bands along the columns' axis (x), with a fine grain.

    Args:
        rng: source of randomness.
        height: rows.
        width: columns.
        colours: colours of the bands, repeated in this order.
        count: number of bands.

    Returns:
        (height, width, 3).
    """
    wave = 0.18 * fractal_noise(rng, height, width, slope=2.2)
    band = np.floor(np.arange(height)[:, None] / height * count + wave).astype(int)
    image = np.asarray(colours, np.float32)[band % len(colours)]
    grain = fractal_noise(rng, height, width, slope=0.6)
    return _shade(image, (1 + 0.04 * grain).astype(np.float32))


def sky(height: int, width: int) -> NDArray[np.float32]:
    """Return a dim studio around the scene: light above, a soft horizon, dark below.

    Args:
        height: rows, from the zenith down.
        width: columns.

    Returns:
        (height, width, 3), linear radiance.
    """
    elevation = np.linspace(1, -1, height, dtype=np.float32)[:, None]
    azimuth = np.linspace(0, 2 * np.pi, width, endpoint=False, dtype=np.float32)[None]
    level = 0.30 + 0.30 * np.clip(elevation, 0, 1) + 0.10 * np.exp(-((elevation / 0.15) ** 2))
    level = np.where(elevation < 0, 0.16, level) * (1 + 0.25 * np.cos(azimuth - 0.7))
    tint = np.float32((1.0, 0.97, 0.94)) + elevation[..., None] * np.float32((-0.06, 0.0, 0.08))
    return (level[..., None] * tint).astype(np.float32)
