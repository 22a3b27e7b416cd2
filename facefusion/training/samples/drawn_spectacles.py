"""Draws spectacles and sunglasses on faces, as training samples.

The fusion network must keep the target's and must not transfer the source's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.mask import fill_points
from facefusion.geometry.topology import LEFT_EYE, RIGHT_EYE

#: Supersampling factor of drawn frames: many are thinner than a pixel.
_SUPERSAMPLING: Final = 3
#: Mesh points on the face's outline where the temples end.
_TEMPLES: Final = (127, 356)


@dataclass(frozen=True)
class DrawnSpectacles:
    """Drawn spectacles, as layers of (S, S) float32 in [0, 1].

    Attributes:
        image: (S, S, 3) RGB uint8, the face with them.
        frame: alpha of rims, bridge and temples.
        lens: alpha of the glass.
    """

    image: np.ndarray
    frame: np.ndarray
    lens: np.ndarray


def _rim(width: float, above: float, below: float, corners: tuple[float, float]) -> np.ndarray:
    """Returns the (96, 2) points of a rim: nearly rectangular to round.

    Half a superellipse above its middle, another one below.
    """
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)  # y points down
    is_lower = y > 0
    power = np.where(is_lower, corners[1], corners[0])
    height = np.where(is_lower, below, above)
    return np.stack(
        [width * np.sign(x) * np.abs(x) ** power, height * np.sign(y) * np.abs(y) ** power], axis=1
    )


def _outlines(rng: np.random.Generator, mesh: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns both rims (96, 2) in pixels, and their axes.

    The axes are a step from eye to eye and a step down of the same length.
    """
    eyes = [mesh[list(eye), :2] for eye in (LEFT_EYE, RIGHT_EYE)]
    centres = [eye.mean(0) for eye in eyes]
    across = centres[1] - centres[0]
    axes = np.stack([across, [-across[1], across[0]]])
    # The far rim of a turned head is narrower.
    eye_widths = np.array([np.ptp(eye @ across) for eye in eyes])
    relative_widths = np.clip(eye_widths / eye_widths.mean(), 0.55, 1.3)
    width = float(rng.uniform(0.32, 0.50))
    above, below = float(rng.uniform(0.17, 0.36)), float(rng.uniform(0.2, 0.46))
    drop, apart = float(rng.uniform(-0.04, 0.10)), float(rng.uniform(-0.03, 0.06))
    corners = float(rng.choice([1.0, 0.75, 0.5])), float(rng.choice([1.0, 0.75, 0.5]))
    rims = []
    for centre, relative_width, outwards in zip(centres, relative_widths, (-1, 1), strict=True):
        middle = centre + np.array([outwards * apart, drop]) @ axes
        rims.append(middle + _rim(width * relative_width, above, below, corners) @ axes)
    return rims, axes


def _stroke(
    canvas: np.ndarray, points: np.ndarray, thickness: float, *, closed: bool = False
) -> None:
    """Draws a line through points (N, 2) on the supersampled canvas; all in pixels of the image."""
    path = ((points + 0.5) * _SUPERSAMPLING - 0.5).round().astype(np.int32)
    cv2.polylines(
        canvas, [path], closed, 255, max(1, round(thickness * _SUPERSAMPLING)), cv2.LINE_AA
    )


def _frame(
    rng: np.random.Generator, rims: list[np.ndarray], axes: np.ndarray, mesh: np.ndarray, size: int
) -> np.ndarray:
    """Draws rims, bridge and temples as alpha (size, size)."""
    canvas = np.zeros((size * _SUPERSAMPLING, size * _SUPERSAMPLING), np.uint8)
    span = float(np.hypot(*axes[0]))
    thickness = span * float(rng.choice([rng.uniform(0.012, 0.035), rng.uniform(0.03, 0.09)]))
    style = rng.random()
    for rim in rims:
        if style > 0.12:  # else half-rimmed: only the top
            _stroke(canvas, rim, thickness, closed=True)
        if style < 0.4:  # a heavier brow line
            _stroke(canvas, rim[len(rim) // 2 :], thickness * float(rng.uniform(1.3, 2.2)))
    across = axes[0] / span
    inner = rims[0][np.argmax(rims[0] @ across)], rims[1][np.argmin(rims[1] @ across)]
    lift = -axes[1] * float(rng.uniform(0.0, 0.1))
    arch = np.array([inner[0] + lift / 2, (inner[0] + inner[1]) / 2 + lift, inner[1] + lift / 2])
    _stroke(canvas, arch, thickness * float(rng.uniform(0.7, 1.3)))
    outer = rims[0][np.argmin(rims[0] @ across)], rims[1][np.argmax(rims[1] @ across)]
    for hinge, temple in zip(outer, mesh[list(_TEMPLES), :2], strict=True):
        _stroke(canvas, np.array([hinge, temple]), thickness * float(rng.uniform(0.7, 1.6)))
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Draws smooth noise (size, size) float32 in about [0, 1].

    For highlights along a frame and gradients in a lens.
    """
    noise = rng.uniform(0, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _glass(rng: np.random.Generator, size: int) -> tuple[float, np.ndarray]:
    """Draws the alpha of the lenses and their colour (size, size, 3).

    More often clear than tinted or dark.
    """
    kind = rng.random()
    if kind < 0.55:
        alpha = float(rng.uniform(0, 0.1))
        return alpha, np.full((size, size, 3), rng.uniform(120, 255, 3), np.float32)
    is_dark = kind > 0.7
    alpha = float(rng.uniform(0.75, 0.98) if is_dark else rng.uniform(0.15, 0.55))
    colour = rng.uniform(0, 60, 3) if is_dark else rng.uniform(20, 200, 3)
    return alpha, colour * (0.6 + 0.8 * _smooth_noise(rng, size, 3)[..., None])


def draw_spectacles(
    rng: np.random.Generator,
    image: np.ndarray,
    mesh: np.ndarray,
    reflected: np.ndarray | None = None,
) -> DrawnSpectacles:
    """Draws spectacles on a face.

    Args:
        rng: source of randomness for shape, colour and glass.
        image: (S, S, 3) RGB uint8.
        mesh: (468, 3) of the face in its pixels.
        reflected: (H, W, 3) RGB uint8, a reflection in some lenses.
    """
    size = image.shape[0]
    rims, axes = _outlines(rng, mesh)
    frame = _frame(rng, rims, axes, mesh, size) * float(rng.uniform(0.75, 1.0))
    solid = np.zeros((size, size), np.uint8)
    for rim in rims:
        fill_points(solid, rim.astype(np.float32), 255)
    inside = cv2.GaussianBlur(solid, (0, 0), 0.6).astype(np.float32) / 255
    alpha, tint = _glass(rng, size)
    lens = inside * alpha
    out: np.ndarray = image.astype(np.float32)
    if rng.random() < 0.5:
        out = out * (1 - _shadow(rng, frame, axes)[..., None])
    out = out * (1 - lens[..., None]) + tint * lens[..., None]
    if reflected is not None and rng.random() < 0.4:
        reflection = cv2.resize(reflected, (size, size)).astype(np.float32)
        strength = float(rng.uniform(0.1, 0.5)) * inside
        strength = strength * np.clip(2 * _smooth_noise(rng, size, 4) - 0.8, 0, 1)
        out = out + (255 - out) * strength[..., None] * reflection / 255
    colour = rng.uniform(0, 70, 3) if rng.random() < 0.55 else rng.uniform(0, 255, 3)
    material = colour * (0.6 + 0.9 * _smooth_noise(rng, size, 9)[..., None])
    out = out * (1 - frame[..., None]) + material * frame[..., None]
    return DrawnSpectacles(np.clip(out, 0, 255).astype(np.uint8), frame, lens)


def _shadow(rng: np.random.Generator, frame: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Draws the shadow of the frame on the cheeks: (S, S) share of the light that it takes."""
    span = float(np.hypot(*axes[0]))
    down = axes[1] / span * float(rng.uniform(0.01, 0.07)) * span
    x, y = down + axes[0] * float(rng.uniform(-0.03, 0.03))
    moved = cv2.warpAffine(frame, np.array([[1, 0, x], [0, 1, y]]), frame.shape[::-1])
    return float(rng.uniform(0.1, 0.4)) * cv2.GaussianBlur(moved, (0, 0), 1.0)
