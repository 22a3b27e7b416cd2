"""Aligned faces with what covers them: glasses, hair, hats, beards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from facefusion.perception.coverings import MAP_SIZE, Coverings
from facefusion.training.samples.covering_labels import covering, glasses_kinds
from facefusion.training.samples.data import CROP_SIZE, AlignedFaces

#: Row, as a share of the crop's side, at which beards begin to count as coverings.
BEARD_START: Final = 0.5
#: Row, as a share of the crop's side, from which on beards count in full.
BEARD_FULL: Final = 0.6


class CoveredFaces:
    """Aligned faces with what covers them.

    Args:
        faces: aligned crops of side S.
        coverings: coverings of each face, as found at serving.

    Attributes:
        size: S.
        without_glasses: (S, S, 3) RGB uint8 each; sunglasses stay.
        hair_masks: (N, S, S) uint8, coverings of `without_glasses`.
        masks: (N, S, S) uint8, coverings of the faces as they are.
        glasses: (N,) kinds of glasses as labelled, "" for none.
    """

    def __init__(self, faces: AlignedFaces, coverings: Sequence[Coverings]) -> None:
        self.size: int = faces.crops.shape[1]
        self.glasses = np.array(glasses_kinds(faces.names))
        self.without_glasses = [
            each.without_glasses(crop) for crop, each in zip(faces.crops, coverings, strict=True)
        ]
        self.hair_masks = np.stack(
            [
                self._hair_mask(*each)
                for each in zip(self.without_glasses, faces.meshes, coverings, strict=True)
            ]
        )
        glasses = [(255 * self.at_size(each.always_keep)).astype(np.uint8) for each in coverings]
        self.masks = np.maximum(self.hair_masks, np.stack(glasses))

    def at_size(self, layer: np.ndarray) -> np.ndarray:
        """Resizes a map of `Coverings`, (192, 192) float32, to the side of the crops."""
        if layer.shape[0] == self.size:
            return layer
        return np.asarray(
            cv2.resize(layer, (self.size, self.size), interpolation=cv2.INTER_LINEAR), np.float32
        )

    def _hair_mask(self, crop: np.ndarray, mesh: np.ndarray, coverings: Coverings) -> np.ndarray:
        """Returns a face's coverings without clear glasses, (S, S) uint8.

        Hair, hats and sunglasses as found; below the nose, beards by colour.
        """
        side = MAP_SIZE[0]
        ramp = (np.arange(side) / side - BEARD_START) / (BEARD_FULL - BEARD_START)
        rows = np.repeat(np.clip(ramp, 0, 1).astype(np.float32)[:, None], side, axis=1)
        beard = self.at_size(rows) * _color_mask(crop, mesh)
        found = 255 * self.at_size(coverings.occlusion_maps.max(-1))
        return np.maximum(beard, found).astype(np.uint8)


def _color_mask(crop: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Returns `covering` times 255, at the crop's own side.

    Its thresholds are made for CROP_SIZE.
    """
    size = crop.shape[0]
    small = cv2.resize(crop, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    found = (255 * covering(small, mesh * (CROP_SIZE / size))).astype(np.uint8)
    return np.asarray(cv2.resize(found, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
