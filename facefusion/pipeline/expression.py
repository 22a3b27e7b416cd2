"""Corrects the expression of the warped source."""

from __future__ import annotations

import cv2
import numpy as np

from facefusion.compose.color import match_skin
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.geometry.align import rescale_points
from facefusion.geometry.mask import uncovered
from facefusion.geometry.warp import sample
from facefusion.perception.mesh import FaceMesh
from facefusion.pipeline.target import PreparedTarget
from facefusion.types import Mask, Mesh, Photo


def correct_expression(
    target: PreparedTarget,
    face: Photo,
    points: Mesh,
    mesh: FaceMesh,
    strength: float,
    covered: Mask,
) -> Mesh:
    """Moves the source's points so that the warped source has the target's expression.

    The mesh network's error differs between the two photos: a brow placed too high in one of them
    is warped too low. Its error is the same on the warped source and on the target, which share
    pose and expression; so the warped source is measured in the target's place, and the difference
    is subtracted from the source's points. The difference contains some of the person's own
    features: a second round was measured to cost more likeness than it gained in expression.

    Args:
        target: the target.
        face: (S, S, 3) RGB uint8, the source's aligned crop.
        points: (468, 3) the source's mesh in it.
        mesh: the mesh network.
        strength: share of the difference that is corrected, in [0, 1].
        covered: (S, S) float32, coverings of the target face.

    Returns:
        (468, 3) corrected points.
    """
    size = EXPRESSION_SIZE
    crop, target_mesh = target.crops[size], rescale_points(target.mesh, COARSE_SIZE, size)
    skin, inside = (uncovered(mask, covered) for mask in (target.skin[size], target.face[size]))
    flow = target.warp.flow(points, size)
    warped, _ = match_skin(sample(face, flow), crop, skin)
    composite = cv2.blendLinear(warped, crop, inside, 1 - inside)
    measured = mesh.measure(np.asarray(composite, np.uint8), target_mesh)
    error = measured[:, :2] - target_mesh[:, :2]
    # Source positions of the points that the network measures at `target_mesh + error`.
    origin = sample(flow, (target_mesh[:, :2] + strength * error)[:, None], cv2.BORDER_REPLICATE)
    moved = origin - sample(flow, target_mesh[:, None, :2], cv2.BORDER_REPLICATE)
    return np.concatenate([points[:, :2] + moved.reshape(-1, 2), points[:, 2:]], axis=1)
