"""Finds where the source's face is too oblique for what the target shows."""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.geometry.ramps import smoothstep
from facefusion.geometry.triangles import TRIANGLES, signed_area
from facefusion.types import FloatArray, Mesh

#: Ratios of a mesh point's area, target over source and relative to the whole face, at which the
#: source starts to fade and from which it is unused: there it shows the edge of a cheek and the
#: hair beside it.
STRETCH: Final = (2.2, 4.0)


def too_oblique(source: Mesh, target: Mesh) -> FloatArray:
    """Returns how little of the source each mesh point of the target can use.

    Args:
        source, target: (468, 3) meshes.

    Returns:
        (468,) float32 in [0, 1], 0 where the source shows enough.
    """
    source_areas, target_areas = point_areas(source), point_areas(target)
    source_shares = source_areas / source_areas.sum() + 1e-6
    stretch = (target_areas / target_areas.sum() + 1e-6) / source_shares
    return np.asarray(smoothstep(stretch, *STRETCH), np.float32)


def point_areas(mesh: Mesh) -> np.ndarray:
    """Sums the image area of the camera-facing triangles around each point: (468,)."""
    facing = np.maximum(signed_area(mesh[TRIANGLES]), 0)
    areas = np.zeros(len(mesh))
    np.add.at(areas, TRIANGLES, facing[:, None])
    return areas
