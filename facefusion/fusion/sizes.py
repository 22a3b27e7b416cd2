"""Sides of the aligned crops that a fusion works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

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


@dataclass(frozen=True)
class CropSizes:
    """Sides in pixels of a target face's aligned crops.

    Attributes:
        detail: side of the crop that shows the face at its own resolution.
        refine: side of the refine network's input, or 0 where it does not run.
    """

    detail: int
    refine: int

    @classmethod
    def of(cls, face_size: float, largest_detail: int, largest_refine: int) -> Self:
        """Returns the sides for a face of `face_size` pixels, within the limits of a tier."""
        detail = detail_side(face_size, largest_detail)
        return cls(detail, refined_side(detail, largest_refine))

    @property
    def network(self) -> int:
        """Side at which the source is rendered for the networks."""
        return self.refine or min(self.detail, EXPRESSION_SIZE)
