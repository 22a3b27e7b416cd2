"""A sample of the fusion networks while it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facefusion.compose.color import match_light
from facefusion.geometry.align import chain, transform_points
from facefusion.geometry.mask import face_mask, skin_mask, uncovered
from facefusion.geometry.topology import five_points
from facefusion.training.samples.augment import jittered
from facefusion.training.samples.mosaics import MIRRORED
from facefusion.training.samples.relighting import Lamp

Rng = np.random.Generator


@dataclass
class SwapSample:
    """A sample between the steps of `SwapSampler`, at the side S of the crops.

    Attributes:
        face: index of the portrait T (`swaps`).
        mesh: (468, 3), mesh of T.
        source: index of the person in the result.
        paired: whether T is the truth.
        truth, target: (S, S, 3) RGB uint8.
        warped: (S, S, 3) RGB uint8, the source's crop before it is warped onto T.
        source_mesh: (468, 3), mesh of the source's crop.
        covered: (S, S) float32 in [0, 1], coverings of either face.
        detected: (S, S) float32 in [0, 1], coverings that count as detected.
        lamp: the lamp on the target.
    """

    face: int
    mesh: np.ndarray
    source: int
    paired: bool
    truth: np.ndarray
    target: np.ndarray
    warped: np.ndarray
    source_mesh: np.ndarray
    covered: np.ndarray
    detected: np.ndarray
    lamp: Lamp | None = None

    def cut_view(self, rng: Rng, view: int, mirrored: float) -> dict[str, np.ndarray]:
        """Cuts the sample's view: jittered as by a detection, colour-corrected as in the pipeline.

        Args:
            rng: source of randomness.
            view: side in pixels.
            mirrored: probability that the view is mirrored.

        Returns:
            The images, masks and points of `SwapSampler.__call__`.
        """
        scale = view / self.truth.shape[0]
        shrink = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
        matrix = chain(jittered(rng, view, 1.5, 0.03, 0.01), shrink)
        covered = np.maximum(self.covered, self.detected)
        layers = [
            cv2.warpAffine(layer, matrix, (view, view), borderMode=cv2.BORDER_REFLECT_101)
            for layer in (self.warped, self.target, self.truth, covered, self.detected)
        ]
        points = transform_points(self.mesh, matrix)
        layers += [uncovered(mask(points, view), layers[4]) for mask in (face_mask, skin_mask)]
        five = five_points(points)
        if rng.random() < mirrored:
            layers = [layer[:, ::-1] for layer in layers]
            five = (five * [-1, 1] + [view - 1, 0])[MIRRORED].astype(np.float32)
        warped, target, truth, covered, _, face, skin = map(np.ascontiguousarray, layers)
        return {
            "warped": match_light(warped, target, skin)(warped),
            "target": target,
            "truth": truth,
            "covered": covered,
            "face": face,
            "points": five,
        }
