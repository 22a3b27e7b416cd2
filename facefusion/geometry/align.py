"""Computes similarity transforms between a photo and the upright square crops of a face in it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.geometry.topology import five_points
from facefusion.geometry.windows import pixel_window, square_corners
from facefusion.types import Affine, Mask, Mesh, Photo

#: Longer side of the face box as a share of the fusion crop's side; the rest shows hair, ears and
#: light.
FUSION_FACE_SHARE: Final = 0.60
#: Longer side of the face box as a share of the mesh crop's side: a crop of 1.5 times the face box
#: (MediaPipe's convention).
MESH_FACE_SHARE: Final = 1 / 1.5
#: Photo pixels per crop pixel, along a side, from which a crop is area-averaged instead of sampled.
DENSE: Final = 1.5

#: ArcFace's five-point template for a 112 x 112 crop (Deng et al., "ArcFace", CVPR 2019).
ARCFACE_TEMPLATE: Final = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)


def similarity_transform(source: np.ndarray, destination: np.ndarray) -> Affine:
    """Fits rotation, scale and shift between two point sets by least squares (Umeyama, PAMI 1991).

    Args:
        source: (N, 2) points, N >= 2.
        destination: (N, 2) points.

    Returns:
        (2, 3) float64 matrix `m` with `destination ~ source @ m[:, :2].T + m[:, 2]`.
    """
    source, destination = np.asarray(source, np.float64), np.asarray(destination, np.float64)
    mean_s, mean_d = source.mean(0), destination.mean(0)
    s, d = source - mean_s, destination - mean_d
    u, values, vt = np.linalg.svd(d.T @ s / len(s))
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = (u * sign) @ vt
    scale = (values * sign).sum() / max(s.var(0).sum(), 1e-12)
    return np.concatenate([scale * rotation, (mean_d - scale * rotation @ mean_s)[:, None]], axis=1)


def crop_transform(points: np.ndarray, angle: float, face_share: float, size: int) -> Affine:
    """Returns the similarity from the photo to a square crop with the face upright in its centre.

    Args:
        points: (N, 2+) photo pixels that span the face box (mesh points or box corners).
        angle: roll of the face in radians, the direction of the eye line.
        face_share: longer side of the face box as a share of the crop's side.
        size: side of the crop in pixels.

    Returns:
        (2, 3) float64, photo pixels to crop pixels.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    level = np.array([[cos, sin], [-sin, cos]])
    upright = points[:, :2] @ level.T
    low, high = upright.min(0), upright.max(0)
    scale = size * face_share / max(float((high - low).max()), 1e-6)
    linear = scale * level
    return np.concatenate([linear, (size / 2 - scale * (low + high) / 2)[:, None]], axis=1)


def mesh_crop_transform(mesh: Mesh, face_share: float, size: int) -> Affine:
    """Returns `crop_transform` of a face mesh (468, 2 or 3) in photo pixels."""
    left, right = five_points(mesh)[:2]
    return crop_transform(mesh, float(np.arctan2(*(right - left)[::-1])), face_share, size)


def face_size(mesh: Mesh) -> float:
    """Returns the longer side of the upright box around a mesh (468, 2 or 3), in its pixels."""
    upright = mesh_crop_transform(mesh, 1.0, 1)
    return float(1 / np.hypot(upright[0, 0], upright[1, 0]))


def transform_points(points: np.ndarray, matrix: Affine) -> np.ndarray:
    """Applies a (2, 3) similarity to (N, 2) or (N, 3) points, with its scale on the depth."""
    flat = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if points.shape[1] == 2:
        return np.asarray(flat, np.float32)
    depth = points[:, 2:] * np.hypot(matrix[0, 0], matrix[1, 0])
    return np.concatenate([flat, depth], axis=1).astype(np.float32)


def rescale_transform(matrix: Affine, factor: float) -> Affine:
    """Scales a (2, 3) crop transform to `factor` times the side (`cv2.resize` pixel centres)."""
    scaled = matrix * factor
    scaled[:, 2] += (factor - 1) / 2
    return scaled


def rescale_points(points: np.ndarray, side: int, other: int) -> np.ndarray:
    """Scales points (N, 2 or 3) of a crop of `side` pixels to a crop of `other` pixels."""
    return transform_points(points, rescale_transform(np.eye(2, 3), other / side))


def reduced_crop(crop: Photo, mesh: Mesh, side: int) -> tuple[Photo, Mesh]:
    """Reduces a crop (S, S, 3) and the mesh in it to a side in pixels."""
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), rescale_points(mesh, crop.shape[0], side)


def invert(matrix: Affine) -> Affine:
    """Inverts a (2, 3) affine matrix."""
    return np.asarray(cv2.invertAffineTransform(matrix), np.float64)


def chain(second: Affine, first: Affine) -> Affine:
    """Returns the (2, 3) matrix that applies `first`, then `second`."""
    return np.concatenate(
        [second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2:] + second[:, 2:]], axis=1
    )


def crop_photo(
    photo: np.ndarray, matrix: Affine, size: int, border: int = cv2.BORDER_REPLICATE
) -> np.ndarray:
    """Samples a `size` x `size` crop of the photo, area-averaged where the photo is denser.

    Args:
        photo: (H, W, C) uint8 or float32.
        matrix: (2, 3) photo pixels to crop pixels.
        size: side of the crop.
        border: OpenCV border mode for what lies outside the photo.
    """
    photo, matrix = shrunk(photo, matrix, size)
    shrink = _shrink(matrix)
    if shrink < DENSE:
        return cv2.warpAffine(
            photo, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border
        )
    # Sampling below the photo's density would alias: sample at that density, then average areas.
    factor = int(np.ceil(shrink))
    fine = cv2.warpAffine(
        photo,
        rescale_transform(matrix, factor),
        (size * factor, size * factor),
        flags=cv2.INTER_LINEAR,
        borderMode=border,
    )
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


def shrunk(
    photo: np.ndarray, matrix: Affine, size: int, margin: float = 0.0
) -> tuple[np.ndarray, Affine]:
    """Cuts the part of the photo that a crop shows and halves it while it stays `DENSE`.

    Several crops of nearly the same view are cheaper from this part than from the photo, and the
    cost of a crop is bounded by a few times its own pixels, whatever the photo's size.

    Args:
        photo: (H, W, C) uint8 or float32.
        matrix: (2, 3) photo pixels to crop pixels.
        size: side of the crop.
        margin: border for other views beyond the crop, as a share of its side.

    Returns:
        The part, and (2, 3) its pixels to crop pixels; photo and matrix unchanged where nothing is
        halved.
    """
    halvings = int(np.log2(max(_shrink(matrix) / DENSE, 1.0)))
    if halvings < 1:
        return photo, matrix
    step = 1 << halvings
    to_photo = invert(matrix)
    square = square_corners(-margin * size, (1 + margin) * size)
    corners = square @ to_photo[:, :2].T + to_photo[:, 2]
    # In whole steps, so that every halving has pixel pairs; one more step on each side for the
    # interpolation.
    steps = (photo.shape[1] // step, photo.shape[0] // step)
    window = pixel_window(corners / step, steps, before=1, after=1)
    if window is None:
        return photo, matrix
    left, top, right, bottom = (step * edge for edge in window)
    part = photo[top:bottom, left:right]
    for _ in range(halvings):
        half = (part.shape[1] // 2, part.shape[0] // 2)
        part = cv2.resize(part, half, interpolation=cv2.INTER_AREA)
    # The part's pixel (0, 0) has the centre of the `step` x `step` pixels that it averages.
    linear = matrix[:, :2] * step
    corner = matrix[:, :2] @ (np.array([left, top]) + (step - 1) / 2) + matrix[:, 2]
    return part, np.concatenate([linear, corner[:, None]], axis=1)


def beyond_edge(shape: tuple[int, ...], matrix: Affine, size: int) -> Mask | None:
    """Returns where a crop lies beyond the edge of its photo.

    Args:
        shape: height and width of the photo in pixels.
        matrix: (2, 3) photo pixels to crop pixels.
        size: side of the crop in pixels.

    Returns:
        (size, size) float32, 1 beyond the edge and 0 in the photo; None if all of it is in the photo.
    """
    to_photo = invert(matrix)
    x, y = (square_corners(0, size - 1) @ to_photo[:, :2].T + to_photo[:, 2]).T
    if min(x.min(), y.min()) >= -0.5 and x.max() <= shape[1] - 0.5 and y.max() <= shape[0] - 0.5:
        return None  # most crops; only the others are looked at pixel by pixel
    pixels = np.arange(size, dtype=np.float32)
    x, y = (
        to_photo[axis, 0] * pixels[None] + to_photo[axis, 1] * pixels[:, None] + to_photo[axis, 2]
        for axis in (0, 1)
    )
    outside = (x < -0.5) | (y < -0.5) | (x > shape[1] - 0.5) | (y > shape[0] - 0.5)
    return outside.astype(np.float32) if outside.any() else None


def _shrink(matrix: Affine) -> float:
    return float(1 / np.hypot(matrix[0, 0], matrix[1, 0]))
