"""Defines SpectaclesNet, whose answers label the glasses of the face parser's samples."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.blocks import ConvNormAct

#: Channels at full, half, a quarter and an eighth of the resolution. The first level is not
#: strided, as rims are one pixel thin.
WIDTHS: Final = (10, 20, 40, 64)


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(ConvNormAct(inputs, outputs), ConvNormAct(outputs, outputs))


class SegmentationNet(nn.Module):
    """A small U-Net (Ronneberger et al., MICCAI 2015).

    Input: (N, 3, H, W) RGB in [-1, 1], H and W multiples of 8. Output: (N, outputs, H, W) in
    [0, 1].

    Args:
        outputs: number of output maps.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        inputs = (3, *WIDTHS)
        self.down = nn.ModuleList(_pair(a, b) for a, b in zip(inputs, WIDTHS, strict=False))
        self.up = nn.ModuleList(
            _pair(a + b, b) for a, b in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(WIDTHS[0], outputs, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Computes the output before its sigmoid."""
        skips: list[Tensor] = []
        for level, pair in enumerate(self.down):
            x = pair(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for pair, skip in zip(self.up, skips[-2::-1], strict=True):
            larger = functional.interpolate(
                x, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            x = pair(torch.cat([larger, skip], dim=1))
        return self.head(x)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(x))


class SpectaclesNet(SegmentationNet):
    """Segmentation of glasses.

    Input: the eyes' part of an aligned crop. Output: (N, 2, H, W), the opacity of frame and glass.
    """

    def __init__(self) -> None:
        super().__init__(2)
