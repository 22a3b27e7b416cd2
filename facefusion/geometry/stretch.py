"""Where a source's face is seen so obliquely that there is not enough of it for what the target
shows.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.geometry.triangles import TRIANGLES, signed_area
from facefusion.types import FloatArray

#: By how many times more area the target shows a place than the source does, measured against the
#: whole face: from where on the source is not used, and from where on not at all. What it shows
#: there is the edge of a cheek and the hair beside it.
STRETCH: Final = (2.2, 4.0)


def too_oblique(source: FloatArray, target: FloatArray) -> FloatArray:
    """How little of the source each mesh point of the target can take.

    Args:
        source, target: (468, 3) meshes.

    Returns:
        (468,) float32 in [0, 1], 0 where the source shows enough.
    """
    shown, wanted = _areas(source), _areas(target)
    stretch = (wanted / wanted.sum() + 1e-6) / (shown / shown.sum() + 1e-6)
    t = np.clip((stretch - STRETCH[0]) / (STRETCH[1] - STRETCH[0]), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _areas(mesh: FloatArray) -> np.ndarray:
    """(468,) area in the image of the triangles around each point that face the camera."""
    facing = np.maximum(signed_area(mesh[TRIANGLES]), 0)
    areas = np.zeros(len(mesh))
    np.add.at(areas, TRIANGLES, facing[:, None])
    return areas
