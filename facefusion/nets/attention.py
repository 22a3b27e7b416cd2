"""Defines FAAM, the Feature-Aware Attention Module."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Reduction of the channels in the squeeze-and-excitation bottleneck.
REDUCTION: Final = 16


class ChannelAttention(nn.Module):
    """Squeeze-and-excitation (Hu et al., CVPR 2018): pool, reduce by 16, ReLU, expand, sigmoid.

    Args:
        channels: channels of the features.
        identity: dimensions of an identity embedding that conditions the channel gates; 0 for none.
            Its weights begin at zero.
    """

    def __init__(self, channels: int, identity: int = 0) -> None:
        super().__init__()
        hidden = max(channels // REDUCTION, 4)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)
        self.condition = nn.Conv2d(identity, channels, 1) if identity else None
        if self.condition is not None:
            nn.init.zeros_(self.condition.weight)
            nn.init.zeros_(self.condition.bias)

    def forward(self, x: Tensor, identity: Tensor | None = None) -> Tensor:
        gates = self.expand(torch.relu(self.reduce(functional.adaptive_avg_pool2d(x, 1))))
        if self.condition is not None and identity is not None:
            gates = gates + self.condition(identity[..., None, None])
        return x * torch.sigmoid(gates)


class SpatialAttention(nn.Module):
    """A spatial gate from the channels' mean and maximum (Woo et al., ECCV 2018) and the face mask.

    With the face mask as input, the gate can favour the face's centre and suppress the background.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 5, padding=2)
        nn.init.constant_(self.conv.bias, 1.0)  # starts open

    def forward(self, x: Tensor, face: Tensor) -> Tensor:
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True), face], dim=1)
        return x * torch.sigmoid(self.conv(summary))


class FeatureAwareAttention(nn.Module):
    """Channel attention, then spatial attention.

    Inputs: `x` (N, C, H, W), `face` (N, 1, H, W) in [0, 1] and, if the module is conditioned,
    `identity` (N, D), a unit-length embedding of the source. Output: (N, C, H, W).
    """

    def __init__(self, channels: int, identity: int = 0) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, identity)
        self.spatial = SpatialAttention()

    def forward(self, x: Tensor, face: Tensor, identity: Tensor | None = None) -> Tensor:
        return self.spatial(self.channel(x, identity), face)
