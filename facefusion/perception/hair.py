"""Finds hair, hats and scarves over a face."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.engines.sessions import make_session
from facefusion.geometry.align import FUSION_FACE_SHARE, crop_photo, mesh_crop_transform
from facefusion.geometry.ramps import ramp
from facefusion.perception.inputs import centred
from facefusion.types import Mask, Mesh, Photo

#: Side in pixels of the aligned crop.
CROP_SIZE: Final = 96
#: Rows of the crop that the network sees, from above the forehead to the mouth.
ROWS: Final = slice(0, 64)
#: Rows between nose and mouth over which the answer fades out: a beard is no covering.
FADE: Final = (50, 62)
#: Diameter in pixels of the dilation of the answer.
_DILATION: Final = 3
#: Standard deviation in pixels of the answer's soft edge.
_EDGE: Final = 1.0


def as_hair(opacity: Mask) -> Mask:
    """Places the network's answer in the whole crop, widened and with a soft edge.

    Args:
        opacity: (64, 96) in [0, 1].

    Returns:
        (96, 96) float32 in [0, 1].
    """
    hair = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    fade = ramp(np.arange(CROP_SIZE)[ROWS], FADE[1], FADE[0])
    hair[ROWS] = opacity * fade[:, None]
    wider = cv2.dilate(hair, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_DILATION, _DILATION)))
    return np.asarray(cv2.GaussianBlur(wider, (0, 0), _EDGE), np.float32)


class HairFinder:
    """Network that finds coverings of the upper part of a face.

    Args:
        path: ONNX file, (1, 3, 64, 96) RGB in [-1, 1] -> (1, 1, 64, 96) in [0, 1].
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._session = make_session(path, threads)

    def __call__(self, photo: Photo, mesh: Mesh) -> Mask:
        """Finds hair and hats over the face with this mesh.

        Args:
            photo: (H, W, 3) RGB uint8.
            mesh: (468, 3) in the photo's pixels.

        Returns:
            (96, 96) float32 in [0, 1], in the face's aligned crop.
        """
        crop = crop_photo(
            photo, mesh_crop_transform(mesh, FUSION_FACE_SHARE, CROP_SIZE), CROP_SIZE
        )[ROWS]
        return as_hair(self._session.run(None, {"head": centred(crop[None])})[0][0, 0])
