"""Defines EnhancementNet, the high-resolution stage of progressive fusion."""

from __future__ import annotations

from functools import partial
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.attention import FeatureAwareAttention
from facefusion.nets.blocks import (
    Centred,
    ConvNormAct,
    Design,
    InvertedResidual,
    LightweightDecoderBlock,
    PatchConv,
)
from facefusion.nets.coarse import CoarseFusionModel

#: Largest change of the coarse residual, as a share of the RGB range: enough for any edge or
#: texture, while light and tone of the whole face stay with the coarse network.
RESIDUAL_LIMIT: Final = 0.5
#: Side in pixels of the coarse stage's input.
COARSE_SIDE: Final = 128
#: Pixels a side folded into the channels of one position: the network works at a quarter of the
#: resolution.
PATCH: Final = 4
#: Channels at a quarter, an eighth and a sixteenth of the resolution.
DESIGN: Final = Design((64, 112, 176))
#: Bound of the coarse mask's logits, so that a mask of exactly 0 or 1 can still be changed.
_LOGIT_LIMIT: Final = 5.0


class EnhancementNet(nn.Module):
    """Corrects the upsampled coarse mask and residual at 256 or 512 pixels.

    Fully convolutional; sides are multiples of 16.

    Inputs: `warped` and `target` (N, 3, S, S) RGB in [0, 1], the warped source and the target's
    crop at full detail; `face` (N, 1, S, S) in [0, 1], where change is allowed; `mask` (N, 1, S, S)
    and `delta` (N, 3, S, S), the coarse network's output, upsampled.

    Outputs: the refined `mask`, 0 wherever `face` is 0, and the refined `delta`, RGB within 0.5 of
    the input's. As in the coarse stage, the fused crop is
    `target + mask * (warped + delta - target)`. Untrained, it returns its inputs.

    Args:
        design: size of the network.
    """

    def __init__(self, design: Design = DESIGN) -> None:
        super().__init__()
        c4, c8, c16 = design.widths
        block = partial(InvertedResidual, expand=design.expand, kernel=design.kernel)
        first = (PatchConv(11, c4, PATCH), nn.BatchNorm2d(c4), nn.ReLU6(inplace=True))
        self.stem = nn.Sequential(Centred(), nn.Sequential(*first), block(c4, c4), block(c4, c4))
        self.down8 = nn.Sequential(block(c4, c8, stride=2), *(block(c8, c8) for _ in range(2)))
        self.down16 = nn.Sequential(block(c8, c16, stride=2), *(block(c16, c16) for _ in range(2)))
        self.attend16, self.attend8, self.attend4 = (
            FeatureAwareAttention(c) for c in (c16, c8, c4)
        )
        self.up8, self.up4 = LightweightDecoderBlock(c16, c8), LightweightDecoderBlock(c8, c4)
        self.mix8 = nn.Sequential(
            ConvNormAct(2 * c8, c8, 1, act=False), InvertedResidual(c8, c8, expand=2)
        )
        self.mix4 = nn.Sequential(
            ConvNormAct(2 * c4, c4, 1, act=False), InvertedResidual(c4, c4, expand=2)
        )
        last = nn.Conv2d(c4, 4 * PATCH**2, 1)  # RGB residual and mask
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(last, nn.PixelShuffle(PATCH))

    def logits(
        self, warped: Tensor, target: Tensor, face: Tensor, mask: Tensor, delta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Computes the refined `delta`, and the refined mask before its sigmoid and without `face`.

        Losses on logits do not saturate.
        """
        pyramid = [functional.avg_pool2d(face, k) for k in (4, 8, 16)]
        x4 = self.stem(torch.cat([warped, target, warped + delta, face, mask], dim=1))
        x8 = self.down8(x4)
        x16 = self.attend16(self.down16(x8), pyramid[2])
        x = self.mix8(torch.cat([self.up8(x16), self.attend8(x8, pyramid[1])], dim=1))
        x = self.mix4(torch.cat([self.up4(x), self.attend4(x4, pyramid[0])], dim=1))
        out = self.head(x)
        # The coarse mask includes `face`: divided out, so that the network's own mask is refined.
        own = (mask / face.clamp(min=1e-3)).clamp(0, 1)
        before = torch.logit(own, eps=1 / (1 + float(torch.e) ** _LOGIT_LIMIT))
        return before + out[:, 3:], delta + RESIDUAL_LIMIT * torch.tanh(out[:, :3])

    def forward(
        self, warped: Tensor, target: Tensor, face: Tensor, mask: Tensor, delta: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits, refined = self.logits(warped, target, face, mask, delta)
        return torch.sigmoid(logits) * face, refined


class ProgressiveFusionNet(nn.Module):
    """Both stages for joint training: coarse at 128, upsampled, refined.

    Inputs as of `CoarseFusionModel`, at a larger size S, a multiple of 16; the coarse stage sees
    them area-averaged to 128.

    Outputs: `logits` and `delta` at S, as of `EnhancementNet.logits`, and the coarse stage's `mask`
    and `delta` at 128.
    """

    def __init__(self, coarse: CoarseFusionModel, refine: EnhancementNet) -> None:
        super().__init__()
        self.coarse, self.refine = coarse, refine

    def logits(
        self, warped: Tensor, target: Tensor, face: Tensor, identity: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Computes refined mask logits and residual, and the coarse mask and residual."""
        small = [
            functional.interpolate(x, size=(COARSE_SIDE, COARSE_SIDE), mode="area")
            for x in (warped, target, face)
        ]
        mask, delta = (x.to(warped.dtype) for x in self.coarse(*small, identity))
        up = [
            functional.interpolate(x, size=warped.shape[-2:], mode="bilinear")
            for x in (mask, delta)
        ]
        return *self.refine.logits(warped, target, face, *up), mask, delta
