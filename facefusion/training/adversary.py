"""Trains a discriminator of photos and fused crops: against seams, stains and mixed lighting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

#: AdamW's learning rate, usual with hinge losses (Miyato et al., ICLR 2018).
RATE: Final = 4e-4
#: AdamW's betas; the low first moment is usual with hinge losses (Miyato et al., ICLR 2018).
BETAS: Final = (0.5, 0.99)
WIDTHS: Final = (32, 64, 96, 96)


def patch_layers(widths: Sequence[int]) -> list[nn.Module]:
    """Makes the layers of a patch discriminator of these widths, at strides of 2, 2, 2 and 1."""
    layers: list[nn.Module] = []
    channels = 3
    for width, stride in zip(widths, (2, 2, 2, 1), strict=True):
        layers += [
            spectral_norm(nn.Conv2d(channels, width, 4 if stride == 2 else 3, stride, 1)),
            nn.LeakyReLU(0.2),
        ]
        channels = width
    return [*layers, spectral_norm(nn.Conv2d(channels, 1, 1))]


class PatchDiscriminator(nn.Sequential):
    """Patch discriminator (Isola et al., CVPR 2017): (N, 3, S, S) to (N, 1, S / 8, S / 8) scores.

    Images are in [0, 1]. Each score has a receptive field of 46 pixels a side. Spectral
    normalisation keeps the network smooth.
    """

    def __init__(self) -> None:
        super().__init__(*patch_layers(WIDTHS))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return (
                super().forward((x * 2 - 1).contiguous(memory_format=torch.channels_last)).float()
            )


class Adversary:
    """The discriminator with its optimizer and the losses of both sides.

    `state` and `restore` are for checkpoints.
    """

    def __init__(self) -> None:
        self.net = PatchDiscriminator()
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=RATE, betas=BETAS, weight_decay=1e-3
        )

    def train_step(self, real: Tensor, fused: Tensor, weight: Tensor) -> float:
        """Trains the discriminator by one step on photos and fused crops (N, 3, S, S).

        `weight` (N, 1, S, S) is 1 where the fused crops are new.

        Returns:
            The hinge loss: 2 if it cannot tell them apart, 0 if it separates them with a margin.
        """
        self.net.train().requires_grad_(True)
        scores_real, scores_fused = self.net(torch.cat([real, fused.detach()])).split(len(real))
        share = pooled(weight, scores_fused)
        real_loss = (functional.relu(1 - scores_real) * share).sum() / share.sum().clamp(min=1)
        fused_loss = (functional.relu(1 + scores_fused) * share).sum() / share.sum().clamp(min=1)
        loss = real_loss + fused_loss
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.net.requires_grad_(False)
        return float(loss.detach())

    def generator_loss(self, fused: Tensor, weight: Tensor) -> Tensor:
        """Returns the generator's loss: minus the mean score of the fused crops' new patches."""
        scores = self.net(fused)
        share = pooled(weight, scores)
        return -(scores * share).sum() / share.sum().clamp(min=1)

    def state(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])


def pooled(weight: Tensor, scores: Tensor) -> Tensor:
    """Averages weights (N, 1, S, S) over the patches of scores."""
    return functional.interpolate(weight, size=scores.shape[-2:], mode="area")
