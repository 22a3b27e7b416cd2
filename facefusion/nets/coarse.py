"""Defines CoarseFusionModel, the low-resolution stage of progressive fusion."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.attention import FeatureAwareAttention
from facefusion.nets.blocks import ConvNormAct, Design, InvertedResidual, LightweightDecoderBlock
from facefusion.nets.identity import EMBEDDING_SIZE

#: Channels at 64, 32, 16 and 8 pixels a side for a 128 px input.
DESIGN: Final = Design((40, 80, 144, 240))

Skips = Literal["gated", "plain", "none"]


class _Up(nn.Module):
    """A decoder step: doubles the resolution, joins the skip, and mixes."""

    def __init__(
        self, inputs: int, outputs: int, expand: float, skips: Skips, identity: int
    ) -> None:
        super().__init__()
        self.skips = skips
        self.decode = LightweightDecoderBlock(inputs, outputs)
        if skips == "gated":
            self.attend = FeatureAwareAttention(outputs, identity)
        mixed = ConvNormAct(outputs if skips == "none" else 2 * outputs, outputs, 1, act=False)
        self.mix = nn.Sequential(mixed, InvertedResidual(outputs, outputs, expand=expand))

    def forward(self, x: Tensor, skip: Tensor, face: Tensor, identity: Tensor | None) -> Tensor:
        x = self.decode(x)
        if self.skips == "none":
            return self.mix(x)
        return self.mix(
            torch.cat(
                [x, self.attend(skip, face, identity) if self.skips == "gated" else skip], dim=1
            )
        )


class CoarseFusionModel(nn.Module):
    """Predicts the mask and the residual that fuse the warped source with the target.

    Inputs: `warped` and `target` (N, 3, H, W) RGB in [0, 1], the warped source and the target's
    aligned crop; `face` (N, 1, H, W) in [0, 1], where change is allowed; `identity` (N, 128), the
    source's unit-length embedding. H and W are multiples of 32, 128 by design.

    Outputs: `mask` (N, 1, H, W), 0 wherever `face` is 0, and the residual `delta` (N, 3, H, W), RGB
    in [-1, 1]. The fused crop is `target + mask * (warped + delta - target)`: outside the mask
    nothing can change. The residual may be any colour at any pixel; a loss penalises its fine
    chroma (`training.losses.fine_chroma`).

    Args:
        skips: encoder features at the decoder: "gated" by FAAM, as in the method, or for ablations
            "plain" or "none".
        bottleneck: whether FAAM also attends to the features between encoder and decoder.
        conditioned: whether the identity embedding conditions FAAM's channel attention; `identity`
            is ignored otherwise.
        design: size of the network.
    """

    def __init__(
        self,
        skips: Skips = "gated",
        *,
        bottleneck: bool = True,
        conditioned: bool = True,
        design: Design = DESIGN,
    ) -> None:
        super().__init__()
        who = EMBEDDING_SIZE if conditioned else 0
        c64, c32, c16, c8 = design.widths
        block = partial(InvertedResidual, expand=design.expand, kernel=design.kernel)
        self.stem = nn.Sequential(
            ConvNormAct(7, c64, stride=2), InvertedResidual(c64, c64, expand=2)
        )
        self.down32 = nn.Sequential(block(c64, c32, stride=2), *(block(c32, c32) for _ in range(2)))
        self.down16 = nn.Sequential(block(c32, c16, stride=2), *(block(c16, c16) for _ in range(2)))
        self.down8 = nn.Sequential(block(c16, c8, stride=2), *(block(c8, c8) for _ in range(3)))
        self.attend = FeatureAwareAttention(c8, who) if bottleneck else None
        self.up16, self.up32 = _Up(c8, c16, 2, skips, who), _Up(c16, c32, 2, skips, who)
        self.up64 = _Up(c32, c64, 2, skips, who)
        last = nn.Conv2d(32, 16, 1)
        # Before training the output is a face already: the warped source, almost unchanged, under
        # most of the mask.
        nn.init.normal_(last.weight, std=0.01)
        last.bias = nn.Parameter(torch.tensor([0.0] * 12 + [2.0] * 4))
        self.head = nn.Sequential(ConvNormAct(c64, 32), last, nn.PixelShuffle(2))

    def logits(
        self, warped: Tensor, target: Tensor, face: Tensor, identity: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Computes `delta`, and the mask before its sigmoid and without `face`.

        Losses on logits do not saturate.
        """
        pyramid = [functional.avg_pool2d(face, k) for k in (2, 4, 8, 16)]
        x64 = self.stem(torch.cat([warped, target, face], dim=1) * 2 - 1)
        x32 = self.down32(x64)
        x16 = self.down16(x32)
        x = self.down8(x16)
        if self.attend is not None:
            x = self.attend(x, pyramid[3], identity)
        x = self.up16(x, x16, pyramid[2], identity)
        x = self.up32(x, x32, pyramid[1], identity)
        x = self.up64(x, x64, pyramid[0], identity)
        out = self.head(x)
        return out[:, 3:], torch.tanh(out[:, :3])

    def forward(
        self, warped: Tensor, target: Tensor, face: Tensor, identity: Tensor
    ) -> tuple[Tensor, Tensor]:
        mask, delta = self.logits(warped, target, face, identity)
        return torch.sigmoid(mask) * face, delta


def fuse(warped: Tensor, target: Tensor, mask: Tensor, delta: Tensor | float) -> Tensor:
    """Composes the fused crop, (N, 3, H, W) in about [0, 1]."""
    return target + mask * (warped + delta - target)
