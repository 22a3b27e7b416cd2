"""Measures how real fused faces look: distance from real faces, sharpness by band, and stains.

The distance compares a set of fused faces with a set of real ones, and does not find a bad pair.
A result that copies its target is real by every measure here: read them beside the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import cv2
import numpy as np

from facefusion.evaluation.lite0 import Lite0
from facefusion.evaluation.measures import face_hull
from facefusion.geometry.align import transform_points
from facefusion.geometry.topology import (
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
)
from facefusion.types import FloatArray, Photo

#: Side of a face's crop in pixels, as in the training of EfficientNet-Lite0.
SIDE: Final = 224
#: Share of this side that the longer side of the face's outline takes.
FACE_SHARE: Final = 0.8
#: Compared layers of `Lite0`: strides 4, 8 and 16. Stride 2 responds mostly to edges, stride 32
#: mostly to the kind of object.
LAYERS: Final = slice(1, 4)
#: Standard deviations, in pixels of the crop, of the Gaussians whose differences are the bands; 0
#: is the image itself.
BAND_SIGMAS: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
BANDS: Final = ("below 1 px", "1-2 px", "2-4 px", "4-8 px", "8-16 px")
#: Standard deviation in pixels of the skin average for stains: the window is about as wide as an
#: eye.
STAIN_SIGMA: Final = 7.0
#: Growth of the outline that bounds the skin; negative because the outline's edge is blended.
SKIN_GROWTH: Final = -0.12
#: Distance in pixels of the skin from eyes, brows and lips.
SKIN_MARGIN: Final = 2
#: Splits of the real faces into halves for the floor.
HALVINGS: Final = 20
#: Seed of these splits.
HALVING_SEED: Final = 0


@dataclass(frozen=True)
class FaceCrop:
    """A face cut out for measuring.

    Attributes:
        image: (224, 224, 3) RGB uint8.
        mesh: (468, 2 or 3) in its pixels.
        face: (224, 224) float32, 1 inside the face's outline, else 0.
        matrix: (2, 3) pixels of the photo to pixels of the crop.
    """

    image: Photo
    mesh: FloatArray
    face: FloatArray
    matrix: np.ndarray

    @classmethod
    def of(cls, photo: Photo, mesh: FloatArray) -> Self:
        """Crops the face with this mesh (468, 2 or 3) from `photo` (H, W, 3) RGB uint8.

        The face is not turned upright, and the photo is sampled bilinearly, not averaged: detail
        finer than the crop's pixels counts in the finest band.
        """
        oval = mesh[list(OVAL), :2]
        low, high = oval.min(0), oval.max(0)
        scale = SIDE * FACE_SHARE / max(float((high - low).max()), 1e-6)
        shift = SIDE / 2 - scale * (low + high) / 2
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        size = (SIDE, SIDE)
        image = cv2.warpAffine(
            photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        inside = transform_points(mesh, matrix)
        face = face_hull(inside, size).astype(np.float32)
        return cls(np.asarray(image, np.uint8), inside, face, matrix)


def skin(mesh: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Draws the mask of a face's skin: inside its outline, without eyes, brows and lips.

    Args:
        mesh: (468, 2 or 3) pixels.
        shape: (H, W, ...) of the image.

    Returns:
        (H, W) float32, 1 on skin, else 0.
    """
    mask = np.zeros(shape[:2], np.uint8)
    oval = mesh[list(OVAL), :2]
    centre = oval.mean(0)
    _fill(mask, centre + (1 + SKIN_GROWTH) * (oval - centre), 1)
    for part in ((*LEFT_EYE, *LEFT_BROW), (*RIGHT_EYE, *RIGHT_BROW), OUTER_LIPS):
        _fill(mask, mesh[list(part), :2], 0)
    window = np.ones((2 * SKIN_MARGIN + 1,) * 2)
    return np.asarray(cv2.erode(mask, window), np.float32)


def _fill(mask: np.ndarray, points: np.ndarray, value: int) -> None:
    """Fills the convex hull of `points` (N, 2) in `mask` in place."""
    hull = cv2.convexHull(points.astype(np.float32))[:, 0]
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), value)


def energies(image: Photo, weight: np.ndarray, sigmas: Sequence[float] = BAND_SIGMAS) -> FloatArray:
    """Computes the root mean square of luminance by band, a difference of two Gaussians.

    Args:
        image: (H, W, 3) RGB uint8.
        weight: (H, W), not negative, weight of each pixel.
        sigmas: standard deviations in pixels, ascending; 0 is the image itself.

    Returns:
        (len(sigmas) - 1,) grey levels, the finest band first; NaN where the weight is 0 everywhere.
    """
    total = float(weight.sum())
    if not total > 0:
        return np.full(len(sigmas) - 1, np.nan, np.float32)
    grey = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY)
    smooth = [cv2.GaussianBlur(grey, (0, 0), sigma) if sigma else grey for sigma in sigmas]
    squares = [(a - b) ** 2 for a, b in pairwise(smooth)]
    return np.array([np.sqrt((square * weight).sum() / total) for square in squares], np.float32)


def band_ratios(fused: FaceCrop, target: FaceCrop) -> FloatArray:
    """Computes the energy of each of `BANDS` inside the face, (5,), fused over target."""
    before = energies(target.image, target.face)
    return np.asarray(energies(fused.image, fused.face) / np.maximum(before, 1e-6), np.float32)


def stains(fused: FaceCrop, target: FaceCrop) -> tuple[float, float]:
    """Measures patches, gloss and colour casts that differ from the photo's own light.

    Returns:
        Mean and 95th percentile over the skin of the CIE76 difference of two crops of one view,
        each averaged over about an eye's width of skin. NaN without skin.
    """
    weight = skin(target.mesh, target.image.shape)
    if not weight.any():
        return float("nan"), float("nan")
    apart = np.linalg.norm(
        _mean_skin(fused.image, weight) - _mean_skin(target.image, weight), axis=-1
    )
    values = apart[weight > 0]
    return float(values.mean()), float(np.quantile(values, 0.95))


def _mean_skin(image: Photo, weight: FloatArray) -> np.ndarray:
    """Computes the mean CIELAB colour of the skin around each pixel, (H, W, 3)."""
    lab = cv2.cvtColor((image / 255).astype(np.float32), cv2.COLOR_RGB2LAB)
    near = cv2.GaussianBlur(weight, (0, 0), STAIN_SIGMA)
    sums = cv2.GaussianBlur(lab * weight[..., None], (0, 0), STAIN_SIGMA)
    return np.asarray(sums / np.maximum(near, 1e-3)[..., None])


class FaceFeatures:
    """EfficientNet-Lite0's features inside a face: each channel's mean and standard deviation."""

    def __init__(self) -> None:
        self._net = Lite0()

    def __call__(self, crop: FaceCrop) -> FloatArray:
        """Computes the features (D,) of a crop."""
        import torch
        from torch.nn import functional

        face = torch.from_numpy(crop.face)[None, None]
        parts: list[Any] = []
        for layer in self._net(crop.image)[LAYERS]:
            weight = functional.interpolate(face, size=layer.shape[-2:], mode="area")
            weight = weight / weight.sum().clamp(min=1e-6)
            mean = (layer * weight).sum((2, 3), keepdim=True)
            variance = ((layer - mean) ** 2 * weight).sum((2, 3))
            parts += [mean.flatten(), variance.sqrt().flatten()]
        return np.asarray(torch.cat(parts).numpy(), np.float32)


def kernel_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Estimates the squared maximum mean discrepancy of two sets, kernel (x.y / D + 1)^3.

    The KID of Binkowski et al., "Demystifying MMD GANs", ICLR 2018, on other features. About 0 for
    two sets of one distribution; the estimate is unbiased, so it can be negative.

    Args:
        one: (M, D), M >= 2.
        other: (N, D), N >= 2.
    """

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray((x @ y.T / x.shape[1] + 1) ** 3, np.float64)

    def within(x: np.ndarray) -> float:
        values = kernel(x, x)
        return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

    return within(one) + within(other) - 2 * float(kernel(one, other).mean())


@dataclass(frozen=True)
class RealFaces:
    """Reference for fused faces: `features` (N, D), N >= 4; `mean`, `deviation` (D,)."""

    features: FloatArray
    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def of(cls, features: Sequence[FloatArray]) -> Self:
        """Computes mean and deviation of the features of real faces."""
        stacked = np.stack(features)
        return cls(stacked, stacked.mean(0), stacked.std(0) + 1e-6)

    def distance(self, fused: Sequence[FloatArray]) -> float:
        """Computes the kernel distance x 1000 of fused faces, scaled by `mean` and `deviation`.

        NaN for fewer than two faces.
        """
        if len(fused) < 2:
            return float("nan")
        return 1000 * kernel_distance(self._scaled(np.stack(fused)), self._scaled(self.features))

    def floor(self) -> float:
        """Computes the distance x 1000 of halves of the real faces, mean of `HALVINGS` splits."""
        scaled, rng = self._scaled(self.features), np.random.default_rng(HALVING_SEED)
        half = len(scaled) // 2
        orders = [rng.permutation(len(scaled)) for _ in range(HALVINGS)]
        found = [kernel_distance(scaled[order[:half]], scaled[order[half:]]) for order in orders]
        return 1000 * float(np.mean(found))

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        return np.asarray((features - self.mean) / self.deviation)
