"""Tones of lips, eyes, teeth, brows and lashes, for a batch (`compose.parts`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from facefusion.compose.parts import (
    CONTRAST_GIVEN,
    CONTRAST_GREY,
    CONTRAST_LEAST,
    CONTRAST_POWER,
    HAIR_LUMINANCE,
    LIPS_FALL,
    WHITE_POWER,
    WHITE_RANGE,
    WHITE_SATURATION,
)
from facefusion.compose.tone import LUMA
from facefusion.training.tensors.curves import Curve, from_lab, gain_curve, lab, scaled_curve
from facefusion.training.tensors.filters import constant, resized

_LUMA: Final = tuple(float(share) for share in LUMA)
#: Range of the skins' luminance in [0, 1] from which the tones of hairs and whites are computed.
_LUMINANCE_RANGE: Final = (5 / 255, 250 / 255)


@dataclass(frozen=True)
class PartMasks:
    """Masks of faces' parts other than skin (`compose.features.FeatureMasks`).

    Attributes:
        lips, whites, hairs: (B, 1, S, S) in [0, 1].
    """

    lips: Tensor
    whites: Tensor
    hairs: Tensor

    def resized(self, height: int, width: int) -> Self:
        """Returns the masks at another resolution."""
        if tuple(self.lips.shape[-2:]) == (height, width):
            return self
        masks = resized(torch.cat([self.lips, self.whites, self.hairs], 1), height, width)
        return type(self)(*masks.split(1, 1))


@dataclass(frozen=True)
class PartTones:
    """Tones of the parts of faces.

    Attributes:
        hairs, whites, lips: their curves.
        level: (B, 1) luminance of the source's skin in [0, 1].
        neutral: (B, 1) 1 where hairs and whites have tones of their own, else 0.
        opacity: (B, 1) in [0, 1], opacity of the lips' own tone.
    """

    hairs: Curve
    whites: Curve
    lips: Curve
    level: Tensor
    neutral: Tensor
    opacity: Tensor

    def weakened(self, share: Tensor) -> Self:
        """Interpolates between no change, at a share (B or 1, 1) of 0, and these tones."""
        hairs, whites, lips = (
            curve.weakened(share) for curve in (self.hairs, self.whites, self.lips)
        )
        return type(self)(hairs, whites, lips, self.level, self.neutral, self.opacity)

    def over(self, image: Tensor, toned: Tensor, masks: PartMasks) -> Tensor:
        """Blends the parts of images, in their tones, over the images in the skin's tone.

        Args:
            image, toned: (B, 3, S, S) RGB in [0, 1].
            masks: masks at the side S.
        """
        luminance = (image * constant(_LUMA, image.device)[:, None, None]).sum(1, keepdim=True)
        hair = _falling(luminance / self.level[..., None, None], HAIR_LUMINANCE)
        high = image.amax(1, keepdim=True)
        saturation = (high - image.amin(1, keepdim=True)) / high.clamp(min=1e-6)
        white = _falling(saturation, WHITE_SATURATION)
        neutral = self.neutral[..., None, None]
        toned = toned.lerp(self.hairs(image), neutral * masks.hairs * hair)
        toned = toned.lerp(self.whites(image), neutral * masks.whites * white)
        return toned.lerp(self.lips(image), self.opacity[..., None, None] * masks.lips)


def part_tones(
    source: Tensor,
    target: Tensor,
    masks: PartMasks,
    skins: tuple[Tensor, Tensor],
    grey: Tensor,
) -> PartTones:
    """Computes the tones of parts that differ from the skin's, as `feature_parts` does.

    Args:
        source, target: (B, 3, S, S) RGB in [0, 1], aligned.
        masks: masks of the same view.
        skins: (B, 3) tones of the source's and of the target's skin.
        grey: (B,) bool, whether a source is monochrome.
    """
    grey = grey[:, None]
    light, dark = (lab(skin)[:, :1] for skin in skins)
    fall = (1 - dark / light.clamp(min=1)) / LIPS_FALL
    opacity = torch.maximum(fall.clamp(0, 1), grey.float())
    present = (masks.lips > 0.5).float().amax((2, 3))
    weights = constant(_LUMA, source.device)
    levels = [(skin * weights).sum(1, keepdim=True).clamp(*_LUMINANCE_RANGE) for skin in skins]
    gamma = levels[1].log() / levels[0].log()
    whites = (gamma**WHITE_POWER).clamp(*WHITE_RANGE)
    return PartTones(
        hairs=scaled_curve(levels[0], levels[1]),
        whites=Curve(whites, torch.ones_like(whites)),
        lips=_lips_curve(source, target, masks.lips, skins, grey),
        level=levels[0],
        neutral=1 - grey.float(),
        opacity=opacity * present,
    )


def skin_tone(image: Tensor, skin: Tensor) -> Tensor:
    """Averages images (B, 3, S, S) under weights (B, 1, S, S): (B, 3)."""
    return (image * skin).sum((2, 3)) / skin.sum((2, 3)).clamp(min=1e-6)


def _lips_curve(
    source: Tensor, target: Tensor, lips: Tensor, skins: tuple[Tensor, Tensor], grey: Tensor
) -> Curve:
    """Makes the curves of lips that keep their contrast with the skin in CIELAB."""
    source_lips, target_lips = skin_tone(source, lips), skin_tone(target, lips)
    source_skin, target_skin = (lab(skin) for skin in skins)
    ratio = (target_skin[:, :1] / source_skin[:, :1].clamp(min=1)).clamp(min=CONTRAST_LEAST)
    own = (lab(source_lips) - source_skin) * ratio ** constant(CONTRAST_POWER, source.device)
    shares = torch.where(
        grey, constant(CONTRAST_GREY, source.device), constant(CONTRAST_GIVEN, source.device)
    )
    contrast = own + shares * (lab(target_lips) - target_skin - own)
    return gain_curve(source_lips, from_lab(target_skin + contrast))


def _falling(values: Tensor, limits: tuple[float, float]) -> Tensor:
    """Falls from 1 at the lower limit to 0 at the upper."""
    return ((limits[1] - values) / (limits[1] - limits[0])).clamp(0, 1)
