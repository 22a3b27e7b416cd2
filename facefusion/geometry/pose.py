"""Estimates the head pose from a face mesh."""

from __future__ import annotations

import numpy as np

from facefusion.types import Mesh


def pose_degrees(mesh: Mesh) -> tuple[float, float, float]:
    """Computes yaw, pitch and roll of a face.

    The cheek-to-cheek vector (points 234, 454) turns with yaw and roll, the forehead-to-chin vector
    (10, 152) with pitch.

    Args:
        mesh: (468, 3), x and y in pixels, z in the same unit, growing away from the camera.

    Returns:
        Degrees: yaw (positive where the face's image-right side is farther away), pitch (positive
        where the chin is farther away), roll (positive clockwise in the image).
    """
    across, down = mesh[454] - mesh[234], mesh[152] - mesh[10]
    yaw = np.degrees(np.arctan2(across[2], np.hypot(across[0], across[1])))
    pitch = np.degrees(np.arctan2(down[2], np.hypot(down[0], down[1])))
    roll = np.degrees(np.arctan2(across[1], across[0]))
    return float(yaw), float(pitch), float(roll)
