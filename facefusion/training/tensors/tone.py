"""Matches a batch of sources to their targets' tone and light (`compose.color`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from facefusion.compose.color import GAIN_RANGE, LIGHT_SCALE, LIGHT_SHRINK
from facefusion.training.tensors.curves import Curve, scaled_curve, tone_curve
from facefusion.training.tensors.filters import resized, shrunk_blur
from facefusion.training.tensors.monochrome import ColourCurves
from facefusion.training.tensors.parts import PartMasks, PartTones, part_tones, skin_tone

#: Weight of the face's mean against nearby skin, as in `compose.color`.
_PRIOR: Final = 0.02
#: Level in [0, 1] added before division, against large gains in shadow, as in `compose.color`.
_FLOOR: Final = 4 / 255


@dataclass(frozen=True)
class Relight:
    """Corrections of tone and light, for crops at any resolution.

    Attributes:
        curve: curves of the skin's tone.
        gains: (B, 3, s, s) gains for the light, over the crop.
        masks: masks of the parts with a tone of their own, over the crop, or None.
        tones: tones of these parts, or None.
    """

    curve: Curve
    gains: Tensor
    masks: PartMasks | None = None
    tones: PartTones | None = None

    def __call__(self, image: Tensor, masks: PartMasks | None = None) -> Tensor:
        """Corrects images of the crops.

        Args:
            image: (B, 3, S, S) RGB in [0, 1].
            masks: masks of the parts over these images; by default those of the crops, resized.

        Returns:
            (B, 3, S, S) in [0, 1].
        """
        toned = self.curve(image)
        masks = self.masks if masks is None else masks
        if masks is not None and self.tones is not None:
            toned = self.tones.over(image, toned, masks.resized(*image.shape[-2:]))
        return (toned * resized(self.gains, *image.shape[-2:])).clamp(0, 1)


def match_light(
    source: Tensor,
    target: Tensor,
    skin: Tensor,
    parts: PartMasks | None,
    share: Tensor | float = 1.0,
    grey: Tensor | None = None,
) -> Relight:
    """Computes the corrections of sources to the tone and light of the aligned targets.

    Args:
        source, target: (B, 3, 128, 128) RGB in [0, 1], aligned.
        skin: (B, 1, 128, 128) in [0, 1], likely skin.
        parts: masks of parts with a tone of their own; None gives the whole crop the skin's tone.
        share: share of the correction, in [0, 1], for all or (B,): 0 leaves the source, 1 corrects
            as the pipeline does.
        grey: (B,) bool, whether a source is monochrome; measured by default.
    """
    skins = skin_tone(source, skin), skin_tone(target, skin)
    curve = tone_curve(*skins) if parts is None else scaled_curve(*skins)
    gains = _light_ratio(curve(source), target, skin).clamp(*GAIN_RANGE)
    tones = None
    if parts is not None:
        grey = ColourCurves.of(source).monochrome if grey is None else grey
        tones = part_tones(source, target, parts, skins, grey)
    if not isinstance(share, Tensor):
        share = source.new_full((1,), share)
    share = share[:, None]
    gains = gains ** share[..., None, None]
    return Relight(curve.weakened(share), gains, parts, tones and tones.weakened(share))


def _light_ratio(toned: Tensor, target: Tensor, skin: Tensor) -> Tensor:
    """Divides the target's light by the toned source's, both averaged over half an eye's width of skin.

    Returns:
        (B, 3, S / 4, S / 4).
    """
    side = max(skin.shape[-1] // LIGHT_SHRINK, 1)
    layers = torch.cat([toned * skin, target * skin, skin], 1)
    blurred = shrunk_blur(layers, side, LIGHT_SCALE * side)
    weight = blurred[:, 6:]
    totals = layers.sum((2, 3), keepdim=True)
    means = totals[:, :6] / totals[:, 6:].clamp(min=1e-6) + _FLOOR
    source_light, target_light = (blurred[:, :6] + _FLOOR * weight + _PRIOR * means).chunk(2, 1)
    return target_light / source_light
