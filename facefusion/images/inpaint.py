"""Fills or covers unwanted parts of a face with skin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from facefusion.geometry.frames import Frame
from facefusion.types import FloatArray, Mask, Photo


@dataclass(frozen=True)
class Patch:
    """Inpainted skin without fine detail, as a layer over an aligned crop.

    Attributes:
        filled: (N, N, 3) RGB uint8, the crop with the hole filled.
        opacity: (N, N) float32 in [0, 1].
    """

    filled: Photo
    opacity: Mask

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.filled.nbytes + self.opacity.nbytes

    def onto(self, image: Photo, frame: Frame | None = None) -> Photo:
        """Blends the patch over an image.

        Args:
            image: (h, w, 3) RGB uint8.
            frame: the image's pixels; the whole crop by default.
        """
        frame = Frame.crop(image.shape[0]) if frame is None else frame
        filled = frame.placed(self.filled.astype(np.float32))
        opacity = np.clip(frame.placed(self.opacity), 0, 1)
        layer = np.clip(filled + 0.5, 0, 255).astype(np.uint8)
        return np.asarray(cv2.blendLinear(layer, image, opacity, 1 - opacity), np.uint8)

    def moved(self, x: FloatArray, y: FloatArray) -> Patch:
        """Warps the patch onto another crop.

        Args:
            x, y: (S, S) float32 positions in pixels of the patch.
        """
        filled = cv2.remap(self.filled, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        opacity = cv2.remap(self.opacity, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return replace(
            self, filled=np.asarray(filled, np.uint8), opacity=np.asarray(opacity, np.float32)
        )


def inpainted(image: Photo, hole: np.ndarray, reach: float, edge: float) -> Patch:
    """Fills a hole in an image from its surroundings (Telea, Journal of Graphics Tools, 2004).

    Args:
        image: (S, S, 3) RGB uint8.
        hole: (N, N) uint8 of the same view, nonzero where filled; the patch has this side.
        reach: radius of the neighbourhood of a filled pixel, in pixels of the hole.
        edge: standard deviation of the hole's soft edge, in its pixels.
    """
    side = (hole.shape[0],) * 2
    filled = cv2.inpaint(
        cv2.resize(image, side, interpolation=cv2.INTER_AREA), hole, reach, cv2.INPAINT_TELEA
    )
    opacity = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), edge)
    return Patch(np.asarray(filled, np.uint8), np.asarray(opacity, np.float32))


def covered_with_skin(
    image: Photo, hole: np.ndarray, skin: Mask, reach: float, edge: float
) -> Patch:
    """Covers a hole with the mean colour of the skin around it.

    Normalised convolution (Knutsson and Westin, CVPR 1993).

    Args:
        image: (N, N, 3) RGB uint8.
        hole: (N, N) uint8, nonzero where covered.
        skin: (N, N) float32 in [0, 1], weights of the colours.
        reach: standard deviation in pixels of the averaging Gaussian.
        edge: standard deviation in pixels of the hole's soft edge.
    """
    weight = np.asarray(skin * (hole == 0), np.float32)
    total_weight = cv2.GaussianBlur(weight, (0, 0), reach)
    colour = (
        cv2.GaussianBlur(image * weight[..., None], (0, 0), reach)
        / np.maximum(total_weight, 1e-6)[..., None]
    )
    opacity = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), edge) * (total_weight > 1e-4)
    return Patch(np.clip(colour + 0.5, 0, 255).astype(np.uint8), np.asarray(opacity, np.float32))
