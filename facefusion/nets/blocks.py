"""Defines the building blocks that the networks share."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Design:
    """Size parameters of a network, varied by the architecture search (`training/`).

    Attributes:
        widths: channels at each resolution, from the largest on.
        expand: expansion factor of the encoder's inverted residuals.
        kernel: kernel size of their depthwise convolutions.
    """

    widths: tuple[int, ...]
    expand: float = 3.0
    kernel: int = 3


class ConvNormAct(nn.Sequential):
    """Convolution, BatchNorm, activation (ReLU6 by default, robust to INT8: Howard et al. 2017)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        if act:
            layers.append(nn.ReLU6(inplace=True))
        super().__init__(*layers)


class Centred(nn.Module):
    """A map from [0, 1] to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 - 1


class PatchConv(nn.Conv2d):
    """PixelUnshuffle and a 1x1 convolution without bias, computed as one strided convolution.

    The weights are those of the 1x1 convolution. It avoids a copy of the image, which at 512 pixels
    was a quarter of the refine network's time on two cores.

    Input (N, inputs, H, W), sides multiples of `patch`; output (N, outputs, H / patch, W / patch).
    """

    def __init__(self, inputs: int, outputs: int, patch: int) -> None:
        super().__init__(inputs * patch**2, outputs, 1, bias=False)
        self.patch = patch

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.view(self.out_channels, -1, self.patch, self.patch)
        return functional.conv2d(x, weight, stride=self.patch)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around an identity skip (He et al., CVPR 2016).

    A `silent` block begins as the identity.
    """

    def __init__(self, channels: int, *, silent: bool = False) -> None:
        super().__init__()
        last = ConvNormAct(channels, channels, act=False)
        if silent:
            nn.init.zeros_(last[1].weight)
        self.body = nn.Sequential(ConvNormAct(channels, channels), last)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise convolution, project 1x1 (MobileNetV2, Sandler et al., CVPR 2018)."""

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, expand: float = 3.0, kernel: int = 3
    ) -> None:
        super().__init__()
        hidden = int(inputs * expand)
        self.skip = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            ConvNormAct(inputs, hidden, 1),
            ConvNormAct(hidden, hidden, kernel, stride, groups=hidden),
            ConvNormAct(hidden, outputs, 1, act=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skip else self.body(x)


class LightweightDecoderBlock(nn.Module):
    """Bilinear upsample x2 (no checkerboard), depthwise 3x3, BatchNorm, ReLU6, pointwise 1x1.

    Input (N, inputs, H, W); output (N, outputs, 2H, 2W).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.norm = nn.BatchNorm2d(inputs)
        self.act = nn.ReLU6(inplace=True)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.act(self.norm(self.depthwise(self.upsample(x)))))
