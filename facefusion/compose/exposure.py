"""Night, neon and firelight: too dark, in a channel or in all, to say what the skin is like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.types import FloatArray, Photo

#: Share of the skin that is darker than its lights, and how bright these are at least, by
#: channel: in 1,565 portraits all but eight are brighter.
LIGHTS: Final = 0.98
LEAST: Final = (120.0, 80.0, 60.0)
#: A channel is raised by 1 / this at most: beyond it there is more noise than skin.
DARKEST: Final = 0.1


@dataclass(frozen=True)
class Exposure:
    """The light of a photo that is too dark, in a channel or in all.

    Attributes:
        gains: (3,) float32 in [0.1, 1], the photo's light as a share of the darkest that is
            ordinary.
    """

    gains: FloatArray

    @classmethod
    def of(cls, crop: Photo, skin: FloatArray, *, neutral: bool = False) -> Self | None:
        """The exposure of a face.

        Args:
            crop: (S, S, 3) RGB uint8.
            skin: (S, S) float32 in [0, 1], where skin is most likely.
            neutral: one gain for all channels, for a photo whose colours are not those of skin.

        Returns:
            None where the light is ordinary.
        """
        seen = crop[skin > 0.5]
        if not len(seen):
            return None
        lights = np.quantile(seen, LIGHTS, axis=0)
        if neutral:
            lights[:] = lights.max()
        least = max(LEAST) if neutral else LEAST
        gains = np.clip(lights / least, DARKEST, 1).astype(np.float32)
        return cls(gains) if (gains < 1).any() else None

    def raised(self, image: Photo) -> Photo:
        """An image (H, W, 3) RGB uint8 as it would be in ordinary light."""
        return _scaled(image, np.reciprocal(self.gains))

    def lowered(self, image: Photo) -> Photo:
        """An image (H, W, 3) RGB uint8 of ordinary light in the photo's own."""
        return _scaled(image, self.gains)


def _scaled(image: Photo, gains: FloatArray) -> Photo:
    table = np.clip(np.arange(256)[:, None] * gains + 0.5, 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(image, table), np.uint8)
