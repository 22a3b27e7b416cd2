"""Finds where things hide a face, but not its mirror image."""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.geometry.mask import brow_row, widened
from facefusion.geometry.ramps import ramp
from facefusion.types import Mask, Mesh

#: Side in pixels of the masks.
SIDE: Final = 192
#: Excess of what hides the source over what hides its mirror image, in opacity, at which the mirror
#: image begins to show, and shows fully.
HIDES_MORE: Final = (0.3, 0.7)
#: Least area of such places, as a share of the face.
LEAST_AREA: Final = 0.03
#: Pixels by which they are widened: a thing's shadow and tint.
WIDENING: Final = 6
#: Standard deviation in pixels of the seam between the face and its mirror image.
SEAM: Final = 4.0


def below_brows(area: Mask, mesh: Mesh, face: Mask) -> Mask | None:
    """Returns the part of an area that may be replaced: above the brows the target's forehead stays.

    Args:
        area: (192, 192) float32 in [0, 1] over the target's aligned crop.
        mesh: (468, 3) the target's mesh in it.
        face: (192, 192) float32 in [0, 1], the target's face.

    Returns:
        (192, 192) float32, or None if it is less than `LEAST_AREA` of the face.
    """
    part = area.copy()
    part[: brow_row(mesh)] = 0
    share = float((part * face).sum() / max(float(face.sum()), 1.0))
    return part if share >= LEAST_AREA else None


def hidden_unlike_mirror(hidden: Mask, hidden_mirror: Mask, mesh: Mesh, face: Mask) -> Mask | None:
    """Finds where things hide a source, but not its mirror image.

    Args:
        hidden, hidden_mirror: (192, 192) float32 in [0, 1] over the target's aligned crop, what hides
            the warped source and its warped mirror image.
        mesh: (468, 3) the target's mesh in it.
        face: (192, 192) float32 in [0, 1], the target's face.

    Returns:
        (192, 192) float32 in [0, 1], or None if they are less than `LEAST_AREA` of the face.
    """
    more = np.asarray(ramp(hidden - hidden_mirror, *HIDES_MORE), np.float32)
    part = below_brows(more, mesh, face)
    if part is None:
        return None
    wider = np.maximum(widened(part, WIDENING, SEAM), part)
    return np.asarray(np.minimum(wider, 1 - hidden_mirror), np.float32)
