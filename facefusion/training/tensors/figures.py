"""Compares images: the structural similarity of pairs, and features inside of faces."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from facefusion.training.tensors.discriminators import Lite0

#: Side in pixels at which EfficientNet-Lite0 sees images.
FEATURE_SIDE: Final = 160
#: Layers of it whose features inside of faces are compared, at strides 4, 8 and 16.
LAYERS: Final = slice(1, 4)
#: Side in pixels of the windows of `ssim`.
WINDOW: Final = 7
#: Stabilising constant of `ssim` for levels in [0, 1].
C1: Final = 0.01**2
#: Stabilising constant of `ssim` for their variances.
C2: Final = 0.03**2


def ssim(found: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Returns the weighted mean structural similarity (N,) of pairs, in uniform windows.

    Wang et al., IEEE Transactions on Image Processing 2004.

    Args:
        found, truth: (N, 3, S, S) in [0, 1].
        weight: (N, 1, S, S), not negative.
    """

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, WINDOW, 1)

    first, second = mean(found), mean(truth)
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    spread = unbiased * (mean(found**2) - first**2 + mean(truth**2) - second**2)
    joint = unbiased * (mean(found * truth) - first * second)
    levels = (2 * first * second + C1) / (first**2 + second**2 + C1)
    local = (levels * (2 * joint + C2) / (spread + C2)).mean(1, keepdim=True)
    edge = WINDOW // 2
    inner = weight[..., edge:-edge, edge:-edge]
    return (local * inner).sum((1, 2, 3)) / inner.sum((1, 2, 3)).clamp(min=1e-6)


def face_features(lite0: Lite0, images: Tensor, face: Tensor) -> Tensor:
    """Returns mean and standard deviation of each of the network's channels inside faces, (N, D).

    Args:
        lite0: the network.
        images: (N, 3, S, S) in [0, 1].
        face: (N, 1, S, S) in [0, 1].
    """
    size = (FEATURE_SIDE, FEATURE_SIDE)
    scaled = functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
    parts = []
    for layer in lite0(scaled)[LAYERS]:
        weight = functional.interpolate(face, size=layer.shape[-2:], mode="area")
        weight = weight / weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
        middle = (layer * weight).sum((2, 3), keepdim=True)
        variance = ((layer - middle) ** 2 * weight).sum((2, 3))
        parts += [middle.flatten(1), variance.sqrt()]
    return torch.cat(parts, 1)
