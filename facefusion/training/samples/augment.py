"""Augments faces as cameras, lamps, compression and inexact alignment do.

Images are (H, W, 3) RGB uint8.
"""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator


def _gain_gamma(rng: Rng, image: np.ndarray, strength: float) -> np.ndarray:
    gain = np.exp(rng.normal(0, 0.12 * strength, 3) + rng.normal(0, 0.2 * strength))
    gamma = np.exp(rng.normal(0, 0.25 * strength))
    table = 255 * np.clip(gain * (np.arange(256)[:, None] / 255) ** gamma, 0, 1)
    return cv2.LUT(image, table[None].astype(np.uint8))


def _shade(rng: Rng, image: np.ndarray, strength: float) -> np.ndarray:
    """Multiplies by a smooth, slightly coloured directional ramp: light from one side."""
    height, width = image.shape[:2]
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.8) * strength
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    ramp = np.tanh(
        rng.uniform(1, 3)
        * (np.cos(angle) * x[None] + np.sin(angle) * y[:, None] + rng.uniform(-0.4, 0.4))
    )
    tint = (depth * rng.uniform(0.6, 1.1, 3)).astype(np.float32)
    return np.clip(image * (1 + 0.5 * ramp[..., None] * tint), 0, 255).astype(np.uint8)


def _saturation(rng: Rng, image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    amount = 1.0 if rng.random() < 0.25 else rng.uniform(-0.4, 0.8)
    return cv2.addWeighted(image, 1 - amount, grey, amount, 0)


def _blur(rng: Rng, image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))


def _shrink(rng: Rng, image: np.ndarray) -> np.ndarray:
    factor = rng.uniform(0.35, 0.8)
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _jpeg(rng: Rng, image: np.ndarray) -> np.ndarray:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _noise(rng: Rng, image: np.ndarray) -> np.ndarray:
    noise = np.empty(image.shape, np.float32)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(noise, 0, float(rng.uniform(2, 12)))
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def light(rng: Rng, image: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Changes exposure, white balance, contrast and direction of light."""
    image = _gain_gamma(rng, image, strength)
    if rng.random() < 0.4:
        image = _shade(rng, image, strength)
    if rng.random() < 0.2:
        image = _saturation(rng, image)
    return image


def camera(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Degrades the image as a worse lens, sensor or file: blur, low resolution, noise, JPEG."""
    for chance, step in ((0.2, _blur), (0.25, _shrink), (0.15, _noise), (0.25, _jpeg)):
        if rng.random() < chance:
            image = step(rng, image)
    return image


def photometric(rng: Rng, image: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Applies `light`, then `camera`, with 85 % probability."""
    return camera(rng, light(rng, image, strength)) if rng.random() < 0.85 else image


def jittered(rng: Rng, size: int, turn: float, scale: float, shift: float) -> np.ndarray:
    """Draws a random (2, 3) similarity transform about the image's centre.

    Standard deviations: `turn` in degrees, `scale` as log scale, `shift` as a share of the side.
    """
    matrix = cv2.getRotationMatrix2D(
        (size / 2, size / 2), rng.normal(0, turn), float(np.exp(rng.normal(0, scale)))
    )
    matrix[:, 2] += rng.normal(0, shift * size, 2)
    return np.asarray(matrix)
