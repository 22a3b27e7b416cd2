"""Fills the hidden half of a turned source face with its mirrored visible half.

Faces are nearly symmetric (Hassner et al., "Effective Face Frontalization", CVPR 2015, fill the
same way).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.geometry.pose import pose_degrees
from facefusion.geometry.ramps import smoothstep
from facefusion.geometry.warp import MeshWarp
from facefusion.types import FloatArray, Mask, Mesh

#: Hidden turn in degrees from which the mirrored half is blended in.
LEAST_TURN: Final = 12.0
#: Degrees of hidden turn over which its weight rises to 1.
RAMP: Final = 15.0
#: Distances from the middle line, as shares of the half face's width, between which the weight
#: rises: beside the nose.
EDGE: Final = (0.05, 0.5)


def hidden_turn(source: Mesh, target: Mesh) -> float:
    """Measures by how many degrees the source's face hides what the target's shows.

    Args:
        source, target: (468, 3) meshes.

    Returns:
        Degrees: positive if the image-right half is hidden, negative if the left one is, 0 if
        neither.
    """
    yaw = pose_degrees(source)[0]
    difference = yaw - pose_degrees(target)[0]
    sign = 1.0 if difference > 0 else -1.0
    # A frontal source hides nothing, whatever the target's turn: its mirror image shows no more.
    return sign * max(0.0, min(abs(difference), 2 * sign * yaw))


def mirror_opacity(warp: MeshWarp, mesh: Mesh, turn: float, size: int) -> Mask:
    """Computes the opacity of the mirrored source at each pixel.

    Args:
        warp: warp onto the target's mesh.
        mesh: (468, 3) target mesh, in any crop.
        turn: `hidden_turn`.
        size: side of the result.

    Returns:
        (size, size) float32 in [0, 1].
    """
    strength = float(np.clip((abs(turn) - LEAST_TURN) / RAMP, 0, 1))
    if strength == 0:
        return np.zeros((size, size), np.float32)
    return half_opacity(warp, mesh, float(np.sign(turn)) * strength, EDGE, size)


def half_opacity(
    warp: MeshWarp, mesh: Mesh, strength: float, edge: tuple[float, float], size: int
) -> Mask:
    """Computes the opacity of what covers one half of a face.

    Args:
        warp: warp onto the mesh.
        mesh: (468, 3), in any crop.
        strength: opacity on the half, in [0, 1]; negative for the image-left one.
        edge: positions across the face, as of `across_face`, from the other half on, between which it
            rises.
        size: side of the result.

    Returns:
        (size, size) float32 in [0, 1].
    """
    position = across_face(mesh)
    field = warp.spread(np.stack([position, position], axis=1), size)[..., 0]
    return np.asarray(abs(strength) * smoothstep(np.sign(strength) * field, *edge), np.float32)


def across_face(mesh: Mesh, points: FloatArray | None = None) -> FloatArray:
    """Returns the positions of points across a face.

    Args:
        mesh: (468, 3), the face.
        points: (N, 2) in the same pixels, by default the mesh's own points with their depth.

    Returns:
        (N,) float32, 0 on the middle line, -1 and 1 at the image-left and image-right cheek.
    """
    points = mesh if points is None else points
    left, right = mesh[234, : points.shape[1]], mesh[454, : points.shape[1]]
    across = right - left
    return np.asarray(
        (points - (left + right) / 2) @ across / (0.5 * float(across @ across)), np.float32
    )
