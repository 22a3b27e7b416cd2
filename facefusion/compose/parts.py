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
from facefusion.geometry.ramps import ramp
from facefusion.geometry.windows import mask_corners, pixel_window
from facefusion.types import FloatArray, Mask, Photo

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
        weights: (256,) float32 in [0, 1], weight of the mask by luminance or saturation.
        saturation: whether `weights` is by saturation (HSV, in [0, 255]).
    """

    mask: Mask
    table: Photo
    weights: FloatArray | None = None
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
        place, within = window
        weight = np.clip(within.placed(self.mask, outside=0.0), 0, 1)
        part = np.ascontiguousarray(image[place])
        if self.weights is not None:
            levels = (
                _saturation(part) if self.saturation else cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
            )
            weight = weight * self.weights[levels]
        skin = np.ascontiguousarray(toned[place])
        toned[place] = cv2.blendLinear(cv2.LUT(part, self.table), skin, weight, 1 - weight)


def feature_parts(
    source: Photo,
    target: Photo,
    source_skin: FloatArray,
    target_skin: FloatArray,
    features: FeatureMasks,
) -> tuple[Part, ...]:
    """Computes the parts whose tone differs from the skin's.

    One gamma per channel from light to dark skin also makes whites of eyes and teeth brown, colours
    brows, and blackens lips, which are darker than skin. Whites and hairs get one gamma for all
    channels, and the lips keep their contrast with the skin (CIELAB) by a gain. Towards lighter
    skin the skin's gamma suits lips. A monochrome source has no colours to keep: its hairs and
    whites take the skin's gamma, and its lips the chroma of the target's.

    Args:
        source, target: (S, S, 3) RGB uint8, aligned.
        source_skin, target_skin: (3,) mean colours of their skin in [0, 255].
        features: masks of the same view.
    """
    grey, fall = (
        ColourCurve.of(source) is not None,
        1 - lab(target_skin)[0] / max(lab(source_skin)[0], 1.0),
    )
    parts = (
        ()
        if grey
        else _neutral_parts(float(source_skin @ LUMA), float(target_skin @ LUMA), features)
    )
    opacity = 1.0 if grey else float(np.clip(fall / LIPS_FALL, 0, 1))
    if opacity > 0 and (features.lips > 0.5).any():
        table = _lips_curve(source, target, features.lips, source_skin, target_skin, grey=grey)
        parts = (*parts, Part(opacity * features.lips, table))
    return parts


def _neutral_parts(
    source_level: float, target_level: float, features: FeatureMasks
) -> tuple[Part, ...]:
    """Makes parts of hairs and whites for a change of the skin's luminance, both in [0, 255]."""
    source, target = (float(np.clip(level, 5, 250)) for level in (source_level, target_level))
    gamma = np.log(target / 255) / np.log(source / 255)
    levels = np.arange(256)
    hairs = scaled_curve(np.full(3, source, np.float32), np.full(3, target, np.float32))
    whites = neutral_curve(float(np.clip(gamma**WHITE_POWER, *WHITE_RANGE)))
    return (
        Part(features.hairs, hairs, _falling_weights(levels / source, HAIR_LUMINANCE)),
        Part(
            features.whites,
            whites,
            _falling_weights(levels / 255, WHITE_SATURATION),
            saturation=True,
        ),
    )


def _lips_curve(
    source: Photo,
    target: Photo,
    lips: Mask,
    source_skin: FloatArray,
    target_skin: FloatArray,
    *,
    grey: bool,
) -> Photo:
    """Makes the lips' table for a change of the skin's tone from `source_skin` to `target_skin`, both (3,)."""
    source_lips, target_lips = skin_tone(source, lips), skin_tone(target, lips)
    ratio = max(lab(target_skin)[0] / max(lab(source_skin)[0], 1.0), CONTRAST_LEAST)
    contrast = (lab(source_lips) - lab(source_skin)) * ratio ** np.array(CONTRAST_POWER)
    shares = np.array(CONTRAST_GREY if grey else CONTRAST_GIVEN)
    contrast += shares * (lab(target_lips) - lab(target_skin) - contrast)
    return gain_curve(source_lips, from_lab(lab(target_skin) + contrast))


def _window(mask: Mask, frame: Frame) -> tuple[tuple[slice, slice], Frame] | None:
    """Returns rows and columns of a frame under a mask (S, S), and their frame, or None."""
    box = mask_corners(mask)
    if box is None:
        return None
    corners = transform_points(box, frame.from_crop(mask.shape[0]))
    window = pixel_window(corners, frame.size, after=1)
    if window is None:
        return None
    left, top, right, bottom = window
    moved = frame.matrix.copy()
    moved[:, 2] -= (left, top)
    return np.s_[top:bottom, left:right], Frame(moved, right - left, bottom - top)


def _falling_weights(values: np.ndarray, limits: tuple[float, float]) -> FloatArray:
    """Returns weights that fall from 1 at the lower limit to 0 at the upper."""
    return ramp(values, limits[1], limits[0]).astype(np.float32)


def _saturation(image: Photo) -> Photo:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1], np.uint8)
