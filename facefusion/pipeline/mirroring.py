"""Replaces what the source does not show by its mirror image.

A half that its pose hides or that lies in deep shadow, and what is behind things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from facefusion.compose.shadow import SHADOW_EDGE, half_in_shadow
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.geometry.align import rescale_points
from facefusion.geometry.hidden import below_brows, hidden_unlike_mirror
from facefusion.geometry.symmetry import LEAST_TURN, half_opacity, hidden_turn, mirror_opacity
from facefusion.geometry.warp import sample
from facefusion.perception.coverings import MAP_SIZE, at_map_size
from facefusion.pipeline.source import AlignedFace
from facefusion.pipeline.target import PreparedTarget
from facefusion.pipeline.warped import source_flow
from facefusion.types import FloatArray, Mask, Mesh


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
        mesh = rescale_points(target.mesh, COARSE_SIZE, MAP_SIZE[0])
        face = at_map_size(target.face[EXPRESSION_SIZE])
        if half is None and below_brows(maps.max(-1), mesh, face) is None:
            return cls(maps, flow, beard=beard)
        mirror_flow = source_flow(target.warp, source_mesh, mirror=True)
        other_maps = _sampled(aligned.occlusion_maps, mirror_flow)
        replaced = hidden_unlike_mirror(maps.max(-1), other_maps.max(-1), mesh, face)
        if replaced is None and half is None:
            return cls(maps, flow, beard=beard)
        opacity = np.zeros((target.warp.flow_size,) * 2, np.float32) if half is None else half
        if replaced is not None:
            larger = cv2.resize(replaced, opacity.shape, interpolation=cv2.INTER_LINEAR)
            opacity = np.asarray(np.maximum(opacity, larger), np.float32)
        share = at_map_size(opacity)[..., None]
        maps = np.asarray(maps * (1 - share) + other_maps * share, np.float32)
        return cls(maps, flow, mirror_flow, opacity, replaced, beard)


def _sampled(maps: FloatArray, flow: FloatArray) -> FloatArray:
    """Samples a map (192, 192) or maps (192, 192, C) of the source's aligned crop along a flow."""
    size = MAP_SIZE[0]
    small = np.asarray(cv2.resize(flow, MAP_SIZE, interpolation=cv2.INTER_LINEAR), np.float32)
    positions = rescale_points(small.reshape(-1, 2), EXPRESSION_SIZE, size).reshape(small.shape)
    return np.asarray(sample(maps, positions), np.float32)


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
    darker = half_in_shadow(aligned.crop, aligned.mesh, aligned.occlusion_maps.max(-1))
    if darker == 0:
        return None
    return half_opacity(target.warp, target.mesh, darker, SHADOW_EDGE, target.warp.flow_size)
