"""Replaces what the source does not show by its mirror image.

A half that its pose hides or that lies in deep shadow, and what is behind things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.compose.tone import LUMA
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.geometry.align import rescale_points
from facefusion.geometry.mask import brow_row, outline_mask, uncovered, widened
from facefusion.geometry.ramps import ramp
from facefusion.geometry.symmetry import (
    LEAST_TURN,
    across_face,
    half_opacity,
    hidden_turn,
    mirror_opacity,
)
from facefusion.geometry.warp import sample
from facefusion.perception.coverings import MAP_SIZE
from facefusion.pipeline.source import AlignedFace, reduced
from facefusion.pipeline.target import PreparedTarget
from facefusion.pipeline.warped import source_flow
from facefusion.types import FloatArray, Mask, Mesh

#: Opacities by which a thing hides more than its mirror image from which on the mirror image begins
#: to show, and shows fully.
HIDES_MORE: Final = (0.3, 0.7)
#: Least area of such places, as a share of the face.
LEAST_AREA: Final = 0.03
#: Pixels of the 192 px crop by which they are widened: a thing's shadow and tint.
SHADOW: Final = 6
#: Standard deviation in pixels of the seam between the face and its mirror image.
SEAM: Final = 4.0
#: Ratios of the darker half's luma to the other's from which on it counts as in deep shadow, and does
#: fully: raised to the other's light it shows noise, compression and the shadow's edge.
DEEP_SHADOW: Final = (0.4, 0.25)
#: Distances from the middle line, as shares of the half face's width, between which a half's luma is
#: measured.
HALF: Final = (0.12, 0.85)
#: The same, between which the lit half's mirror image sets in: the nose's shaded side goes too.
SHADOW_EDGE: Final = (-0.12, 0.3)
#: Side in pixels of the crop that is measured, and least number of its pixels on each half.
MEASURED_SIDE, MEASURED_PIXELS = 96, 100


@dataclass(frozen=True)
class HiddenSource:
    """What the source does not show of the target's face.

    Attributes:
        occlusion_maps: (192, 192, 2) float32 in [0, 1] over the target's aligned crop, what hides the
            source, as of `Coverings.occlusion_maps`, without what the mirror image replaces.
        flow: (S, S, 2) float32, `source_flow` of the source.
        mirror_flow: (S, S, 2) float32, that of its mirror image, or None without `mirror`.
        mirror: (S, S) float32 in [0, 1] over the crop, opacity of the mirror image, or None.
        replaced: (192, 192) float32 in [0, 1], opacity of the mirror image over things, or None.
        beard: (192, 192) float32 in [0, 1], the source's dark beard, or None.
    """

    occlusion_maps: FloatArray
    flow: FloatArray
    mirror_flow: FloatArray | None = None
    mirror: Mask | None = None
    replaced: Mask | None = None
    beard: Mask | None = None

    @classmethod
    def of(cls, target: PreparedTarget, aligned: AlignedFace, source_mesh: Mesh) -> Self:
        """Finds what the source hides, and where its mirror image shows it.

        Args:
            target: the target.
            aligned: the source's aligned crop.
            source_mesh: (468, 3) the source's mesh in it.
        """
        flow = source_flow(target.warp, source_mesh)
        maps = _sampled(aligned.occlusion_maps, flow)
        beard = None if aligned.dark_beard is None else _sampled(aligned.dark_beard, flow)
        half = _hidden_by_pose(target, source_mesh)
        if half is None:
            half = _in_shadow(target, aligned)
        if half is None and _below_brows(target, maps.max(-1)) is None:
            return cls(maps, flow, beard=beard)
        mirror_flow = source_flow(target.warp, source_mesh, mirror=True)
        other_maps = _sampled(aligned.occlusion_maps, mirror_flow)
        replaced = _replaced(target, maps.max(-1), other_maps.max(-1))
        if replaced is None and half is None:
            return cls(maps, flow, beard=beard)
        opacity = np.zeros((target.warp.flow_size,) * 2, np.float32) if half is None else half
        if replaced is not None:
            larger = cv2.resize(replaced, opacity.shape, interpolation=cv2.INTER_LINEAR)
            opacity = np.asarray(np.maximum(opacity, larger), np.float32)
        share = cv2.resize(opacity, MAP_SIZE, interpolation=cv2.INTER_AREA)[..., None]
        maps = np.asarray(maps * (1 - share) + other_maps * share, np.float32)
        return cls(maps, flow, mirror_flow, opacity, replaced, beard)


def _sampled(maps: FloatArray, flow: FloatArray) -> FloatArray:
    """Samples a map (192, 192) or maps (192, 192, C) of the source's aligned crop along a flow."""
    size = MAP_SIZE[0]
    small = np.asarray(cv2.resize(flow, MAP_SIZE, interpolation=cv2.INTER_LINEAR), np.float32)
    positions = rescale_points(small.reshape(-1, 2), EXPRESSION_SIZE, size).reshape(small.shape)
    return np.asarray(sample(maps, positions), np.float32)


def _below_brows(target: PreparedTarget, area: Mask) -> Mask | None:
    """Returns the part of an area (192, 192) that may be replaced, or None if it is not on the face.

    Above the brows the target's forehead stays.
    """
    mesh = rescale_points(target.mesh, COARSE_SIZE, MAP_SIZE[0])
    area[: brow_row(mesh)] = 0
    face = cv2.resize(target.face[EXPRESSION_SIZE], MAP_SIZE, interpolation=cv2.INTER_AREA)
    share = float((area * face).sum() / max(float(face.sum()), 1.0))
    return area if share >= LEAST_AREA else None


def _replaced(target: PreparedTarget, hidden: Mask, hidden_other: Mask) -> Mask | None:
    """Returns where things hide the source, but not its mirror image, (192, 192), or None."""
    more = _below_brows(target, np.asarray(ramp(hidden - hidden_other, *HIDES_MORE), np.float32))
    if more is None:
        return None
    wider = np.maximum(widened(more, SHADOW, SEAM), more)
    return np.asarray(np.minimum(wider, 1 - hidden_other), np.float32)


def _hidden_by_pose(target: PreparedTarget, source_mesh: Mesh) -> Mask | None:
    """Returns the opacity of the source's mirror image in the half that its pose hides.

    Args:
        target: the target.
        source_mesh: (468, 3) the source's mesh in its aligned crop.

    Returns:
        (S, S) float32 in [0, 1], or None if the source shows both halves.
    """
    turn = hidden_turn(source_mesh, target.mesh)
    if abs(turn) <= LEAST_TURN:
        return None
    return mirror_opacity(target.warp, target.mesh, turn, target.warp.flow_size)


def _in_shadow(target: PreparedTarget, aligned: AlignedFace) -> Mask | None:
    """Returns the opacity of the source's mirror image in a half that lies in deep shadow.

    Args:
        target: the target.
        aligned: the source's aligned crop.

    Returns:
        (S, S) float32 in [0, 1], or None if both halves are lit.
    """
    left, right = _half_lumas(aligned)
    strength = float(ramp(min(left, right) / max(left, right, 1.0), *DEEP_SHADOW))
    if strength == 0:
        return None
    darker = strength if right < left else -strength
    return half_opacity(target.warp, target.mesh, darker, SHADOW_EDGE, target.warp.flow_size)


def _half_lumas(aligned: AlignedFace) -> tuple[float, float]:
    """Measures the median luma of both halves of a face, image-left first, below the brows.

    Returns:
        Two lumas in [0, 255]; twice the same if a half shows too little skin.
    """
    side = MEASURED_SIDE
    crop, mesh = reduced(aligned.crop, aligned.mesh, side)
    hidden = cv2.resize(aligned.occlusion_maps.max(-1), (side, side), interpolation=cv2.INTER_AREA)
    skin = uncovered(outline_mask(mesh, side), hidden) > 0.5
    skin[: brow_row(mesh)] = False
    rows, columns = np.nonzero(skin)
    position = across_face(mesh, np.stack([columns, rows], axis=1))
    lumas = (crop @ LUMA)[rows, columns]
    halves = [lumas[(sign * position > HALF[0]) & (sign * position < HALF[1])] for sign in (-1, 1)]
    if min(len(half) for half in halves) < MEASURED_PIXELS:
        return 1.0, 1.0
    left, right = (float(np.median(half)) for half in halves)
    return left, right
