"""Face shape: the target's outline moves a part of the way towards the source's, and the photo
bends along.

The fused face lies on the target's mesh, so its jaw, cheeks and nose would be the target's, however
well its skin and features are the source's. What makes an expression (eyes, brows, lips) stays
where it is.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np

from facefusion.geometry.align import invert, transform_points
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
from facefusion.types import FloatArray, Photo

#: Points that hold the expression: they do not move.
EXPRESSION_POINTS: Final = LEFT_EYE + RIGHT_EYE + LEFT_BROW + RIGHT_BROW + OUTER_LIPS + INNER_LIPS
_EYES: Final = LEFT_EYE + RIGHT_EYE
_LOWER_LIP: Final = (17, 84, 314)
_CHIN: Final = 152
#: Largest move of a point, as a share of the face's width: beyond it two photos disagree for
#: another reason than shape.
MOST: Final = 0.07
#: Side of the lattice on which the photo's bending is computed, over the fusion crop.
LATTICE: Final = 128
#: Distance from the crop's centre, as shares of its side, from which the bending fades, and where
#: it has ended.
FADE: Final = (0.36, 0.49)
#: Pixels that are bent at once: in between, one takes about 50 bytes.
STRIP_PIXELS: Final = 1 << 20


def in_pose_of(source: FloatArray, target: FloatArray) -> FloatArray:
    """The source's mesh (468, 3), rotated, scaled and shifted in space to lie on the target's
    (Umeyama, PAMI 1991).
    """
    mean_s, mean_t = source.mean(0), target.mean(0)
    s, t = source - mean_s, target - mean_t
    u, values, vt = np.linalg.svd(t.T @ s)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    scale = float((values * sign).sum() / max(float((s**2).sum()), 1e-12))
    return np.asarray(scale * s @ ((u * sign) @ vt).T + mean_t, np.float32)


def blend_shape(source: FloatArray, target: FloatArray, amount: float) -> FloatArray:
    """The target's mesh with a part of the source's face shape.

    Args:
        source, target: (468, 3) meshes in pixels of their own images.
        amount: 0 keeps the target's shape, 1 takes the source's as far as `MOST` allows.

    Returns:
        (468, 3) in the target's pixels. Eyes, brows and lips are where they were.
    """
    posed = in_pose_of(source, target)
    moves = (posed - target)[:, :2]
    # A lower jaw that hangs, or a head that nods, is no shape: outlines are compared relative to
    # the features beside them.
    eyes, lip = moves[list(_EYES)].mean(0), moves[list(_LOWER_LIP)].mean(0)
    down = target[_CHIN, :2] - target[list(_EYES), :2].mean(0)
    length = float((down**2).sum())
    height = (
        (target[:, :2] - target[list(_EYES), :2].mean(0)) @ down / max(length, 1e-12)
    )  # 0 at the eyes, 1 at the chin
    share = np.clip((height - 0.35) / 0.35, 0, 1)[:, None]
    moves = moves - (share * lip + (1 - share) * eyes)
    # Of the outline only what crosses it is seen: along it the mesh's points may slide.
    width = float(np.ptp(target[list(OVAL), 0]))
    longest = np.linalg.norm(moves, axis=1, keepdims=True)
    moves = moves * np.minimum(1.0, MOST * width / np.maximum(longest, 1e-6))
    moves[list(EXPRESSION_POINTS)] = 0
    moved = target.copy()
    moved[:, :2] += amount * moves
    return moved


def warp_photo(
    photo: Photo, mesh: FloatArray, moved: FloatArray, to_crop: np.ndarray
) -> tuple[Photo, FloatArray]:
    """Bends a photo so that the face with the mesh `mesh` gets the mesh `moved`.

    Args:
        photo: (H, W, 3) RGB uint8.
        mesh, moved: (468, 3) in its pixels.
        to_crop: (2, 3) photo pixels to a crop of LATTICE pixels around the face.

    Returns:
        The bent photo, and (H, W) float32 in {0, 1}: where it differs from `photo`. All else is
        bit-identical.
    """
    size = LATTICE
    old, new = transform_points(mesh, to_crop), transform_points(moved, to_crop)
    centre = (size - 1) / 2
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = centre + 0.5 * size * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    flow = MeshWarp(new, size, anchors=ring).flow(old)
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    distance = np.hypot(x - centre, y - centre) / size
    t = np.clip((FADE[1] - distance) / (FADE[1] - FADE[0]), 0, 1)
    field = (flow - np.stack([x, y], axis=-1)) * (t * t * (3 - 2 * t))[..., None]

    to_photo = invert(to_crop)
    corners = (
        np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ to_photo[:, :2].T + to_photo[:, 2]
    )
    left, top = (int(each) for each in np.maximum(np.floor(corners.min(0)), 0))
    right, bottom = (
        int(each) for each in np.minimum(np.ceil(corners.max(0)), [photo.shape[1], photo.shape[0]])
    )
    result, touched = photo.copy(), np.zeros(photo.shape[:2], np.float32)
    if right <= left or bottom <= top:
        return result, touched
    rows = max(1, STRIP_PIXELS // (right - left))
    for begin in range(top, bottom, rows):
        end = min(begin + rows, bottom)
        moving, bent = _bent(photo, field.astype(np.float32), to_photo, (left, right), (begin, end))
        here = np.s_[begin:end, left:right]
        cv2.copyTo(bent, moving.view(np.uint8), result[here])
        touched[here] = moving
    return result, touched


def _bent(
    photo: Photo,
    field: FloatArray,
    to_photo: np.ndarray,
    columns: tuple[int, int],
    rows: tuple[int, int],
) -> tuple[np.ndarray, Photo]:
    """A rectangle of the bent photo: where it moved, (h, w) bool, and its pixels, (h, w, 3) RGB
    uint8.

    Args:
        photo: (H, W, 3) RGB uint8.
        field: (LATTICE, LATTICE, 2) float32, how far each place of the crop moves, in the crop's
            pixels.
        to_photo: (2, 3) pixels of the crop to those of the photo.
        columns, rows: first and last but one.
    """
    matrix = to_photo.copy()
    matrix[:, 2] -= [columns[0], rows[0]]
    size = columns[1] - columns[0], rows[1] - rows[0]
    moves = cv2.warpAffine(
        field, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    moves = moves @ to_photo[:, :2].T.astype(np.float32)
    far = np.abs(moves)
    moving = (
        np.maximum(far[..., 0], far[..., 1]) > 0.02
    )  # NumPy's own maximum over so short an axis takes 20 times longer
    column, row = np.meshgrid(
        np.arange(*columns, dtype=np.float32), np.arange(*rows, dtype=np.float32)
    )
    places = np.stack([column, row], axis=-1) + moves
    no_second_map: Any = None
    bent = cv2.remap(
        photo, places, no_second_map, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return moving, np.asarray(bent, np.uint8)
