"""Makes soft masks of what is not skin: lips, eyes with teeth, and brows with lashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.geometry.mask import fill_points, grown, hull
from facefusion.geometry.topology import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from facefusion.types import Mask, Mesh

#: Standard deviation of the masks' soft edge, as a share of the crop's side.
EDGE: Final = 0.006
#: Growth of a brow's outline in x and y, as shares: the mesh's brows are too thin.
BROW_GROWTH: Final = (0.15, 0.5)
#: Growth of an eye's outline in x and y, as shares: lashes extend beyond the eye.
LASH_GROWTH: Final = (0.2, 0.5)


@dataclass(frozen=True)
class FeatureMasks:
    """Masks of a face's parts other than skin, over its crop.

    Attributes:
        lips: (S, S) float32 in [0, 1], the red of the lips.
        whites: (S, S) float32 in [0, 1], between the lids and between the lips: whites of eyes,
            teeth.
        hairs: (S, S) float32 in [0, 1], brows and lashes, with the skin between the hairs.
    """

    lips: Mask
    whites: Mask
    hairs: Mask

    @classmethod
    def of(cls, mesh: Mesh, size: int) -> Self:
        """Makes the masks of a mesh (468, 2 or 3) in pixels of a crop of side `size`."""
        points = mesh[:, :2]
        mouth = _filled([points[list(INNER_LIPS)]], size)
        eyes = _filled([points[list(eye)] for eye in (LEFT_EYE, RIGHT_EYE)], size)
        lashes = [grown(points[list(eye)], np.array(LASH_GROWTH)) for eye in (LEFT_EYE, RIGHT_EYE)]
        brows = [hull(mesh, brow) for brow in (LEFT_BROW, RIGHT_BROW)]
        hairs = _filled([*lashes, *(grown(brow, np.array(BROW_GROWTH)) for brow in brows)], size)
        lips = np.clip(_filled([points[list(OUTER_LIPS)]], size) - mouth, 0, 1)
        return cls(lips, np.maximum(eyes, mouth), np.clip(hairs - eyes, 0, 1))


def _filled(polygons: list[np.ndarray], size: int) -> Mask:
    mask = np.zeros((size, size), np.uint8)
    for polygon in polygons:
        fill_points(mask, polygon, 255)
    return cv2.GaussianBlur(mask, (0, 0), EDGE * size).astype(np.float32) / np.float32(255)
