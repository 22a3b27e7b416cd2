"""Makes masks from the mesh: where a face may change, and its skin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.topology import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
)
from facefusion.types import FloatArray, Mask, Mesh

#: Growth of the oval about its centre, as a share of the distance to it.
GROWTH: Final = 0.02
#: Standard deviation of the mask's feather, as a share of the crop's side.
FEATHER: Final = 0.022
#: Mouth openness (see `mouth_openness`) from which the mouth counts as open.
OPEN_MOUTH: Final = 0.12
#: Height of the forehead above the mesh's uppermost point, as a share of the mesh's height: the
#: forehead carries identity. Where hair covers it, the networks keep the target's.
FOREHEAD: Final = 0.1
#: Growth of the lips' outline about its centre, in x and y: it lies on the edge of the red.
LIPS_GROWTH: Final = np.array([0.14, 0.25])
#: Standard deviation of the soft edge of the lips, as a share of the crop's side.
LIPS_FEATHER: Final = 0.01
_CHIN, _TOP = 152, 10
_SUBPIXEL: Final = 4


def fill_points(mask: np.ndarray, points: np.ndarray, value: int) -> None:
    """Fills polygon `points` (N, 2) in `mask` (H, W) uint8 in place, anti-aliased, sub-pixel."""
    scaled = np.round((points[:, :2] + 0.5) * (1 << _SUBPIXEL)).astype(np.int32) - (
        1 << (_SUBPIXEL - 1)
    )
    cv2.fillPoly(mask, [scaled.reshape(-1, 1, 2)], value, cv2.LINE_AA, _SUBPIXEL)


def grown(points: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    """Moves `points` (N, 2) from their centre by a share of the distance, or (2,) in x and y."""
    centre = points.mean(0)
    return np.asarray(centre + (points - centre) * (1 + share))


def outline(mesh: Mesh, growth: float = 0.0) -> FloatArray:
    """Returns the face's outline with the whole of its forehead.

    Args:
        mesh: (468, 2 or 3) in pixels.
        growth: growth as a share of the distance to the centre.

    Returns:
        (36, 2) polygon.
    """
    oval = grown(mesh[list(OVAL), :2], growth)
    up = mesh[_TOP, :2] - mesh[_CHIN, :2]
    height = (
        (oval - oval.mean(0)) @ up / max(float(up @ up), 1e-9)
    )  # 0 in the middle, 0.5 at the top
    share = np.clip(2 * height, 0, 1)[:, None] ** 1.5
    return np.asarray(oval + FOREHEAD * share * up, np.float32)


def mouth_openness(mesh: Mesh) -> float:
    """Measures the height of the gap between the lips as a share of its width."""
    width = float(np.hypot(*(mesh[308, :2] - mesh[78, :2])))
    return float(np.hypot(*(mesh[14, :2] - mesh[13, :2]))) / max(width, 1e-6)


def face_mask(mesh: Mesh, size: int, *, keep_mouth: bool = True) -> Mask:
    """Masks where the target may change: the grown oval, feathered, without an open mouth's inside.

    Args:
        mesh: (468, 2 or 3) in the crop's pixels.
        size: side of the crop.
        keep_mouth: keep the target's inside of an open mouth.

    Returns:
        (size, size) float32 in [0, 1].
    """
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, outline(mesh, GROWTH - FEATHER), 255)
    soft = cv2.GaussianBlur(mask, (0, 0), FEATHER * size).astype(np.float32) / 255
    soft = np.clip(
        soft * 1.25 - 0.125, 0, 1
    )  # clips the Gaussian's long tail: pixels beyond it stay untouched
    if keep_mouth and mouth_openness(mesh) > OPEN_MOUTH:
        mouth = np.zeros((size, size), np.uint8)
        fill_points(mouth, mesh[list(INNER_LIPS), :2], 255)
        soft *= 1 - cv2.GaussianBlur(mouth, (0, 0), 0.006 * size).astype(np.float32) / 255
    return np.asarray(soft, np.float32)


def skin_mask(mesh: Mesh, size: int) -> Mask:
    """Masks likely skin: the oval shrunk by 22 %, without eyes, brows and lips.

    (size, size) float32 in [0, 1].
    """
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, grown(mesh[list(OVAL), :2], -0.22), 255)
    _fill_features(mask, mesh, 0, eyes=0.5, lips=0.15, brows=0.25)
    return np.asarray(mask / 255, np.float32)


def whole_skin_mask(mesh: Mesh, size: int) -> Mask:
    """Masks the oval shrunk by 4 % without eyes, brows and lips: (size, size) float32 in [0, 1]."""
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, grown(mesh[list(OVAL), :2], -0.04), 255)
    _fill_features(mask, mesh, 0, eyes=0.5, lips=0.12, brows=0.25)
    return np.asarray(mask / 255, np.float32)


def outline_mask(mesh: Mesh, size: int) -> Mask:
    """Masks all of the face with its forehead: (size, size) float32 in [0, 1]."""
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, outline(mesh), 255)
    return np.asarray(mask / 255, np.float32)


def feature_mask(mesh: Mesh, size: int) -> Mask:
    """Masks eyes, brows and lips: (size, size) float32 in [0, 1]."""
    mask = np.zeros((size, size), np.uint8)
    _fill_features(mask, mesh, 255, eyes=0.3, lips=0.05, brows=0.1)
    return np.asarray(mask / 255, np.float32)


def brow_row(mesh: Mesh) -> int:
    """Returns the upper row of the brows of a mesh in a crop's pixels, 0 if they are cut off."""
    return max(round(float(mesh[list(LEFT_BROW + RIGHT_BROW), 1].min())), 0)


def lips_mask(mesh: Mesh, size: int) -> Mask:
    """Masks the lips and what is between them, with a soft edge: (size, size) float32 in [0, 1]."""
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, grown(mesh[list(OUTER_LIPS), :2], LIPS_GROWTH), 255)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), LIPS_FEATHER * size) / 255, np.float32)


def _fill_features(
    mask: np.ndarray, mesh: Mesh, value: int, *, eyes: float, lips: float, brows: float
) -> None:
    """Fills eyes, lips and brows, each grown by a share, in `mask` (H, W) uint8 in place."""
    for part, growth in ((LEFT_EYE, eyes), (RIGHT_EYE, eyes), (OUTER_LIPS, lips)):
        fill_points(mask, grown(mesh[list(part), :2], growth), value)
    for brow in (LEFT_BROW, RIGHT_BROW):
        fill_points(mask, grown(hull(mesh, brow), brows), value)


def hull(mesh: Mesh, points: Sequence[int]) -> np.ndarray:
    """Computes the (N, 2) convex hull of some points of a mesh (468, 2 or 3)."""
    return np.asarray(cv2.convexHull(mesh[list(points), :2].astype(np.float32))[:, 0])


def uncovered(mask: Mask, covered: Mask) -> Mask:
    """Removes `covered` (S, S) from `mask` (N, N): same view, any sides, both in [0, 1]."""
    size = mask.shape[0]
    return np.asarray(
        mask
        * (1 - np.clip(cv2.resize(covered, (size, size), interpolation=cv2.INTER_LINEAR), 0, 1)),
        np.float32,
    )


def widened(mask: Mask, radius: int, sigma: float) -> Mask:
    """Widens a mask (S, S) by a radius in pixels, with a soft edge of a standard deviation."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    return np.asarray(cv2.GaussianBlur(cv2.dilate(mask, disc), (0, 0), sigma), np.float32)
