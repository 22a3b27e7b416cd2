"""Names the 468 MediaPipe face-mesh points by facial part.

"Left" and "right" are sides of the *image* of an unmirrored frontal face: the image-left eye is the
person's right eye. Source of the numbering: MediaPipe canonical face model (Apache-2.0).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.types import Mesh

MESH_POINTS: Final = 468

LEFT_EYE: Final = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE: Final = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
LEFT_BROW: Final = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
RIGHT_BROW: Final = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
OUTER_LIPS: Final = (
    61,
    146,
    91,
    181,
    84,
    17,
    314,
    405,
    321,
    375,
    291,
    409,
    270,
    269,
    267,
    0,
    37,
    39,
    40,
    185,
)
INNER_LIPS: Final = (
    78,
    95,
    88,
    178,
    87,
    14,
    317,
    402,
    318,
    324,
    308,
    415,
    310,
    311,
    312,
    13,
    82,
    81,
    80,
    191,
)
NOSE: Final = (168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 98, 327, 129, 358, 48, 278, 64, 294)
CHEEKS: Final = (50, 280, 205, 425, 187, 411, 117, 346, 101, 330, 36, 266, 123, 352, 147, 376)
FOREHEAD: Final = (151, 9, 8, 108, 337, 69, 299, 104, 333)
CHIN: Final = (199, 200, 18, 175, 201, 421)
OVAL: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip

#: Control points of the thin-plate-spline warp: all features that carry identity or expression, and
#: the outline.
WARP_POINTS: Final = np.array(
    OVAL
    + LEFT_EYE
    + RIGHT_EYE
    + LEFT_BROW
    + RIGHT_BROW
    + OUTER_LIPS
    + INNER_LIPS
    + NOSE
    + CHEEKS
    + FOREHEAD
    + CHIN
)

#: Mesh points averaged to each of the five detection points: image-left eye, image-right eye, nose
#: tip, mouth corners.
FIVE_POINT_GROUPS: Final = ((33, 133, 159, 145), (263, 362, 386, 374), (1,), (61,), (291,))


def five_points(mesh: Mesh) -> np.ndarray:
    """Returns the five detection points of a mesh.

    Args:
        mesh: (468, 2 or 3) float, pixels.

    Returns:
        (5, 2) float32, pixels: image-left eye, image-right eye, nose tip, image-left and
        image-right mouth corner (the order of RetinaFace and ArcFace).
    """
    return np.stack([mesh[list(group), :2].mean(0) for group in FIVE_POINT_GROUPS]).astype(
        np.float32
    )


def eye_distance(mesh: Mesh) -> float:
    """Measures the distance between the two eye centres in the image plane, in pixels."""
    left, right = five_points(mesh)[:2]
    return float(np.hypot(*(right - left)))
