"""Varies the views and cameras that frozen networks see of fused faces."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from facefusion.geometry.align import FUSION_FACE_SHARE, MESH_FACE_SHARE
from facefusion.nets.mesh import INPUT_SIZE as MESH_SIZE

#: Standard deviation of the landmarks' jitter in shares of the side; without jitter, the residual
#: would overfit one pixel grid.
POINT_JITTER: Final = 0.0055
#: Standard deviation in radians of the turn of MeshNet's view.
VIEW_TURN: Final = 0.06
#: Standard deviation of the log scale of MeshNet's view.
VIEW_SCALE: Final = 0.05
#: Standard deviation of the shift of MeshNet's view, in shares of the side.
VIEW_SHIFT: Final = 0.015
#: Standard deviation of the log gain of a colour channel.
CHANNEL_GAIN: Final = 0.06
#: Standard deviation of the log contrast.
CONTRAST: Final = 0.12
#: Standard deviation of the noise, as a share of the range.
NOISE: Final = 0.015


def vary_camera(crops: Tensor) -> Tensor:
    """Changes contrast, colour gains and noise of crops (N, 3, S, S) at random."""
    count, device = len(crops), crops.device
    level = crops.mean((2, 3), keepdim=True)
    contrast = torch.exp(CONTRAST * torch.randn(count, 1, 1, 1, device=device))
    crops = level + (crops - level) * contrast
    gains = torch.exp(CHANNEL_GAIN * torch.randn(count, 3, 1, 1, device=device))
    return crops * gains + NOISE * torch.randn_like(crops)


def mesh_views(count: int, size: int, device: torch.device, *, jitter: bool) -> Tensor:
    """Returns transforms (N, 2, 3) from MeshNet's crop to a fusion crop of `size` pixels.

    The fusion crop shows the same face, larger.
    """
    strength = 1.0 if jitter else 0.0
    angle = strength * VIEW_TURN * torch.randn(count, device=device)
    scale = torch.exp(strength * VIEW_SCALE * torch.randn(count, device=device))
    scale = scale * size / MESH_SIZE * FUSION_FACE_SHARE / MESH_FACE_SHARE
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    linear = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    centre = torch.full((2,), (MESH_SIZE - 1) / 2, device=device)
    shift = strength * VIEW_SHIFT * size * torch.randn(count, 2, device=device)
    offset = (size - 1) / 2 + shift - linear @ centre
    return torch.cat([linear, offset[..., None]], dim=2)
