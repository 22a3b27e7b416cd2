"""What glasses a face wears: the target's stay on the fused face, the source's stay behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np

from facefusion.compose.inpaint import Patch, inpainted
from facefusion.geometry.align import FUSION_FACE_SHARE, crop_photo, mesh_crop_transform
from facefusion.perception.inputs import centred
from facefusion.runtime import make_session
from facefusion.types import FloatArray, Photo

#: Side of the aligned crop, and the rows and columns of it that the network sees: the eyes and what
#: is around them.
CROP_SIZE: Final = 192
ROWS: Final = slice(48, 136)
COLUMNS: Final = slice(24, 168)
#: Share of those pixels from which on a frame is believed in: fewer are lashes and wrinkles.
LEAST_SHARE: Final = 0.008
#: Opacity of glass below which the eyes can be seen, and from which on they are hidden.
CLEAR, DARK = 0.35, 0.65
#: A frame's opacity is spread by this many pixels and raised, so that no rim is left half.
_RIM, _WIDER = 0.7, 1.8
#: Share of the crop that dark glass takes at least, and by how many pixels its shadow is wider.
_LEAST_DARK: Final = 0.012
_AROUND: Final = 9


@dataclass(frozen=True)
class Spectacles:
    """Glasses on a face.

    Attributes:
        frame: (192, 192) float32 in [0, 1], opacity of the frame in the face's aligned crop.
        dark: (192, 192) float32 in [0, 1], where glass hides the eyes.
    """

    frame: FloatArray
    dark: FloatArray

    @classmethod
    def from_opacity(cls, frame: FloatArray, glass: FloatArray) -> Self:
        """From the opacity of frame and glass, (192, 192) each."""
        return cls(frame, np.asarray(np.clip((glass - CLEAR) / (DARK - CLEAR), 0, 1), np.float32))

    @property
    def covered(self) -> FloatArray:
        """(192, 192) float32 in [0, 1]: where they hide the face, with the rim of a frame that is
        half a pixel wide.
        """
        frame = np.minimum(_WIDER * cv2.GaussianBlur(self.frame, (0, 0), _RIM), 1)
        return np.asarray(np.maximum(frame, self.dark), np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes of both maps."""
        return self.frame.nbytes + self.dark.nbytes

    @property
    def hides_eyes(self) -> bool:
        """Whether these are sunglasses: nobody can say what is behind them."""
        return float(self.dark.mean()) > _LEAST_DARK

    @property
    def hidden(self) -> FloatArray | None:
        """(192, 192) float32 in [0, 1]: the eyes behind dark glass and what is around them, None
        behind clear glass.
        """
        if not self.hides_eyes:
            return None
        around = cv2.dilate(
            self.covered, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_AROUND, _AROUND))
        )
        return np.asarray(cv2.GaussianBlur(around, (0, 0), 2.0), np.float32)

    def patch(self, crop: Photo) -> Patch | None:
        """Skin from around the frame, to be laid over it; None for sunglasses: there is nothing
        behind them.

        Args:
            crop: (S, S, 3) RGB uint8, the face's aligned crop at any side.
        """
        if self.hides_eyes:
            return None
        hole = cv2.dilate((self.frame > 0.25).astype(np.uint8), np.ones((3, 3), np.uint8))
        return inpainted(crop, hole, 3, 0.7)

    def taken_off(self, crop: Photo) -> Photo:
        """The face without the frame, skin from around it in its place. Sunglasses stay.

        Args:
            crop: (S, S, 3) RGB uint8, the face's aligned crop at any side.
        """
        patch = self.patch(crop)
        return crop if patch is None else patch.onto(crop)


def as_spectacles(opacity: FloatArray) -> Spectacles | None:
    """What the network's answer means.

    Args:
        opacity: (2, ROWS, COLUMNS) in [0, 1], of frame and glass.

    Returns:
        The glasses, or None where there are none.
    """
    if max(float((part > 0.5).mean()) for part in opacity) < LEAST_SHARE:
        return None
    whole = np.zeros((2, CROP_SIZE, CROP_SIZE), np.float32)
    whole[:, ROWS, COLUMNS] = opacity
    return Spectacles.from_opacity(*whole)


class SpectaclesFinder:
    """Finds the glasses on a face.

    Args:
        path: ONNX file, (1, 3, 88, 144) RGB in [-1, 1] -> (1, 2, 88, 144) opacity of frame and
            glass.
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._session = make_session(path, threads)

    def __call__(self, photo: Photo, mesh: FloatArray) -> Spectacles | None:
        """The glasses on the face with this mesh (468, 3) in `photo` (H, W, 3) RGB uint8, or None."""
        crop = crop_photo(
            photo, mesh_crop_transform(mesh, FUSION_FACE_SHARE, CROP_SIZE), CROP_SIZE
        )[ROWS, COLUMNS]
        return as_spectacles(self._session.run(None, {"eyes": centred(crop[None])})[0][0])
