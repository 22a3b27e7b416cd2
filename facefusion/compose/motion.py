"""Detects the target's motion blur and applies it to the new face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.compose.bands import ROUNDING, Zones
from facefusion.compose.pyramid import Pyramid, gray, laplacian
from facefusion.types import FloatArray, Photo

#: Level of the pyramid at which gradients are compared: the finest level is mostly noise.
LEVEL: Final = 1
#: Ratio of the gradients' changes along and across, target over face, below which the photo has
#: motion blur. Two people's faces without motion differ down to 0.6.
LARGEST_RATIO: Final = 0.5
#: Lengths tried, in pixels of the photo.
LENGTHS: Final = (4, 6, 8, 11, 15, 20, 26, 34, 44)
#: Quantile at which gradient magnitudes are clipped.
CLIP_QUANTILE: Final = 0.97
#: Samples per pixel of a line's length in its kernel.
_STEPS: Final = 8


@dataclass(frozen=True)
class Motion:
    """A straight movement during the exposure of a photo.

    Attributes:
        along: (2,) unit vector, x and y.
        length: length in pixels of the photo.
    """

    along: FloatArray
    length: float

    def kernel(self, scale: float = 1.0) -> FloatArray:
        """Draws the kernel of the line, of odd sides and sum 1, at a scale of the photo."""
        length = self.length * scale
        reach = int(np.ceil(length / 2)) + 1
        kernel = np.zeros((2 * reach + 1,) * 2, np.float32)
        steps = np.linspace(-0.5, 0.5, int(np.ceil(_STEPS * length)) + 1) * length
        positions = reach + steps[:, None] * self.along[::-1]
        cells = np.floor(positions).astype(int)
        offsets = positions - cells
        for row in (0, 1):
            for column in (0, 1):
                weights = np.abs(1 - row - offsets[:, 0]) * np.abs(1 - column - offsets[:, 1])
                np.add.at(kernel, (cells[:, 0] + row, cells[:, 1] + column), weights)
        return np.asarray(kernel / kernel.sum(), np.float32)

    def applied(self, image: Photo) -> Photo:
        """Blurs an image (h, w, 3) uint8 by this motion."""
        return np.asarray(
            cv2.filter2D(image, -1, self.kernel(), borderType=cv2.BORDER_REPLICATE), np.uint8
        )


def motion_of(target: np.ndarray, face: Pyramid, zones: Zones) -> Motion | None:
    """Estimates the motion that blurred the target and not the new face; None without visible blur.

    Motion weakens the gradients along its direction at every edge and leaves those across. The
    direction is the one in which the target's gradients are weakest relative to the face's (the
    smallest generalised eigenvalue of their covariances); with the length, the blurred face has the
    target's ratio of gradients along and across.

    Args:
        target: (2, 2) from `gradients_of`.
        face: pyramid of the new face in the same photo's pixels.
        zones: compared pixels.
    """
    values, vectors = np.linalg.eigh(gradients_of(face, zones))
    whitening = (vectors / np.sqrt(values)) @ vectors.T
    ratios, directions = np.linalg.eigh(whitening @ target @ whitening)
    if np.sqrt(ratios[0] / ratios[1]) > LARGEST_RATIO:
        return None
    along = whitening @ directions[:, 0]
    along = np.asarray(along / np.linalg.norm(along), np.float32)
    return Motion(along, _length(along, target, gray(face.half), _measured_pixels(zones)))


def gradients_of(face: Pyramid, zones: Zones) -> np.ndarray:
    """Computes the (2, 2) covariance of x and y gradients of a face's detail on skin and features.

    In a window without such a level it is the identity, which shows no motion.
    """
    if len(zones.skin) <= LEVEL:
        return np.eye(2)
    return _covariance(gray(face.coarser[LEVEL - 1]), _measured_pixels(zones))


def _measured_pixels(zones: Zones) -> np.ndarray:
    return np.concatenate([zones.skin[LEVEL], zones.features[LEVEL]])


def _length(along: FloatArray, target: np.ndarray, face: FloatArray, pixels: np.ndarray) -> float:
    across = np.array([-along[1], along[0]])

    def ratio(gradients: np.ndarray) -> float:
        return float((along @ gradients @ along) / (across @ gradients @ across))

    target_ratio = ratio(target)
    shortest, longest = 0, len(LENGTHS) - 1  # bounds of the binary search
    while shortest < longest:
        middle = (shortest + longest) // 2
        blurred = cv2.filter2D(
            face, -1, Motion(along, LENGTHS[middle]).kernel(0.5), borderType=cv2.BORDER_REPLICATE
        )
        if (
            ratio(_covariance(laplacian(np.asarray(blurred, np.float32), 1)[0], pixels))
            <= target_ratio
        ):
            longest = middle
        else:
            shortest = middle + 1
    return float(np.sqrt(LENGTHS[longest] * LENGTHS[max(longest - 1, 0)]))


def _covariance(level: FloatArray, pixels: np.ndarray) -> np.ndarray:
    """Computes the (2, 2) covariance of the gradients of (h, w) detail, strongest ones clipped."""
    derivatives = [
        cv2.Sobel(level, cv2.CV_32F, *order, scale=1 / 8).ravel()[pixels]
        for order in ((1, 0), (0, 1))
    ]
    gradients = np.stack(derivatives, axis=1)
    lengths = np.hypot(*gradients.T)
    gradients *= np.minimum(1, np.quantile(lengths, CLIP_QUANTILE) / np.maximum(lengths, 1e-6))[
        :, None
    ]
    return np.asarray(gradients.T @ gradients / len(pixels) + (ROUNDING / 4) ** 2 * np.eye(2))
