"""Measures the tone of an unusual photo: too dark, lit in one colour, or monochrome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from facefusion.compose.exposure import Exposure
from facefusion.compose.monochrome import ColourCurve
from facefusion.types import Mask, Photo


@dataclass(frozen=True)
class PhotoTone:
    """The conversion of a target photo to ordinary light for the networks, and back.

    Attributes:
        exposure: the photo's light, or None if ordinary.
        curve: the colours of a monochrome photo, or None.
        raised_curve: the same in ordinary light.
    """

    exposure: Exposure | None = None
    curve: ColourCurve | None = None
    raised_curve: ColourCurve | None = None

    @classmethod
    def of(cls, crop: Photo, skin: Mask, *, exposure: bool = True, monochrome: bool = True) -> Self:
        """Measures the tone of a face and its surroundings.

        Args:
            crop: (S, S, 3) RGB uint8, the aligned crop.
            skin: (S, S) float32 in [0, 1], likely skin.
            exposure, monochrome: whether each is measured.
        """
        curve = ColourCurve.of(crop) if monochrome else None
        light = Exposure.of(crop, skin, neutral=curve is not None) if exposure else None
        if curve is None or light is None:
            return cls(light, curve, curve)
        return cls(light, curve, ColourCurve.of(light.raised(crop)))

    def raised(self, image: Photo) -> Photo:
        """Converts a part of the photo, (H, W, 3) RGB uint8, to ordinary light."""
        return image if self.exposure is None else self.exposure.raised(image)

    def lowered(self, image: Photo) -> Photo:
        """Converts an image of ordinary light, (H, W, 3) RGB uint8, to the photo's."""
        return image if self.exposure is None else self.exposure.lowered(image)

    def restored(self, image: Photo) -> Photo:
        """Converts an image of ordinary light, (H, W, 3) RGB uint8, to the photo's light and colours."""
        lowered = self.lowered(image)
        return lowered if self.curve is None else self.curve(lowered)

    def coloured(self, image: Photo) -> Photo:
        """Recolours an image of ordinary light, (H, W, 3) RGB uint8, to `raised_curve`."""
        return image if self.raised_curve is None else self.raised_curve(image)
