"""A small discriminator: does this crop look like a photo? It sees seams, stains and light that
comes from two sides.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

#: AdamW's rate and first moment, as is usual with hinge losses (Miyato et al., ICLR 2018).
RATE: Final = 4e-4
BETAS: Final = (0.5, 0.99)
WIDTHS: Final = (32, 64, 96, 96)


class PatchDiscriminator(nn.Sequential):
    """(N, 3, S, S) in [0, 1] -> (N, 1, S / 8, S / 8) scores of overlapping patches (Isola et al.,
    CVPR 2017).

    Each score sees 46 pixels a side. Spectral normalisation keeps it smooth.
    """

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for width, stride in zip(WIDTHS, (2, 2, 2, 1), strict=True):
            layers += [
                spectral_norm(nn.Conv2d(channels, width, 4 if stride == 2 else 3, stride, 1)),
                nn.LeakyReLU(0.2),
            ]
            channels = width
        super().__init__(*layers, spectral_norm(nn.Conv2d(channels, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return (
                super().forward((x * 2 - 1).contiguous(memory_format=torch.channels_last)).float()
            )


class Adversary:
    """The discriminator, its optimizer, and the two losses; `state` and `restore` are for
    checkpoints.
    """

    def __init__(self) -> None:
        self.net = PatchDiscriminator()
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=RATE, betas=BETAS, weight_decay=1e-3
        )

    def learn(self, real: Tensor, fused: Tensor, weight: Tensor) -> float:
        """One step on photos and fused crops (N, 3, S, S); `weight` (N, 1, S, S) is where the fused
        ones are new.

        Returns:
            The hinge loss: 2 knows nothing, 0 everything.
        """
        self.net.train().requires_grad_(True)
        scores_real, scores_fused = self.net(torch.cat([real, fused.detach()])).split(len(real))
        share = _pooled(weight, scores_fused)
        lost_real = (functional.relu(1 - scores_real) * share).sum() / share.sum().clamp(min=1)
        lost_fused = (functional.relu(1 + scores_fused) * share).sum() / share.sum().clamp(min=1)
        loss = lost_real + lost_fused
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.net.requires_grad_(False)
        return float(loss.detach())

    def disbelief(self, fused: Tensor, weight: Tensor) -> Tensor:
        """What the fused crops still lose by: minus the mean score of the patches that are new."""
        scores = self.net(fused)
        share = _pooled(weight, scores)
        return -(scores * share).sum() / share.sum().clamp(min=1)

    def state(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])


def _pooled(weight: Tensor, scores: Tensor) -> Tensor:
    return functional.interpolate(weight, size=scores.shape[-2:], mode="area")
