"""Draws random numbers, fields and choices on a device, without a word to the processor."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


class Draws:
    """Random numbers for batches of images.

    All shapes are fixed by the arguments, and nothing is read back, so that a CUDA graph can hold
    the calls.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def uniform(self, count: int, low: float, high: float) -> Tensor:
        """Draws (count, 1, 1, 1) numbers between `low` and `high`."""
        return torch.rand(count, 1, 1, 1, device=self.device) * (high - low) + low

    def normal(self, count: int, deviation: float, channels: int = 1) -> Tensor:
        """Draws (count, channels, 1, 1) numbers around 0."""
        return torch.randn(count, channels, 1, 1, device=self.device) * deviation

    def chance(self, count: int, probability: float | Tensor) -> Tensor:
        """Draws (count, 1, 1, 1) numbers that are 1 with this probability, otherwise 0."""
        return (torch.rand(count, 1, 1, 1, device=self.device) < probability).float()

    def field(self, count: int, cells: int, side: int, channels: int = 1) -> Tensor:
        """Draws smooth random fields (count, channels, side, side) of about unit deviation.

        Args:
            count: number of fields.
            cells: cells a side, of about one hill or hollow each.
            side: side in pixels.
            channels: number of fields a sample.
        """
        coarse = torch.randn(count, channels, cells, cells, device=self.device)
        return functional.interpolate(
            coarse, size=(side, side), mode="bicubic", align_corners=False
        )

    def blob(self, count: int, cells: int, side: int, level: tuple[float, float]) -> Tensor:
        """Draws soft-edged spots (count, 1, side, side) in [0, 1].

        Args:
            count: number of masks.
            cells: cells a side of the field whose hills are the spots.
            side: side in pixels.
            level: range of the heights from which hills are spots; higher is less.
        """
        heights = self.field(count, cells, side)
        return torch.sigmoid((heights - self.uniform(count, *level)) * 13)

    def choice(self, weights: Tensor, count: int) -> Tensor:
        """Draws `count` indices with probabilities in proportion to `weights` (N,)."""
        ends = torch.cumsum(weights, 0)
        places = torch.rand(count, device=self.device) * ends[-1]
        return torch.searchsorted(ends, places).clamp(max=len(weights) - 1)


def mix(amount: Tensor, changed: Tensor, unchanged: Tensor) -> Tensor:
    """Blends two images by an amount in [0, 1]."""
    return unchanged + amount * (changed - unchanged)
