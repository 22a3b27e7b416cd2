"""Defines FaceParserNet, which tells the parts of a face and what lies in front of it apart."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.blocks import ConvNormAct, PatchConv, ResidualBlock

#: Channels at half, a quarter, an eighth and a sixteenth of the resolution.
WIDTHS: Final = (16, 32, 64, 104)
#: Residual blocks at each of them.
BLOCKS: Final = (0, 1, 2, 2)
#: Logits beyond which a probability no longer changes visibly; `exp` stays finite.
LARGEST_LOGIT: Final = 20.0
#: Number of classes, those of `perception.face_parts.FacePart`.
PARTS: Final = 13
#: Side of the squares of pixels that the first convolution reads and the last one writes.
PATCH: Final = 2


class FaceParserNet(nn.Module):
    """A small U-Net (Ronneberger et al., MICCAI 2015) with residual blocks.

    Its deepest level sees the whole crop by a mean over it (ParseNet, Liu et al., 2015): what lies
    in front of a face is told by what it hides.

    Input: (N, 3, S, S) RGB in [-1, 1], S a multiple of 16, an aligned crop. Output: (N, 13, S, S)
    probabilities of `FacePart`, which sum to 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(PatchConv(3, WIDTHS[0], PATCH), ConvNormAct(WIDTHS[0], WIDTHS[0]))
        self.down = nn.ModuleList()
        inputs = WIDTHS[0]
        for width, blocks in zip(WIDTHS[1:], BLOCKS[1:], strict=True):
            layers = [ConvNormAct(inputs, width, stride=2)]
            self.down.append(nn.Sequential(*layers, *(ResidualBlock(width) for _ in range(blocks))))
            inputs = width
        self.context = nn.Conv2d(inputs, inputs, 1)
        self.up = nn.ModuleList()
        self.narrow = nn.ModuleList()
        for width in WIDTHS[-2::-1]:
            self.narrow.append(nn.Conv2d(inputs, width, 1))
            self.up.append(ConvNormAct(width, width))
            inputs = width
        self.head = nn.Sequential(nn.Conv2d(inputs, PARTS * PATCH**2, 1), nn.PixelShuffle(PATCH))

    def logits(self, x: Tensor) -> Tensor:
        """Computes the output before its softmax."""
        x = self.stem(x)
        skips = [x]
        for level in self.down:
            x = level(x)
            skips.append(x)
        x = x + self.context(x.mean((2, 3), keepdim=True))
        for narrow, up, skip in zip(self.narrow, self.up, skips[-2::-1], strict=True):
            larger = functional.interpolate(
                narrow(x), scale_factor=2.0, mode="bilinear", align_corners=False
            )
            x = up(larger + skip)
        return self.head(x)

    def forward(self, x: Tensor) -> Tensor:
        # ONNX Runtime's Softmax over channels took half of the network's time: it transposes twice.
        shares = torch.exp(torch.clamp(self.logits(x), -LARGEST_LOGIT, LARGEST_LOGIT))
        return shares / shares.sum(1, keepdim=True)
