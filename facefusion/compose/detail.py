"""Composes the new face from the networks' outputs at the resolution of the result."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.fusion.coarse import FusionMaps
from facefusion.geometry.frames import Frame
from facefusion.types import FloatArray, Photo

#: Share of the networks' residual that is added. The networks smooth skin and even out its light more
#: than photos do: with less, results are closer to real faces, but also to the target's person.
RESIDUAL_SHARE: Final = 0.85


def _residual(fused: FusionMaps) -> FloatArray:
    """Returns what is added of a network's residual, in levels of 255."""
    return RESIDUAL_SHARE * 255 * fused.delta


def compose_coarse(warped: Photo, fused: FusionMaps, frame: Frame) -> Photo:
    """Enlarges the coarse network's result, as soft as its 128 pixels.

    Args:
        warped: (128, 128, 3) RGB uint8, the network's warped source.
        fused: the network's output.
        frame: pixels to fill.

    Returns:
        (height, width, 3) RGB uint8.
    """
    face = frame.placed(np.asarray(warped + _residual(fused), np.float32))
    return np.asarray(np.clip(face + 0.5, 0, 255), np.uint8)


def compose_detail(warped: Photo, fused: FusionMaps, frame: Frame) -> Photo:
    """Adds the networks' change of light and colour to the warped source at full detail.

    The networks' residual is smooth; the detail is the source's own.

    Args:
        warped: (height, width, 3) RGB uint8, the warped source in the frame.
        fused: the networks' output, at 128 or refined at a larger side.
        frame: pixels to fill.

    Returns:
        (height, width, 3) RGB uint8.
    """
    face = cv2.add(warped, frame.placed(_residual(fused)), dtype=cv2.CV_8U)
    return np.asarray(face, np.uint8)
