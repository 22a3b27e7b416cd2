"""FAAM, the Feature-Aware Attention Module."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

REDUCTION: Final = 16


class ChannelAttention(nn.Module):
    """Squeeze-and-excitation (Hu et al., CVPR 2018): pool, reduce by 16, ReLU, expand, sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // REDUCTION, 4)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.expand(torch.relu(self.reduce(pooled))))


class SpatialAttention(nn.Module):
    """A convolution over the channels' mean and maximum (Woo et al., ECCV 2018) and the face mask makes a soft mask.

    The face mask tells it where the face is, so that it can favour its centre and suppress the background.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 5, padding=2)
        nn.init.constant_(self.conv.bias, 1.0)  # starts open

    def forward(self, x: Tensor, face: Tensor) -> Tensor:
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True), face], dim=1)
        return x * torch.sigmoid(self.conv(summary))


class FeatureAwareAttention(nn.Module):
    """Channel, then spatial attention. `x` (N, C, H, W) and `face` (N, 1, H, W) in [0, 1] -> (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels)
        self.spatial = SpatialAttention()

    def forward(self, x: Tensor, face: Tensor) -> Tensor:
        return self.spatial(self.channel(x), face)
