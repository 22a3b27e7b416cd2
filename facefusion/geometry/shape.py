"""Moves the target's face outline towards the source's and warps the photo with it.

The fused face lies on the target's mesh, so without this step jaw, cheeks and nose keep the
target's shape. Points that carry the expression (eyes, brows, lips) do not move.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np

from facefusion.geometry.align import invert, transform_points
from facefusion.geometry.ramps import smoothstep
from facefusion.geometry.topology import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
)
from facefusion.geometry.warp import MeshWarp
from facefusion.geometry.windows import pixel_window, square_corners
from facefusion.types import Affine, FloatArray, Mask, Mesh, Photo

#: Points that carry the expression: they do not move.
EXPRESSION_POINTS: Final = LEFT_EYE + RIGHT_EYE + LEFT_BROW + RIGHT_BROW + OUTER_LIPS + INNER_LIPS
_EYES: Final = LEFT_EYE + RIGHT_EYE
_LOWER_LIP: Final = (17, 84, 314)
_CHIN: Final = 152
#: Largest move of a point, as a share of the face's width: larger differences between two photos
#: have other causes than shape.
LARGEST_MOVE: Final = 0.07
#: Side of the lattice over the fusion crop on which the photo's warp is computed.
LATTICE: Final = 128
#: Distances from the crop's centre, as shares of its side, at which the warp starts to fade and
#: ends.
FADE: Final = (0.36, 0.49)
#: Pixels warped at once: the intermediate arrays take about 50 bytes a pixel.
STRIP_PIXELS: Final = 1 << 20
#: Pixels that bicubic interpolation reads beyond a position, at most.
KERNEL: Final = 2


def in_pose_of(source: Mesh, target: Mesh) -> Mesh:
    """Fits the source's mesh (468, 3) to the target's: rotation, scale, shift (Umeyama 1991)."""
    mean_s, mean_t = source.mean(0), target.mean(0)
    s, t = source - mean_s, target - mean_t
    u, values, vt = np.linalg.svd(t.T @ s)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    scale = float((values * sign).sum() / max(float((s**2).sum()), 1e-12))
    return np.asarray(scale * s @ ((u * sign) @ vt).T + mean_t, np.float32)


def blend_shape(source: Mesh, target: Mesh, amount: float) -> Mesh:
    """Returns the target's mesh with a share of the source's face shape.

    Args:
        source, target: (468, 3) meshes in pixels of their own images.
        amount: 0 keeps the target's shape, 1 takes the source's as far as `LARGEST_MOVE` allows.

    Returns:
        (468, 3) in the target's pixels; eyes, brows and lips unmoved.
    """
    posed = in_pose_of(source, target)
    moves = (posed - target)[:, :2]
    # An open jaw or a nod is not shape: outlines are compared relative to the features beside them.
    eyes, lip = moves[list(_EYES)].mean(0), moves[list(_LOWER_LIP)].mean(0)
    down = target[_CHIN, :2] - target[list(_EYES), :2].mean(0)
    length = float((down**2).sum())
    # 0 at the eyes, 1 at the chin.
    height = (target[:, :2] - target[list(_EYES), :2].mean(0)) @ down / max(length, 1e-12)
    lower = np.clip((height - 0.35) / 0.35, 0, 1)[:, None]
    moves = moves - (lower * lip + (1 - lower) * eyes)
    width = float(np.ptp(target[list(OVAL), 0]))
    lengths = np.linalg.norm(moves, axis=1, keepdims=True)
    moves = moves * np.minimum(1.0, LARGEST_MOVE * width / np.maximum(lengths, 1e-6))
    moves[list(EXPRESSION_POINTS)] = 0
    moved = target.copy()
    moved[:, :2] += amount * moves
    return moved


def warp_photo(photo: Photo, mesh: Mesh, moved: Mesh, to_crop: Affine) -> tuple[Photo, Mask]:
    """Warps a photo so that the face with mesh `mesh` gets mesh `moved`.

    Args:
        photo: (H, W, 3) RGB uint8.
        mesh, moved: (468, 3) in its pixels.
        to_crop: (2, 3) photo pixels to a crop of LATTICE pixels around the face.

    Returns:
        The warped photo, and (H, W) float32 in {0, 1}: the changed pixels. All others are
        bit-identical.
    """
    to_photo = invert(to_crop)
    corners = square_corners(0, LATTICE) @ to_photo[:, :2].T + to_photo[:, 2]
    result, touched = photo.copy(), np.zeros(photo.shape[:2], np.float32)
    window = pixel_window(corners, (photo.shape[1], photo.shape[0]))
    if window is None:
        return result, touched
    field = _displacement(transform_points(mesh, to_crop), transform_points(moved, to_crop))
    left, top, right, bottom = window
    rows = max(1, STRIP_PIXELS // (right - left))
    for begin in range(top, bottom, rows):
        end = min(begin + rows, bottom)
        changed, warped = _warped_strip(photo, field, to_photo, (left, right), (begin, end))
        strip = np.s_[begin:end, left:right]
        cv2.copyTo(warped, changed.view(np.uint8), result[strip])
        touched[strip] = changed
    return result, touched


def _displacement(mesh: Mesh, moved: Mesh) -> FloatArray:
    """Computes the warp of a face crop, which fades out towards the crop's border.

    Args:
        mesh, moved: (468, 3) in pixels of the crop of `LATTICE` pixels.

    Returns:
        (LATTICE, LATTICE, 2) float32 from each pixel to its source, in crop pixels.
    """
    size, centre = LATTICE, (LATTICE - 1) / 2
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = centre + 0.5 * size * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    flow = MeshWarp(moved, size, anchors=ring).flow(mesh)
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    distance = np.hypot(x - centre, y - centre) / size
    weight = smoothstep(distance, FADE[1], FADE[0])
    field = (flow - np.stack([x, y], axis=-1)) * weight[..., None]
    return np.asarray(field, np.float32)


def _warped_strip(
    photo: Photo,
    field: FloatArray,
    to_photo: Affine,
    columns: tuple[int, int],
    rows: tuple[int, int],
) -> tuple[np.ndarray, Photo]:
    """Warps a rectangle of a photo.

    Args:
        photo: (H, W, 3) RGB uint8.
        field: (LATTICE, LATTICE, 2) float32 displacement over the crop, in crop pixels.
        to_photo: (2, 3) pixels of the crop to those of the photo.
        columns, rows: half-open ranges (first, end).

    Returns:
        The changed pixels, (h, w) bool, and all pixels, (h, w, 3) RGB uint8.
    """
    matrix = to_photo.copy()
    matrix[:, 2] -= [columns[0], rows[0]]
    size = columns[1] - columns[0], rows[1] - rows[0]
    moves = cv2.warpAffine(
        field, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    moves = moves @ to_photo[:, :2].T.astype(np.float32)
    lengths = np.abs(moves)
    # `max` over an axis of 2 takes 20 times longer.
    changed = np.maximum(lengths[..., 0], lengths[..., 1]) > 0.02
    column, row = np.meshgrid(
        np.arange(*columns, dtype=np.float32), np.arange(*rows, dtype=np.float32)
    )
    positions = np.stack([column, row], axis=-1) + moves
    # The part that is sampled: `remap` takes no photo with a side of 32,767 px or more.
    margin = int(np.ceil(lengths.max())) + KERNEL
    left, top = max(columns[0] - margin, 0), max(rows[0] - margin, 0)
    part = photo[top : rows[1] + margin, left : columns[1] + margin]
    positions -= np.array([left, top], np.float32)
    no_second_map: Any = None
    warped = cv2.remap(
        part, positions, no_second_map, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return changed, np.asarray(warped, np.uint8)
