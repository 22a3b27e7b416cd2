"""Defines EyelidsNet, a classifier of shut eyes."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.blocks import ConvNormAct

#: Channels and stride of each convolution.
LAYERS: Final = ((16, 1), (24, 2), (32, 1), (48, 2), (64, 1))
#: Side in pixels of the cells to which the last features are averaged: 2 x 3 cells keep the
#: position of the lashes, which lie low in a shut eye.
CELL: Final = 4
#: Floor of the crop's contrast, so that noise in the dark is not amplified.
LEAST_CONTRAST: Final = 0.06


class EyelidsNet(nn.Module):
    """Classifier of one eye as open or shut.

    Input: (N, 3, 32, 48) RGB in [-1, 1], an eye from corner to corner over 60 % of the width, its
    outer corner on the left. Output: (N, 1), the probability that it is shut.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = [3, *(width for width, _ in LAYERS)]
        self.body = nn.Sequential(
            *(ConvNormAct(i, o, stride=s) for i, (o, s) in zip(inputs, LAYERS, strict=False))
        )
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(inputs[-1] * 6, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Computes the output before its sigmoid."""
        mean = x.mean((1, 2, 3), keepdim=True)
        contrast = ((x - mean) ** 2).mean((1, 2, 3), keepdim=True).sqrt()
        x = self.body((x - mean) / (contrast + LEAST_CONTRAST))
        return self.head(self.drop(functional.avg_pool2d(x, CELL).flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(x))
