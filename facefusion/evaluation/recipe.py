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


def opencv_recipe(
    source: Photo, target: Photo, source_mesh: FloatArray, target_mesh: FloatArray
) -> Photo:
    """Puts the face of `source` into `target`.

    Args:
        source: (h, w, 3) RGB uint8.
        target: (H, W, 3) RGB uint8.
        source_mesh: (468, 2 or 3) in pixels of the source.
        target_mesh: (468, 2 or 3) in pixels of the target.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        ValueError: the target's mesh lies outside its photo.
    """
    mask = face_hull(target_mesh, target.shape, GROWTH).astype(np.uint8) * 255
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        raise ValueError("the target's mesh lies outside of its photo")
    middle = (left + width // 2, top + height // 2)
    warped = _warped(source, target, source_mesh, target_mesh)
    return np.asarray(cv2.seamlessClone(warped, target, mask, middle, cv2.NORMAL_CLONE), np.uint8)


def _warped(
    source: Photo, target: Photo, source_mesh: FloatArray, target_mesh: FloatArray
) -> Photo:
    """Draws the source's face over the target, triangle by triangle."""
    from scipy.spatial import Delaunay

    triangles = Delaunay(target_mesh[:, :2]).simplices
    corners = target_mesh[triangles, :2]
    triangle_of = np.full(target.shape[:2], -1, np.int32)  # of each pixel; -1 outside the face
    for i, corner in enumerate(np.rint(corners).astype(np.int32)):
        cv2.fillConvexPoly(triangle_of, corner, i)
    rows, columns = np.nonzero(triangle_of >= 0)
    # Affine map of each triangle: (x, y, 1) of the target to (x, y) of the source.
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2)
    affine = np.linalg.pinv(homogeneous) @ source_mesh[triangles, :2]
    points = np.stack([columns, rows, np.ones_like(rows)], axis=1)[:, None]
    sampled = (points @ affine[triangle_of[rows, columns]])[:, 0].astype(np.float32)
    position = np.zeros((*target.shape[:2], 2), np.float32)
    position[rows, columns] = sampled
    face = cv2.remap(
        source,
        position[..., 0],
        position[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(np.where(triangle_of[..., None] >= 0, face, target), np.uint8)
