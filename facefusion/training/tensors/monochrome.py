"""Matches the colours of monochrome photos, for a batch (`compose.monochrome`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from facefusion.compose.monochrome import (
    CHROMA_FROM,
    CHROMA_SHARE,
    DISTANCE_QUANTILE,
    FEWEST,
    GREY,
    LARGEST_DISTANCE,
    LEAST_LIGHTS,
    SMOOTH,
    SPREAD,
)
from facefusion.compose.tone import LUMA
from facefusion.training.tensors.filters import constant, gaussian_blur

#: Steps of the search for a quantile: to a sixteenth of a level of 255.
_SEARCH_STEPS: Final = 12
_LUMA: Final = tuple(float(share) for share in LUMA)
_LEVELS: Final = tuple(float(level) for level in range(256))


@dataclass(frozen=True)
class ColourCurves:
    """The colours of photos by luminance, where they are monochrome.

    Attributes:
        monochrome: (B,) bool, whether a photo is monochrome.
        weights: (B, 3) share of each channel in the luminance.
        table: (B, 3, 256) RGB in [0, 1] by luminance.
    """

    monochrome: Tensor
    weights: Tensor
    table: Tensor

    @classmethod
    def of(cls, crops: Tensor) -> Self:
        """Fits the curves of crops (B, 3, 128, 128) RGB in [0, 1], as `ColourCurve.of` does."""
        few = crops[..., ::2, ::2].flatten(2)
        low, high = (255 * quantile(few, share) for share in (0.01, 0.99))
        weights = constant(_LUMA, crops.device) * (high - low + 1)
        weights = weights / weights.sum(1, keepdim=True)
        levels = _levels(crops, weights)
        table = _smooth_table(crops, levels)
        distance = gaussian_blur(255 * crops - _looked_up(table, levels), SPREAD).abs().amax(1)
        lights = high.amax(1).clamp(min=1)
        bright = 255 / lights
        chroma = (table.amax(1) - table.amin(1)).gather(1, levels.flatten(1)).mean(1)
        largest = LARGEST_DISTANCE + CHROMA_SHARE * (chroma * bright - CHROMA_FROM).clamp(min=0)
        far = (distance * bright[:, None, None] > largest[:, None, None]).float().mean((1, 2))
        axis = constant(_LEVELS, crops.device).expand_as(table)
        grey = (table - axis).abs().amax((1, 2), keepdim=True) <= GREY
        table = torch.where(grey, axis, table).clamp(0, 255) / 255
        found = (far <= 1 - DISTANCE_QUANTILE) & (high.amax(1) >= LEAST_LIGHTS)
        return cls(found, weights, table)

    def coloured(self, image: Tensor) -> Tensor:
        """Recolours images (B, 3, S, S) to the curves; colour photos' images stay as they are."""
        recoloured = _looked_up(self.table, _levels(image, self.weights))
        return torch.where(self.monochrome[:, None, None, None], recoloured, image)


def quantile(values: Tensor, share: float, mask: Tensor | None = None) -> Tensor:
    """Finds a quantile of levels by bisection, for each batch item and channel.

    Args:
        values: (B, C, N) in [0, 1].
        share: the quantile, in [0, 1].
        mask: (B, 1, N) 1 where values count, else 0; all by default.

    Returns:
        (B, C); 0 or 1 where no value counts.
    """
    counted = torch.ones_like(values[:, :1]) if mask is None else mask
    rank = share * (counted.sum(2) - 1) + 0.5
    low = torch.full_like(values[..., 0], -1e-3)
    high = torch.ones_like(low)
    for _ in range(_SEARCH_STEPS):
        middle = (low + high) / 2
        enough = ((values <= middle[..., None]) * counted).sum(2) > rank
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    return high


def _levels(image: Tensor, weights: Tensor) -> Tensor:
    """Computes the luminance (B, S, S) int64 in [0, 255]."""
    luminance = (image * weights[..., None, None]).sum(1)
    return (255 * luminance).round().clamp(0, 255).long()


def _looked_up(table: Tensor, levels: Tensor) -> Tensor:
    """Looks up levels (B, S, S) in (B, 3, 256): (B, 3, S, S)."""
    index = levels.flatten(1)[:, None].expand(-1, 3, -1)
    return table.gather(2, index).unflatten(2, levels.shape[1:])


def _smooth_table(crops: Tensor, levels: Tensor) -> Tensor:
    """Fits the mean colour of each luminance, (B, 3, 256) in levels, smoothed."""
    axis = constant(_LEVELS, crops.device)
    kernel = torch.exp(-0.5 * ((axis[:, None] - axis) / SMOOTH) ** 2)
    colours = 255 * crops.flatten(2)
    counted = torch.cat([colours, torch.ones_like(colours[:, :1])], 1)
    index = levels.flatten(1)[:, None].expand(-1, 4, -1)
    sums = counted.new_zeros(len(crops), 4, 256).scatter_add_(2, index, counted)
    total, count = sums[:, :3], sums[:, 3:]
    with torch.autocast(crops.device.type, enabled=False):
        smoothed = torch.matmul(torch.cat([total - count * axis, count], 1), kernel)
    weight = smoothed[:, 3]
    known = weight >= FEWEST * levels[0].numel()
    mean = smoothed[:, :3] / weight[:, None].clamp(min=1e-6)
    return axis + _between_known(mean, known)


def _between_known(mean: Tensor, known: Tensor) -> Tensor:
    """Interpolates (B, 3, 256) linearly between levels that are `known` (B, 256); ends are held."""
    axis = constant(_LEVELS, mean.device)
    levels = axis.expand_as(known)
    before = levels.masked_fill(~known, -1).cummax(1).values
    after = levels.masked_fill(~known, 256).flip(1).cummin(1).values.flip(1)
    left = torch.where(before < 0, after, before).clamp(0, 255)
    right = torch.where(after > 255, before, after).clamp(0, 255)
    share = ((axis - left) / (right - left).clamp(min=1)).clamp(0, 1)[:, None]
    low, high = (mean.gather(2, end.long()[:, None].expand_as(mean)) for end in (left, right))
    return low + share * (high - low)
