"""Finds glasses on a face, and removes their frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import cv2
import numpy as np

from facefusion.geometry.ramps import ramp
from facefusion.images.inpaint import Patch, inpainted
from facefusion.types import FloatArray, Mask, Photo

#: Side in pixels of the aligned crop.
CROP_SIZE: Final = 192
#: Rows of the crop that the network sees, around the eyes.
ROWS: Final = slice(48, 136)
#: Columns of the crop that the network sees.
COLUMNS: Final = slice(24, 168)
#: Least share of those pixels that glasses take: less are lashes and wrinkles.
LEAST_SHARE: Final = 0.008
#: Opacity of a frame at which a doubtful rim is seen, and radii of the ring around an eye where it is
#: looked for, in eye distances.
DOUBTFUL: Final = 0.2
RING: Final = (0.2, 0.62)
#: Parts in which a ring is divided, and the least number of parts of both rings that show a rim.
RING_PARTS: Final = 8
LEAST_PARTS: Final = 11
#: Opacities above which a certain frame and a doubtful one are inpainted.
HOLE, DOUBTFUL_HOLE = 0.25, 0.15
#: Opacities of glass below which the eyes are visible, and above which they are hidden.
CLEAR, DARK = 0.35, 0.65
#: Standard deviation in pixels and gain of a frame's widened opacity, which covers the whole rim.
_RIM_SIGMA, _RIM_GAIN = 0.7, 1.8
#: Mean opacity of glass within `LENS` eye distances of the eyes from which on it may hide them: it is
#: tinted or mirrors, where clear glass has less than 0.04.
DOUBTFUL_GLASS, LENS = 0.045, 0.35
#: Least share of the crop that the dark glass of sunglasses takes.
_LEAST_DARK: Final = 0.012
#: Diameter in pixels of the dilation that covers the shadow of dark glass.
_SHADOW_SIZE: Final = 9


@dataclass(frozen=True)
class Spectacles:
    """Glasses on a face.

    Attributes:
        frame: (192, 192) float32 in [0, 1], opacity of the frame in the face's aligned crop.
        dark: (192, 192) float32 in [0, 1], where glass hides the eyes.
        lenses: (192, 192) float32 in [0, 1], both lenses where tints or reflections may hide the
            eyes, or None for clear glass.
        thin: whether the frame is doubtful nearly everywhere, as thin rims are.
    """

    frame: Mask
    dark: Mask
    lenses: Mask | None = None
    thin: bool = False

    @classmethod
    def from_opacity(cls, frame: Mask, glass: Mask) -> Self:
        """Makes glasses from the opacity of frame and glass, (192, 192) float32 each."""
        return cls(frame, np.asarray(ramp(glass, CLEAR, DARK), np.float32))

    @classmethod
    def found(cls, frame: Mask, glass: Mask, eyes: FloatArray | None = None) -> Self | None:
        """Makes glasses from probabilities.

        Thin rims are doubtful to the networks, but they surround both eyes, as lashes, wrinkles and
        shadows do not. So is tinted glass, but it lies all around the eyes.

        Args:
            frame, glass: (192, 192) float32 in [0, 1].
            eyes: (2, 2) centres of the eyes in the same pixels, to look for thin rims and tinted
                glass as well.

        Returns:
            The glasses, or None if there are too few certain pixels and no rims.
        """
        least = LEAST_SHARE * (ROWS.stop - ROWS.start) * (COLUMNS.stop - COLUMNS.start)
        certain = max(float((part > 0.5).sum()) for part in (frame, glass)) >= least
        found = cls.from_opacity(frame, glass)
        if eyes is None:
            return found if certain else None
        if not certain and ((frame > DOUBTFUL).sum() < 2 * least or not _surrounds(frame, eyes)):
            return None
        return replace(found, lenses=_doubtful_lenses(frame, glass, eyes), thin=not certain)

    @property
    def covered(self) -> Mask:
        """Where the glasses hide the face, with thin rims: (192, 192) float32 in [0, 1]."""
        frame = np.minimum(_RIM_GAIN * cv2.GaussianBlur(self.frame, (0, 0), _RIM_SIGMA), 1)
        return np.asarray(np.maximum(frame, self.dark), np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes of all maps."""
        lenses = 0 if self.lenses is None else self.lenses.nbytes
        return self.frame.nbytes + self.dark.nbytes + lenses

    @property
    def hides_eyes(self) -> bool:
        """Whether the glasses are sunglasses, which hide the eyes."""
        return float(self.dark.mean()) > _LEAST_DARK

    @property
    def may_hide_eyes(self) -> bool:
        """Whether they are sunglasses, or tints or reflections may hide the eyes."""
        return self.hides_eyes or self.lenses is not None

    @property
    def hidden(self) -> Mask | None:
        """Dark or tinted glass and its surround, (192, 192) float32 in [0, 1], or None for clear glass."""
        if not self.may_hide_eyes:
            return None
        glass = self.covered if self.lenses is None else np.maximum(self.covered, self.lenses)
        around = cv2.dilate(
            glass, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_SHADOW_SIZE, _SHADOW_SIZE))
        )
        return np.asarray(cv2.GaussianBlur(around, (0, 0), 2.0), np.float32)

    def patch(self, crop: Photo) -> Patch | None:
        """Inpaints the frame with skin from around it; None for sunglasses, which hide the eyes.

        Args:
            crop: (S, S, 3) RGB uint8, the face's aligned crop at any side.
        """
        if self.hides_eyes:
            return None
        opacity = DOUBTFUL_HOLE if self.thin else HOLE
        hole = cv2.dilate((self.frame > opacity).astype(np.uint8), np.ones((3, 3), np.uint8))
        return inpainted(crop, hole, 3, 0.7)

    def without_frame(self, crop: Photo) -> Photo:
        """Replaces the frame by skin from around it; sunglasses stay.

        Args:
            crop: (S, S, 3) RGB uint8, the face's aligned crop at any side.
        """
        patch = self.patch(crop)
        return crop if patch is None else patch.onto(crop)


def _surrounds(frame: Mask, eyes: FloatArray) -> bool:
    """Returns whether a frame (192, 192) is seen in most directions from both eyes (2, 2)."""
    y, x = np.nonzero(frame > DOUBTFUL)
    distance = float(np.hypot(*(eyes[1] - eyes[0])))
    parts = 0
    for across, down in eyes:
        near, far = (np.hypot(x - across, y - down) / distance > limit for limit in RING)
        turn = np.arctan2(y - down, x - across)[near & ~far] / (2 * np.pi) + 0.5
        parts += len(np.unique(np.floor(turn * RING_PARTS) % RING_PARTS))
    return parts >= LEAST_PARTS


def _doubtful_lenses(frame: Mask, glass: Mask, eyes: FloatArray) -> Mask | None:
    """Returns both lenses if tints or reflections may hide the eyes, or None.

    Args:
        frame, glass: (192, 192) float32 in [0, 1].
        eyes: (2, 2) centres of the eyes.

    Returns:
        (192, 192) float32, 0 or 1: around each eye, to the outer edge of the frame's rim.
    """
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    reach = float(np.hypot(*(eyes[1] - eyes[0])))
    distances = [np.hypot(x - across, y - down) / reach for across, down in eyes]
    near = np.minimum(*distances) < LENS
    if not near.any() or glass[near].mean() < DOUBTFUL_GLASS:
        return None
    lenses = np.zeros(frame.shape, np.uint8)
    for distance in distances:
        rim = (frame > HOLE) & (distance < RING[1])
        points = cv2.findNonZero((rim | (distance < LENS)).astype(np.uint8))
        if points is not None:
            cv2.fillConvexPoly(lenses, cv2.convexHull(points), 1)
    return lenses.astype(np.float32)


def as_spectacles(opacity: FloatArray) -> Spectacles | None:
    """Converts the network's answer to glasses.

    Args:
        opacity: (2, 88, 144) in [0, 1], opacity of frame and glass in `ROWS` and `COLUMNS`.

    Returns:
        The glasses, or None if there are none.
    """
    maps = np.zeros((2, CROP_SIZE, CROP_SIZE), np.float32)
    maps[:, ROWS, COLUMNS] = opacity
    return Spectacles.found(*maps)
