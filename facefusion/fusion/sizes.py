"""Sides of the aligned crops that a fusion works in."""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.fusion.refine import LEAST_SIZE
from facefusion.geometry.align import FUSION_FACE_SHARE

#: Side in pixels of the aligned crop in which the expression is corrected.
EXPRESSION_SIZE: Final = 256
#: Largest side in pixels of the aligned crop in which the draft is composed; the coarse network's
#: answer has 128.
DRAFT_SIZE: Final = 384


def detail_side(size: float, largest: int) -> int:
    """Returns the side of the crop that shows a face of `size` pixels at its own resolution.

    It is a multiple of 128, at most `largest`.
    """
    own_size = size / FUSION_FACE_SHARE
    return int(np.clip(np.ceil(own_size / COARSE_SIZE), 1, largest // COARSE_SIZE)) * COARSE_SIZE


def refined_side(size: int, largest: int) -> int:
    """Returns the side of the refine network's input for a crop of `size`, at most `largest`.

    It is 0 where the crop is too small for the network.
    """
    side = min(size, largest)
    return side if side >= LEAST_SIZE else 0
