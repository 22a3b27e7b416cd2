"""Draws what lies over a face in samples: glasses, another face's hair, pieces of images."""

from __future__ import annotations

import cv2
import numpy as np

from facefusion.perception.coverings import MAP_SIZE
from facefusion.perception.spectacles import Spectacles
from facefusion.training.samples.augment import light
from facefusion.training.samples.covered_faces import CoveredFaces
from facefusion.training.samples.drawn_spectacles import DrawnSpectacles, draw_spectacles

Rng = np.random.Generator


def blend(layer: np.ndarray, mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Blends `layer` (S, S, 3) over `image` (S, S, 3) uint8 by `mask` (S, S) in [0, 1]."""
    return (image * (1 - mask[..., None]) + layer * mask[..., None]).astype(np.uint8)


def low_pass(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blurs (H, W, 3) float32 widely, at a quarter of the resolution: sixteen times faster."""
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return np.asarray(
        cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), image.shape[1::-1]), np.float32
    )


def soft_polygon(rng: Rng, size: int) -> np.ndarray:
    """Draws a soft-edged random polygon, more often at the face's rim than in its middle.

    Returns:
        (size, size) float32 mask in [0, 1].
    """
    mask = np.zeros((size, size), np.uint8)
    centre = size / 2 + size * 0.28 * rng.normal(0, 1, 2).clip(-1.6, 1.6)
    corners = centre + rng.normal(0, size * rng.uniform(0.05, 0.14), (int(rng.integers(3, 8)), 2))
    cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 255)
    return cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.6, 2))).astype(np.float32) / 255


def draw_glasses(
    rng: Rng, covered: CoveredFaces, image: np.ndarray, mesh: np.ndarray
) -> tuple[DrawnSpectacles, Spectacles]:
    """Draws glasses on a face; returns the drawing and what would be detected of it."""
    reflected = covered.faces.crops[int(rng.integers(len(covered)))]
    drawn = draw_spectacles(rng, image, mesh, reflected)
    frame, lens = (
        cv2.resize(layer, MAP_SIZE, interpolation=cv2.INTER_AREA)
        for layer in (drawn.frame, drawn.lens)
    )
    return drawn, Spectacles.from_opacity(frame, lens)


def draw_object(
    rng: Rng, covered: CoveredFaces, face: int, from_face: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draws something over a face, such as hair, a hand or a cloth.

    Args:
        rng: source of randomness.
        covered: the faces.
        face: index of the face that it lies over.
        from_face: probability that it is another face's hair, hat or beard, where one is found.

    Returns:
        (S, S, 3) RGB uint8 image and (S, S) float32 mask.
    """
    covering = covered.draw_covering(rng, face) if rng.random() < from_face else None
    if covering is not None:
        image, mask = covering
        return light(rng, image, 0.5), mask
    crop = covered.faces.crops[int(rng.integers(len(covered)))]
    image = light(rng, np.roll(crop, int(rng.integers(covered.size)), axis=1))
    return image, soft_polygon(rng, covered.size)
