"""Defines DetectorNet: boxes and five points, in SCRFD's output format (Guo et al., ICLR 2022)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.blocks import ConvNormAct, InvertedResidual, ResidualBlock

STRIDES: Final = (8, 16, 32)
ANCHORS: Final = 2
_WIDTH: Final = 48


class _Head(nn.Module):
    """Scores, boxes and points of one level, with a learned scale; levels share the convolutions.

    Points have their own tower with a full convolution: an eye's position depends on neighbouring
    cells, and a tower shared with the scores left an error of 7.8 % of the eye distance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(
            ConvNormAct(_WIDTH, _WIDTH, groups=_WIDTH),
            ConvNormAct(_WIDTH, 64, 1),
            ConvNormAct(64, 64, groups=64),
            ConvNormAct(64, 64, 1),
        )
        self.point_tower = nn.Sequential(
            ConvNormAct(_WIDTH, _WIDTH),
            ConvNormAct(_WIDTH, _WIDTH, groups=_WIDTH),
            ConvNormAct(_WIDTH, 64, 1),
        )
        self.score = nn.Conv2d(64, ANCHORS, 1)
        self.box = nn.Conv2d(64, ANCHORS * 4, 1)
        self.points = nn.Conv2d(64, ANCHORS * 10, 1)
        nn.init.constant_(self.score.bias, -4.5)  # focal-loss prior for rare faces, Lin et al. 2017

    def forward(self, x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shared = self.tower(x)
        points = self.points(self.point_tower(x)) * scale
        return self.score(shared), functional.softplus(self.box(shared) * scale), points


class DetectorNet(nn.Module):
    """Single-stage face detector: nine maps by level.

    Input: (N, 3, H, W) RGB, (x - 127.5) / 128, H and W multiples of 32.

    Output in training mode: three tuples (score logits (N, 2, h, w), boxes (N, 8, h, w), points
    (N, 20, h, w)). In eval mode, SCRFD's nine outputs: scores x 3 in [0, 1], boxes x 3, points x 3,
    each (h * w * 2, 1 | 4 | 10) for N = 1, distances from the anchor's centre in units of the
    stride.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvNormAct(3, 16, stride=2), ConvNormAct(16, 32, stride=2), ConvNormAct(32, 32)
        )  # /4
        self.level8 = nn.Sequential(
            ConvNormAct(32, 64, stride=2), InvertedResidual(64, 64, expand=2), ResidualBlock(64)
        )
        self.level16 = nn.Sequential(
            ConvNormAct(64, 96, stride=2), *(InvertedResidual(96, 96, expand=2) for _ in range(3))
        )
        self.level32 = nn.Sequential(
            ConvNormAct(96, 128, stride=2),
            *(InvertedResidual(128, 128, expand=2) for _ in range(4)),
        )
        self.lateral = nn.ModuleList([nn.Conv2d(c, _WIDTH, 1) for c in (64, 96, 128)])
        self.smooth = nn.ModuleList([ConvNormAct(_WIDTH, _WIDTH, groups=_WIDTH) for _ in STRIDES])
        self.head = _Head()
        self.scales = nn.Parameter(torch.ones(len(STRIDES)))

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor, Tensor]] | tuple[Tensor, ...]:
        c8 = self.level8(self.stem(x))
        c16 = self.level16(c8)
        c32 = self.level32(c16)
        p32 = self.lateral[2](c32)
        p16 = self.lateral[1](c16) + functional.interpolate(p32, scale_factor=2.0, mode="nearest")
        p8 = self.lateral[0](c8) + functional.interpolate(p16, scale_factor=2.0, mode="nearest")
        levels = [
            self.head(smooth(p), self.scales[i])
            for i, (smooth, p) in enumerate(zip(self.smooth, (p8, p16, p32), strict=True))
        ]
        if self.training:
            return levels
        parts = [(_flat(s, 1).sigmoid(), _flat(b, 4), _flat(k, 10)) for s, b, k in levels]
        return tuple(part[kind] for kind in range(3) for part in parts)


def _flat(x: Tensor, width: int) -> Tensor:
    """Flattens (1, 2 * width, h, w) to (h * w * 2, width), anchors innermost."""
    return x.permute(0, 2, 3, 1).reshape(-1, width)
