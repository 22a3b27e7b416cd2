"""Fuses by OpenCV alone, for comparison: piecewise-affine warp and `cv2.seamlessClone`.

Cloning is Perez et al., "Poisson Image Editing", SIGGRAPH 2003.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.evaluation.measures import face_hull
from facefusion.types import FloatArray, Photo

NAME: Final = "OpenCV recipe: piecewise-affine warp, seamlessClone"
#: Growth of the face's hull that is cloned, negative so that the clone's border lies on the
#: source's skin.
GROWTH: Final = -0.04


def opencv_recipe(source: Photo, target: Photo, theirs: FloatArray, mesh: FloatArray) -> Photo:
    """Puts the face of `source` into `target`.

    Args:
        source: (h, w, 3) RGB uint8.
        target: (H, W, 3) RGB uint8.
        theirs: the source's mesh (468, 2 or 3) in its pixels.
        mesh: the target's mesh.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        ValueError: the target's mesh lies outside its photo.
    """
    mask = face_hull(mesh, target.shape, GROWTH).astype(np.uint8) * 255
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        raise ValueError("the target's mesh lies outside of its photo")
    middle = (left + width // 2, top + height // 2)
    warped = _warped(source, target, theirs, mesh)
    return np.asarray(cv2.seamlessClone(warped, target, mask, middle, cv2.NORMAL_CLONE), np.uint8)


def _warped(source: Photo, target: Photo, theirs: FloatArray, mesh: FloatArray) -> Photo:
    """Draws the source's face over the target, triangle by triangle."""
    from scipy.spatial import Delaunay

    triangles = Delaunay(mesh[:, :2]).simplices
    corners = mesh[triangles, :2]
    which = np.full(target.shape[:2], -1, np.int32)
    for i, corner in enumerate(np.rint(corners).astype(np.int32)):
        cv2.fillConvexPoly(which, corner, i)
    rows, columns = np.nonzero(which >= 0)
    # Affine map of each triangle: (x, y, 1) of the target to (x, y) of the source.
    flat = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2)
    maps = np.linalg.pinv(flat) @ theirs[triangles, :2]
    points = np.stack([columns, rows, np.ones_like(rows)], axis=1)[:, None]
    origin = (points @ maps[which[rows, columns]])[:, 0].astype(np.float32)
    where = np.zeros((*target.shape[:2], 2), np.float32)
    where[rows, columns] = origin
    border = cv2.BORDER_REFLECT_101
    face = cv2.remap(source, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(np.where(which[..., None] >= 0, face, target), np.uint8)
