"""Computes a perceptual distance on the features of EfficientNet-Lite0.

It is built like LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", CVPR 2018): unit-length features, squared differences, summed over the layers.
It is not LPIPS: the backbone differs, and its layers are not weighted by human judgements. Its
figures compare with each other only.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.evaluation.lite0 import Lite0
from facefusion.evaluation.measures import mean_inside
from facefusion.types import Photo

NAME: Final = "perceptual distance on EfficientNet-Lite0 features (built like LPIPS, not LPIPS)"


class PerceptualDistance:
    """Perceptual distance by EfficientNet-Lite0."""

    def __init__(self) -> None:
        self._net = Lite0()

    def __call__(self, found: Photo, truth: Photo, inside: np.ndarray) -> float:
        """Computes the distance of two images under a mask; 0 for equal images.

        Args:
            found, truth: (H, W, 3) RGB uint8.
            inside: (H, W) bool, the pixels to compare.
        """
        from torch.nn import functional

        units = [
            [functional.normalize(x, dim=1) for x in self._net(image)] for image in (found, truth)
        ]
        fields = [((a - b) ** 2).sum(1)[0].numpy() for a, b in zip(*units, strict=True)]
        return float(np.mean([mean_inside(field, inside) for field in fields]))
