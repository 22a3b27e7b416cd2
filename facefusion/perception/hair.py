"""Where hair, a hat or a scarf lies over a face: the target's stays, the source's does not travel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.align import FUSION_FACE_SHARE, crop_photo, mesh_crop_transform
from facefusion.perception.inputs import centred
from facefusion.runtime import make_session
from facefusion.types import FloatArray, Photo

#: Side of the aligned crop, and the rows of it that the network sees: from above the forehead to
#: the mouth.
CROP_SIZE: Final = 96
ROWS: Final = slice(0, 64)
#: Rows over which what was found fades out between nose and mouth: below, a beard is the face's
#: own.
FADE: Final = (50, 62)
#: What is found is widened by this many pixels, and its edge is as soft as this standard deviation.
_WIDER: Final = 3
_EDGE: Final = 1.0


def as_hair(opacity: FloatArray) -> FloatArray:
    """The network's answer, (64, 96) in [0, 1], in the whole crop: (96, 96) float32, with a soft
    edge.
    """
    whole = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    fading = np.clip((FADE[1] - np.arange(CROP_SIZE)[ROWS]) / (FADE[1] - FADE[0]), 0, 1)
    whole[ROWS] = opacity * fading[:, None]
    wider = cv2.dilate(whole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_WIDER, _WIDER)))
    return np.asarray(cv2.GaussianBlur(wider, (0, 0), _EDGE), np.float32)


class HairFinder:
    """Finds what lies over the upper part of a face.

    Args:
        path: ONNX file, (1, 3, 64, 96) RGB in [-1, 1] -> (1, 1, 64, 96) in [0, 1].
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._session = make_session(path, threads)

    def __call__(self, photo: Photo, mesh: FloatArray) -> FloatArray:
        """Where hair or a hat lies over the face with this mesh.

        Args:
            photo: (H, W, 3) RGB uint8.
            mesh: (468, 3) in its pixels.

        Returns:
            (96, 96) float32 in [0, 1], in the face's aligned crop.
        """
        crop = crop_photo(
            photo, mesh_crop_transform(mesh, FUSION_FACE_SHARE, CROP_SIZE), CROP_SIZE
        )[ROWS]
        return as_hair(self._session.run(None, {"head": centred(crop[None])})[0][0, 0])
