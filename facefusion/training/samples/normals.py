"""Computes the normals of faces from their meshes, for light on them."""

from __future__ import annotations

import numpy as np
from scipy.spatial import Delaunay


def mesh_normals(meshes: np.ndarray) -> np.ndarray:
    """Computes the normals at the mesh points, towards the viewer.

    Args:
        meshes: (N, 468, 3) in pixels, x right, y down, z away from the viewer.

    Returns:
        (N, 468, 2) float32, the x and y of unit vectors.
    """
    triangles = Delaunay(meshes.mean(0)[:, :2]).simplices
    corners = meshes[:, triangles]  # (N, T, 3, 3)
    faces = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    faces *= -np.sign(faces[..., 2:].mean(0, keepdims=True))  # z is negative towards the viewer
    normals = np.zeros_like(meshes, dtype=np.float64)
    for corner in range(3):
        for axis in range(3):
            np.add.at(normals[..., axis].T, triangles[:, corner], faces[..., axis].T)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    return normals[..., :2].astype(np.float32)
