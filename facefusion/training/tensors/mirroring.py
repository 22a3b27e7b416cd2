"""Replaces what a source does not show by its mirror image, in batches, as `pipeline.mirroring`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from facefusion.geometry.hidden import HIDES_MORE, LEAST_AREA, SEAM, SIDE, WIDENING
from facefusion.training.tensors.faces import PackedFaces
from facefusion.training.tensors.filters import dilated, gaussian_blur, resized
from facefusion.training.tensors.views import placed


@dataclass(frozen=True)
class MirrorImages:
    """Mirror images of sources on their targets' meshes.

    Attributes:
        flow: (N, 2, S, S), `TensorWarps.mirrored_flow`.
        opacity: (N, 1, S, S) in [0, 1].
        replaced: (N, 1, S, S) in [0, 1], the part of the opacity that is due to things over the
            source.
    """

    flow: Tensor
    opacity: Tensor
    replaced: Tensor

    @classmethod
    def of(
        cls,
        faces: PackedFaces,
        target: Tensor,
        source: Tensor,
        meshes: Tensor,
        flow: Tensor,
        maps: Tensor,
    ) -> Self:
        """Finds where the mirror images show.

        Args:
            faces: the faces.
            target, source: (N,) int64.
            meshes: (N, 468, 3), the sources' as they are warped.
            flow: (N, 2, S, S), `TensorWarps.flow` of the sources.
            maps: (N, C, 128, 128) in [0, 1], what was found to hide the sources.
        """
        warps = faces.warps
        mirror_flow = warps.mirrored_flow(target, meshes)
        half = warps.mirror_opacity(target, meshes, faces.in_shadow[source])
        hidden, hidden_mirror = (
            placed(maps, resized(each, SIDE, SIDE).permute(0, 2, 3, 1)).amax(1, keepdim=True)
            for each in (flow, mirror_flow)
        )
        small = _hidden_unlike_mirror(faces, target, hidden, hidden_mirror)
        replaced = resized(small, warps.flow_size, warps.flow_size)
        return cls(mirror_flow, torch.maximum(half, replaced), replaced)


def _hidden_unlike_mirror(
    faces: PackedFaces, target: Tensor, hidden: Tensor, hidden_mirror: Tensor
) -> Tensor:
    """Computes `geometry.hidden.hidden_unlike_mirror`, (N, 1, 192, 192), 0 for None."""
    start, end = HIDES_MORE
    more = ((hidden - hidden_mirror - start) / (end - start)).clamp(0, 1)
    brows = faces.brows[target] * SIDE - 0.5
    rows = torch.arange(SIDE, device=more.device)
    more = more * (rows >= brows.round()[:, None])[:, None, :, None]
    face = resized(faces.face[target].float() / 255, SIDE, SIDE)
    area = (more * face).sum((1, 2, 3)) / face.sum((1, 2, 3)).clamp_min(1)
    more = more * (area >= LEAST_AREA).view(-1, 1, 1, 1)
    wider = torch.maximum(gaussian_blur(dilated(more, WIDENING), SEAM), more)
    return torch.minimum(wider, 1 - hidden_mirror)
