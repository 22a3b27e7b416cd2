"""Detects JPEG compression in a photo, estimates its quality and applies it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.types import Photo

#: Side in pixels of a block of luma.
BLOCK: Final = 8
#: Side in pixels of a minimum coded unit, with chroma at half the resolution.
UNIT: Final = 16
#: Blockiness from which a photo counts as compressed.
LEAST_BLOCKINESS: Final = 1.2
#: Stride in rows and columns of the measured lines.
STRIDE: Final = 3
#: Side in pixels of the part of the photo that is re-encoded.
SIDE: Final = 256
#: JPEG qualities tried.
QUALITIES: Final = tuple(range(10, 86, 5))
#: Ratio to the smallest mean squared change up to which a change counts as equal to it.
SAME: Final = 1.5
#: Tolerance of that comparison in squared levels, for rounding.
ROUNDING: Final = 0.1


def blockiness(photo: Photo, origin: tuple[int, int] = (0, 0)) -> float:
    """Measures the mean step of green across edges of 8 x 8 blocks over the step elsewhere.

    Args:
        photo: (h, w, 3) RGB uint8.
        origin: top and left of the window in the photo; blocks start at the photo's corner.

    Returns:
        About 1 without blocks, more with them.
    """
    edges, others = [], []
    for axis in (0, 1):
        lines = photo[:, ::STRIDE, 1] if axis == 0 else photo[::STRIDE, :, 1].T
        lines = np.ascontiguousarray(lines)
        steps = cv2.absdiff(lines[1:], lines[:-1])
        mean_steps = cv2.reduce(steps, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)[:, 0]
        phase = (np.arange(1, len(lines)) + origin[axis]) % BLOCK
        edges.append(mean_steps[phase == 0])
        others.append(mean_steps[phase != 0])
    return float((np.concatenate(edges).mean() + 0.1) / (np.concatenate(others).mean() + 0.1))


def quality_of(photo: Photo, origin: tuple[int, int] = (0, 0)) -> int | None:
    """Estimates the JPEG quality of a photo with visible blocks; None without.

    Re-encoded at its own quality, a JPEG changes least (Farid, "Exposing digital forgeries from
    JPEG ghosts", IEEE Transactions on Information Forensics and Security, 2009). Finer quantisation
    whose steps divide its own changes it as little: the lowest of these qualities is its own.

    Args:
        photo: (h, w, 3) RGB uint8, a window of the photo.
        origin: its top and left in the photo.
    """
    if min(photo.shape[:2]) < 2 * UNIT or blockiness(photo, origin) < LEAST_BLOCKINESS:
        return None
    top, left = (-start % BLOCK for start in origin)
    height, width = (
        (length - start) // BLOCK * BLOCK
        for length, start in zip(photo.shape[:2], (top, left), strict=True)
    )
    top += max(0, (height - SIDE) // 2 // BLOCK * BLOCK)
    left += max(0, (width - SIDE) // 2 // BLOCK * BLOCK)
    part = cv2.cvtColor(
        photo[top : top + min(height, SIDE), left : left + min(width, SIDE)], cv2.COLOR_RGB2GRAY
    )
    changes = [
        float(np.mean(cv2.absdiff(part, _reencoded(part, quality)) ** 2.0)) for quality in QUALITIES
    ]
    same = np.array(changes) <= SAME * min(changes) + ROUNDING
    return QUALITIES[int(np.argmax(same))]


def _reencoded(image: np.ndarray, quality: int) -> Photo:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), np.uint8)


def compressed(photo: Photo, quality: int, origin: tuple[int, int] = (0, 0)) -> Photo:
    """Compresses a window of a photo as JPEG, aligned with the photo's blocks.

    Args:
        photo: (h, w, 3) RGB uint8, the window.
        quality: JPEG quality, 1 to 100.
        origin: the window's top and left in the photo.
    """
    top, left = (start % UNIT for start in origin)
    padded = cv2.copyMakeBorder(photo, top, 0, left, 0, cv2.BORDER_REPLICATE)
    encoded = _reencoded(cv2.cvtColor(padded, cv2.COLOR_RGB2BGR), quality)
    return np.asarray(cv2.cvtColor(encoded[top:, left:], cv2.COLOR_BGR2RGB), np.uint8)
