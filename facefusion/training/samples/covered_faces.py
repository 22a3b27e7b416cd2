"""Aligned faces with what covers them: glasses, hair, hats, beards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from facefusion.perception.coverings import MAP_SIZE, Coverings
from facefusion.training.samples.covering_labels import covering, glasses_kinds
from facefusion.training.samples.data import CROP_SIZE, AlignedFaces

Rng = np.random.Generator

#: Row, as a share of the crop's side, at which beards begin to count as coverings.
BEARD_START: Final = 0.5
#: Row, as a share of the crop's side, from which on beards count in full.
BEARD_FULL: Final = 0.6
#: Least mean level of a covering mask, of 255, that is worth putting onto another face.
LEAST_COVERING: Final = 6.0
#: Largest number of faces that are tried for one with enough coverings.
COVERING_TRIES: Final = 4


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
        self.faces, self.coverings = faces, coverings
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

    def __len__(self) -> int:
        return len(self.faces)

    def at_size(self, layer: np.ndarray) -> np.ndarray:
        """Resizes a map of `Coverings`, (192, 192) float32, to the side of the crops."""
        if layer.shape[0] == self.size:
            return layer
        return np.asarray(
            cv2.resize(layer, (self.size, self.size), interpolation=cv2.INTER_LINEAR), np.float32
        )

    def draw_similar(
        self, rng: Rng, face: int, max_yaw: float, *, without_glasses: bool = False
    ) -> int:
        """Draws another face that is turned alike; `face` itself if there is none.

        Args:
            rng: source of randomness.
            face: index.
            max_yaw: largest difference in degrees; more where no face is as similar.
            without_glasses: whether it must be a face without glasses.
        """
        similar = np.abs(self.faces.yaws - self.faces.yaws[face]) < max_yaw
        if without_glasses:
            similar &= self.glasses == ""
        similar[face] = False
        choices = np.flatnonzero(similar)
        if len(choices):
            return int(choices[rng.integers(len(choices))])
        if max_yaw >= 90:
            return face
        return self.draw_similar(rng, face, max_yaw + 5, without_glasses=without_glasses)

    def draw_covering(self, rng: Rng, onto: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Draws another face's covering (hair, hat, beard), warped onto the face `onto`.

        Returns:
            (S, S, 3) RGB uint8 image of that face and (S, S) float32 mask of the covering; None
            where the faces that were tried have too little of it.
        """
        for _ in range(COVERING_TRIES):
            other = int(rng.integers(len(self)))
            if self.masks[other].mean() > LEAST_COVERING:
                warp, mesh = self.faces.warps[onto], self.faces.meshes[other]
                mask = warp(self.masks[other], mesh).astype(np.float32) / 255
                return warp(self.faces.crops[other], mesh), mask
        return None

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
