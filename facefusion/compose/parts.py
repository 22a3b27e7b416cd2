"""Tones of their own for what is not skin: lips, eyes, teeth, brows and lashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.compose.features import FeatureMasks
from facefusion.compose.monochrome import ColourCurve
from facefusion.compose.tone import (
    LUMA,
    from_lab,
    gain_curve,
    lab,
    neutral_curve,
    scaled_curve,
    skin_tone,
)
from facefusion.geometry.align import transform_points
from facefusion.geometry.frames import Frame
from facefusion.types import FloatArray, Photo

#: Whites of eyes and teeth take this power of the skin's gamma, held in this range.
WHITE_POWER: Final = 0.7
WHITE_RANGE: Final = (0.6, 1.9)
#: Whites have little saturation: wholly below the lower limit, not at all above the upper. Hairs
#: are darker than the skin around: likewise, as shares of its luminance.
WHITE_SATURATION: Final = (0.2, 0.35)
HAIR_LUMINANCE: Final = (0.35, 0.6)
#: The lips' contrast with the skin in L*, a* and b* is multiplied by the ratio of the skins' L*,
#: this at least, to these powers.
CONTRAST_POWER: Final = (1.0, 0.5, 0.5)
CONTRAST_LEAST: Final = 0.4
#: Shares of that contrast that are the target's own; all of its chroma, where the source is grey.
CONTRAST_GIVEN: Final = (0.3, 0.5, 0.5)
CONTRAST_GREY: Final = (0.3, 1.0, 1.0)
#: Fall of the skin's L*, as a share of it, at which the lips' tone counts wholly: on skin that is
#: as light, the skin's serves.
LIPS_FALL: Final = 0.2


@dataclass(frozen=True)
class Part:
    """A part of the face that is not skin.

    Attributes:
        mask: (S, S) float32 in [0, 1], over the aligned crop.
        table: (1, 256, 3) uint8 look-up table for its tone.
        shown: (256,) float32 in [0, 1], what of the mask counts, by luminance, or by saturation.
        saturation: whether it is by saturation (of HSV, in 255ths).
    """

    mask: FloatArray
    table: Photo
    shown: FloatArray | None = None
    saturation: bool = False

    def tone(self, image: Photo, toned: Photo, frame: Frame) -> None:
        """Puts this part of an image over one in the skin's tone.

        Args:
            image: (h, w, 3) RGB uint8.
            toned: (h, w, 3) RGB uint8, changed in place.
            frame: where the aligned crop lies on both.
        """
        window = _window(self.mask, frame)
        if window is None:
            return
        here, within = window
        weight = np.clip(within.placed(self.mask, outside=0.0), 0, 1)
        own = np.ascontiguousarray(image[here])
        if self.shown is not None:
            seen = _saturation(own) if self.saturation else cv2.cvtColor(own, cv2.COLOR_RGB2GRAY)
            weight = weight * self.shown[seen]
        skin = np.ascontiguousarray(toned[here])
        toned[here] = cv2.blendLinear(cv2.LUT(own, self.table), skin, weight, 1 - weight)


def feature_parts(
    source: Photo, target: Photo, skin: FloatArray, features: FeatureMasks
) -> tuple[Part, ...]:
    """What takes another tone than the skin's.

    A gamma a channel that takes light skin to dark also takes the whites of eyes and teeth to
    brown, brows to a colour, and lips, which are darker than skin, to black. Whites and hairs get
    one gamma for all channels, and the lips keep their contrast with the skin (CIELAB) by a gain.
    On the way to lighter skin the skin's gamma serves lips well. A monochrome source has no colours
    to keep: its hairs and whites take the skin's gamma, and its lips the chroma of the target's.

    Args:
        source, target: (S, S, 3) RGB uint8, one on the other.
        skin: (S, S) float32 in [0, 1], where skin is most likely.
        features: masks of the same view.
    """
    old, new = skin_tone(source, skin), skin_tone(target, skin)
    grey, fall = ColourCurve.of(source) is not None, 1 - lab(new)[0] / max(lab(old)[0], 1.0)
    parts = () if grey else _neutral_parts(float(old @ LUMA), float(new @ LUMA), features)
    opacity = 1.0 if grey else float(np.clip(fall / LIPS_FALL, 0, 1))
    if opacity > 0 and (features.lips > 0.5).any():
        table = _lips_curve(source, target, features.lips, old, new, grey=grey)
        parts = (*parts, Part(opacity * features.lips, table))
    return parts


def _neutral_parts(old: float, new: float, features: FeatureMasks) -> tuple[Part, ...]:
    """Hairs and whites, where the skin's luminance goes from `old` to `new`, both in [0, 255]."""
    dark, light = (float(np.clip(level, 5, 250)) for level in (old, new))
    gamma = np.log(light / 255) / np.log(dark / 255)
    levels = np.arange(256)
    hairs = scaled_curve(np.full(3, dark, np.float32), np.full(3, light, np.float32))
    whites = neutral_curve(float(np.clip(gamma**WHITE_POWER, *WHITE_RANGE)))
    return (
        Part(features.hairs, hairs, _falling(levels / dark, HAIR_LUMINANCE)),
        Part(features.whites, whites, _falling(levels / 255, WHITE_SATURATION), saturation=True),
    )


def _lips_curve(
    source: Photo, target: Photo, lips: FloatArray, old: FloatArray, new: FloatArray, *, grey: bool
) -> Photo:
    """The table for the lips, where the skin goes from the tone `old` to `new`, both (3,)."""
    own, theirs = skin_tone(source, lips), skin_tone(target, lips)
    ratio = max(lab(new)[0] / max(lab(old)[0], 1.0), CONTRAST_LEAST)
    contrast = (lab(own) - lab(old)) * ratio ** np.array(CONTRAST_POWER)
    given = np.array(CONTRAST_GREY if grey else CONTRAST_GIVEN)
    contrast += given * (lab(theirs) - lab(new) - contrast)
    return gain_curve(own, from_lab(lab(new) + contrast))


def _window(mask: FloatArray, frame: Frame) -> tuple[tuple[slice, slice], Frame] | None:
    """Rows and columns of a frame that a mask (S, S) reaches, and their own frame, if any."""
    rows, columns = np.flatnonzero(mask.max(axis=1) > 0), np.flatnonzero(mask.max(axis=0) > 0)
    if not len(rows):
        return None
    box = np.array([[x, y] for x in columns[[0, -1]] + (-1, 1) for y in rows[[0, -1]] + (-1, 1)])
    corners = transform_points(box, frame.from_crop(mask.shape[0]))
    left, top = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, frame.size)
    if right <= left or bottom <= top:
        return None
    moved = frame.matrix.copy()
    moved[:, 2] -= (left, top)
    return np.s_[top:bottom, left:right], Frame(moved, int(right - left), int(bottom - top))


def _falling(values: np.ndarray, limits: tuple[float, float]) -> FloatArray:
    """1 below the lower limit, 0 above the upper, linear between."""
    return np.clip((limits[1] - values) / (limits[1] - limits[0]), 0, 1).astype(np.float32)


def _saturation(image: Photo) -> Photo:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1], np.uint8)
