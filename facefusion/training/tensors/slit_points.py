"""Measures slits of mouth and eyes on tensors, and moves their edges, as `geometry.slits`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from facefusion.geometry.slits import SLITS, WIDER
from facefusion.training.tensors.destinations import POINTS, Destinations, edge_followers
from facefusion.training.tensors.ramps import smoothstep


class SlitPoints:
    """Which mesh points bound the slits, and which the edge meshes move.

    Args:
        device: where their indices are kept.
    """

    def __init__(self, device: torch.device) -> None:
        def moved(values: list[int]) -> Tensor:
            return torch.tensor(values, device=device)

        self._left = moved([slit.corners[0] for slit in SLITS])
        self._right = moved([slit.corners[1] for slit in SLITS])
        self._upper = moved([point for slit in SLITS for point in slit.upper])
        self._lower = moved([point for slit in SLITS for point in slit.lower])
        means = torch.zeros(len(self._upper), len(SLITS))
        start = 0
        for index, slit in enumerate(SLITS):
            end = start + len(slit.upper)
            means[start:end, index] = 1 / len(slit.upper)
            start = end
        self._means = means.to(device)
        followed = np.zeros((2 * len(SLITS), POINTS), np.int64)
        moves = np.zeros((2 * len(SLITS), POINTS, 1), np.float32)
        for index, (followers, edge) in enumerate(edge_followers()):
            followed[index, followers] = edge
            moves[index, followers] = 1
        self._followed = torch.from_numpy(followed.reshape(-1)).to(device)
        self._moves = torch.from_numpy(moves).to(device)

    def _along(self, source: Tensor) -> Tensor:
        """Returns the vectors (B, slits, 2) from left to right corners."""
        ends = source[..., :2]
        return ends.index_select(1, self._right) - ends.index_select(1, self._left)

    def strength(self, faces: Destinations, destination: Tensor, source: Tensor) -> Tensor:
        """Computes `slits.jump_strength`, (B, slits)."""
        flat = source[..., :2]
        gaps = flat.index_select(1, self._upper) - flat.index_select(1, self._lower)
        widths = torch.linalg.vector_norm(self._along(source), dim=-1).clamp_min(1e-8)
        heights = torch.linalg.vector_norm(gaps, dim=-1) @ self._means
        openings = faces.openings.index_select(0, destination)
        return smoothstep(heights / widths - openings, *WIDER)

    def edge_changes(
        self, faces: Destinations, destination: Tensor, source: Tensor, points: Tensor
    ) -> Tensor:
        """Computes how far `slits.edge_meshes` moves the control points, (B, 6, P, 2).

        Args:
            faces: destination faces.
            destination: (B,) int64.
            source: (B, 468, 3) meshes.
            points: (B, P, 2) its control points.
        """
        turns = _times(self._along(source), faces.turns.index_select(0, destination))
        turns = turns[:, :, None].expand(-1, -1, 2, -1).reshape(len(source), -1, 1, 2)
        offsets = _times(faces.offsets.index_select(0, destination), turns)
        followed = source[..., :2].index_select(1, self._followed).view_as(offsets)
        return self._moves * (followed + offsets - points[:, None])


def _times(a: Tensor, b: Tensor) -> Tensor:
    """Multiplies complex numbers (..., 2)."""
    real = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1]
    return torch.stack([real, a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]], -1)
