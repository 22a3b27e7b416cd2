"""Corrects photos that are too dark, in a channel or in all (night, neon, firelight)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.types import FloatArray, Mask, Photo

#: Quantile of the skin's levels that measures its lights.
LIGHTS_QUANTILE: Final = 0.98
#: Lights by channel (RGB, in [0, 255]) below which a photo is dark: all but eight of 1,565
#: portraits are brighter.
LEAST_LIGHTS: Final = (120.0, 80.0, 60.0)
#: Smallest gain of the photo's light: beyond it a raised channel has more noise than skin.
LEAST_GAIN: Final = 0.1


@dataclass(frozen=True)
class Exposure:
    """The light of a photo that is too dark, in a channel or in all.

    Attributes:
        gains: (3,) float32 in [0.1, 1], the photo's light as a share of `LEAST_LIGHTS`.
    """

    gains: FloatArray

    @classmethod
    def of(cls, crop: Photo, skin: Mask, *, neutral: bool = False) -> Self | None:
        """Measures the exposure of a face.

        Args:
            crop: (S, S, 3) RGB uint8.
            skin: (S, S) float32 in [0, 1], likely skin.
            neutral: one gain for all channels, for a photo without the colours of skin.

        Returns:
            The exposure, or None in ordinary light.
        """
        pixels = crop[skin > 0.5]
        if not len(pixels):
            return None
        lights = np.quantile(pixels, LIGHTS_QUANTILE, axis=0)
        if neutral:
            lights[:] = lights.max()
        expected = max(LEAST_LIGHTS) if neutral else LEAST_LIGHTS
        gains = np.clip(lights / expected, LEAST_GAIN, 1).astype(np.float32)
        return cls(gains) if (gains < 1).any() else None

    def raised(self, image: Photo) -> Photo:
        """Converts an image (H, W, 3) RGB uint8 to ordinary light."""
        return _scaled(image, np.reciprocal(self.gains))

    def lowered(self, image: Photo) -> Photo:
        """Converts an image (H, W, 3) RGB uint8 from ordinary light to the photo's."""
        return _scaled(image, self.gains)


def _scaled(image: Photo, gains: FloatArray) -> Photo:
    table = np.clip(np.arange(256)[:, None] * gains + 0.5, 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(image, table), np.uint8)
