"""Corrects photos that are too dark, for a batch (`compose.exposure`)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from facefusion.compose.exposure import LEAST_GAIN, LEAST_LIGHTS, LIGHTS_QUANTILE
from facefusion.training.tensors.filters import constant
from facefusion.training.tensors.monochrome import quantile

_LEAST: Final = tuple(level / 255 for level in LEAST_LIGHTS)


def exposure_gains(crops: Tensor, skin: Tensor, neutral: Tensor | None = None) -> Tensor:
    """Measures the light of faces that are too dark, in a channel or in all.

    Args:
        crops: (B, 3, S, S) RGB in [0, 1].
        skin: (B, 1, S, S) in [0, 1], likely skin.
        neutral: (B,) bool, whether a photo is monochrome and has one gain for all channels
            (`ColourCurves.monochrome`); none by default.

    Returns:
        (B, 3) in [0.1, 1], 1 in ordinary light.
    """
    mask = (skin > 0.5).float().flatten(2)
    lights = quantile(crops.flatten(2), LIGHTS_QUANTILE, mask)
    least = constant(_LEAST, crops.device).expand_as(lights)
    if neutral is not None:
        lights = torch.where(neutral[:, None], lights.amax(1, keepdim=True), lights)
        least = least.masked_fill(neutral[:, None], max(_LEAST))
    gains = (lights / least).clamp(LEAST_GAIN, 1)
    return gains.masked_fill(mask.amax(2) == 0, 1)


def raised(image: Tensor, gains: Tensor) -> Tensor:
    """Converts images (B, 3, S, S) in [0, 1] to ordinary light, by their (B, 3) gains."""
    return (image / gains[..., None, None]).clamp(0, 1)
