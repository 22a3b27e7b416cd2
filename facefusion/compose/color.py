"""Matches the source's skin to the target's tone and light, before the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.compose.features import FeatureMasks
from facefusion.compose.parts import Part, feature_parts
from facefusion.compose.tone import LUMA, TONE_RANGE, scaled_curve, skin_tone, tone_curve
from facefusion.geometry.frames import Frame
from facefusion.geometry.ramps import ramp
from facefusion.types import FloatArray, Mask, Photo

#: Standard deviation of light, as a share of the crop's side: shading wider than half an eye.
LIGHT_SCALE: Final = 0.05
#: Reduction of the resolution at which light is computed: it has no detail.
LIGHT_SHRINK: Final = 4
#: Gammas from the source's skin to a lighter target's at which its gloss and shadows begin to show as
#: patches, and from which they do fully.
LIFTING_GAMMA: Final = (0.75, 0.5)
#: Range of the light's gains.
GAIN_RANGE: Final = (0.4, 2.5)
#: Weight of the face's mean against nearby skin: it decides where little skin is near.
_PRIOR: Final = 0.02
#: Grey levels added before division, against large gains in shadow.
_FLOOR: Final = 4.0


@dataclass(frozen=True)
class Relight:
    """A correction of tone and light, for the crop at any resolution.

    Attributes:
        table: (1, 256, 3) uint8 look-up table for the tone.
        gains: (s, s, 3) float32 gains for the light, over the crop.
        parts: parts with a tone of their own.
        lift: how far the target's skin is lighter than the source's, in [0, 1].
    """

    table: Photo
    gains: FloatArray
    parts: tuple[Part, ...] = ()
    lift: float = 0.0

    def __call__(self, image: Photo, frame: Frame | None = None) -> Photo:
        """Corrects an image (h, w, 3) RGB uint8 of the crop, or of the crop in `frame`."""
        frame = Frame.crop(image.shape[0]) if frame is None else frame
        toned = np.asarray(cv2.LUT(image, self.table), np.uint8)
        for part in self.parts:
            part.tone(image, toned, frame)
        return np.asarray(cv2.multiply(toned, frame.placed(self.gains), dtype=cv2.CV_8U), np.uint8)


def match_skin(source: Photo, target: Photo, skin: Mask) -> tuple[Photo, Photo]:
    """Corrects `source` (H, W, 3) to the skin tone of the aligned `target` (H, W, 3).

    Returns:
        The corrected source and the look-up table, for use at another resolution.
    """
    table = tone_curve(skin_tone(source, skin), skin_tone(target, skin))
    return np.asarray(cv2.LUT(source, table), np.uint8), table


def match_light(
    source: Photo, target: Photo, skin: Mask, features: FeatureMasks | None = None
) -> Relight:
    """Computes the correction of `source` to the tone and light of the aligned `target`.

    Tone first, then light (lit and shaded sides, coloured lamps): both faces are averaged over half
    an eye's width of skin, and the source's skin is multiplied by their ratio (Lambert's law: light
    multiplies). Finer shading is shape, and stays the source's.

    Args:
        source, target: (S, S, 3) RGB uint8, aligned.
        skin: (S, S) float32 in [0, 1], likely skin.
        features: masks of parts with a tone of their own (`feature_parts`). The skin's mean then
            also reaches the target's where a gamma alone does not. By default the whole crop
            takes the skin's tone.
    """
    tones = skin_tone(source, skin), skin_tone(target, skin)
    table = tone_curve(*tones) if features is None else scaled_curve(*tones)
    parts = () if features is None else feature_parts(source, target, *tones, features)
    toned = np.asarray(cv2.LUT(source, table), np.uint8)
    gains = np.clip(_light(target, skin) / _light(toned, skin), *GAIN_RANGE)
    return Relight(table, np.asarray(gains, np.float32), parts, _lift(*tones))


def _lift(source: FloatArray, target: FloatArray) -> float:
    """Returns `Relight.lift` for two skin tones (3,) in [0, 255]."""
    low, high = (np.clip(tone @ LUMA / 255, *TONE_RANGE) for tone in (source, target))
    return float(ramp(np.log(high) / np.log(low), *LIFTING_GAMMA))


def _light(image: Photo, skin: Mask) -> FloatArray:
    """Averages the skin of an image (S, S, 3) over half an eye's width, at a low resolution."""
    side = max(image.shape[0] // LIGHT_SHRINK, 1)
    sigma = LIGHT_SCALE * side
    weight = cv2.resize(skin, (side, side), interpolation=cv2.INTER_AREA)[..., None]
    mean_weight = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    tone = skin_tone(image, skin) + _FLOOR
    weighted = cv2.resize(image * skin[..., None], (side, side), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(weighted + _FLOOR * weight, (0, 0), sigma)
    return np.asarray((blurred + _PRIOR * tone) / (mean_weight + _PRIOR), np.float32)
