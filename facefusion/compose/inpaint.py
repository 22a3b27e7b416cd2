"""Skin in the place of what should not be there."""

from __future__ import annotations

import cv2
import numpy as np

from facefusion.types import Photo


def painted_over(image: Photo, hole: np.ndarray, reach: float, edge: float) -> Photo:
    """The image with a hole in it filled from around (Telea, Journal of Graphics Tools, 2004).

    Args:
        image: (S, S, 3) RGB uint8.
        hole: (N, N) uint8 of the same view, other than 0 where it is filled: at this side, without finer detail.
        reach: pixels of the hole around a place from which its colour is taken.
        edge: standard deviation of the hole's soft edge, in its pixels.

    Returns:
        (S, S, 3) RGB uint8.
    """
    size, side = (image.shape[0],) * 2, (hole.shape[0],) * 2
    filled = cv2.inpaint(cv2.resize(image, side, interpolation=cv2.INTER_AREA), hole, reach, cv2.INPAINT_TELEA)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), edge)
    filled = cv2.resize(filled, size, interpolation=cv2.INTER_CUBIC)
    soft = cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blendLinear(filled, image, soft, 1 - soft), np.uint8)
