"""Measures the tone of unusual photos of a batch (`compose.phototone`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from facefusion.training.tensors.exposure import exposure_gains, raised
from facefusion.training.tensors.filters import resized
from facefusion.training.tensors.monochrome import ColourCurves


@dataclass(frozen=True)
class PhotoTones:
    """The conversion of target photos to ordinary light for the networks.

    Attributes:
        gains: (B, 3) in [0.1, 1], the photos' light (`exposure_gains`).
        curves: colours of monochrome photos in ordinary light.
    """

    gains: Tensor
    curves: ColourCurves

    @classmethod
    def of(cls, crops: Tensor, skin: Tensor) -> Self:
        """Measures crops (B, 3, S, S) RGB in [0, 1] whose likely skin is (B, 1, 128, 128)."""
        small = resized(crops, *skin.shape[-2:])
        monochrome = ColourCurves.of(small).monochrome
        gains = exposure_gains(small, skin, monochrome)
        curves = ColourCurves.of(raised(small, gains))
        return cls(gains, replace(curves, monochrome=curves.monochrome & monochrome))

    def raised(self, images: Tensor) -> Tensor:
        """Converts images of the photos, (B, 3, S, S) in [0, 1], to ordinary light."""
        return raised(images, self.gains)

    def coloured(self, images: Tensor) -> Tensor:
        """Recolours images of ordinary light, (B, 3, S, S), to the curves of monochrome photos."""
        return self.curves.coloured(images)
