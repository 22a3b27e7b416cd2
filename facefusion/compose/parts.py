"""Gives lips, eyes, teeth, brows and lashes tones of their own."""

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

#: Exponent on the skin's gamma for whites of eyes and teeth, which change less than skin.
WHITE_POWER: Final = 0.7
#: Range of the gamma of whites.
WHITE_RANGE: Final = (0.6, 1.9)
#: Saturations below which a pixel is fully a white, and above which it is none.
WHITE_SATURATION: Final = (0.2, 0.35)
#: Shares of the skin's luminance below which a pixel is fully hair, and above which it is none.
HAIR_LUMINANCE: Final = (0.35, 0.6)
#: Exponents on the ratio of the skins' L*, factors of the lips' contrast in L*, a* and b*.
CONTRAST_POWER: Final = (1.0, 0.5, 0.5)
#: Floor of the ratio of the skins' L*.
CONTRAST_LEAST: Final = 0.4
#: Shares of the lips' contrast in L*, a* and b* taken from the target.
CONTRAST_GIVEN: Final = (0.3, 0.5, 0.5)
#: The same for a grey source, which has no chroma of its own.
CONTRAST_GREY: Final = (0.3, 1.0, 1.0)
#: Relative fall of the skin's L* from which the lips' own tone counts fully: on equally light skin,
#: the skin's tone serves.
LIPS_FALL: Final = 0.2


@dataclass(frozen=True)
class Part:
    """A part of the face with a tone of its own.

    Attributes:
        mask: (S, S) float32 in [0, 1], over the aligned crop.
        table: (1, 256, 3) uint8 look-up table for its tone.
        shown: (256,) float32 in [0, 1], weight of the mask by luminance or saturation.
        saturation: whether `shown` is by saturation (HSV, in [0, 255]).
    """

    mask: FloatArray
    table: Photo
    shown: FloatArray | None = None
    saturation: bool = False

    def tone(self, image: Photo, toned: Photo, frame: Frame) -> None:
        """Blends this part of an image, in its tone, over the image in the skin's tone.

        Args:
            image: (h, w, 3) RGB uint8.
            toned: (h, w, 3) RGB uint8, changed in place.
            frame: pixels of both images over the aligned crop.
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
    """Computes the parts whose tone differs from the skin's.

    One gamma per channel from light to dark skin also makes whites of eyes and teeth brown, colours
    brows, and blackens lips, which are darker than skin. Whites and hairs get one gamma for all
    channels, and the lips keep their contrast with the skin (CIELAB) by a gain. Towards lighter
    skin the skin's gamma suits lips. A monochrome source has no colours to keep: its hairs and
    whites take the skin's gamma, and its lips the chroma of the target's.

    Args:
        source, target: (S, S, 3) RGB uint8, aligned.
        skin: (S, S) float32 in [0, 1], likely skin.
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
    """Makes parts of hairs and whites for a change of the skin's luminance, both in [0, 255]."""
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
    """Makes the lips' table for a change of the skin's tone from `old` to `new`, both (3,)."""
    own, theirs = skin_tone(source, lips), skin_tone(target, lips)
    ratio = max(lab(new)[0] / max(lab(old)[0], 1.0), CONTRAST_LEAST)
    contrast = (lab(own) - lab(old)) * ratio ** np.array(CONTRAST_POWER)
    given = np.array(CONTRAST_GREY if grey else CONTRAST_GIVEN)
    contrast += given * (lab(theirs) - lab(new) - contrast)
    return gain_curve(own, from_lab(lab(new) + contrast))


def _window(mask: FloatArray, frame: Frame) -> tuple[tuple[slice, slice], Frame] | None:
    """Returns rows and columns of a frame under a mask (S, S), and their frame, or None."""
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
    """Falls linearly from 1 at the lower limit to 0 at the upper."""
    return np.clip((limits[1] - values) / (limits[1] - limits[0]), 0, 1).astype(np.float32)


def _saturation(image: Photo) -> Photo:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1], np.uint8)
