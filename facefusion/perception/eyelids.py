"""Whether the eyes are shut: a mesh, whose points are those of open eyes, does not tell."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.compose.mask import fill_points, grown
from facefusion.geometry.align import crop_photo
from facefusion.geometry.topology import LEFT_EYE, RIGHT_EYE
from facefusion.perception.inputs import centred
from facefusion.runtime import make_session
from facefusion.types import FloatArray, Photo

#: Height and width of an eye's crop, and how much of the width it takes from corner to corner.
HEIGHT, WIDTH = 32, 48
SHARE: Final = 0.6
#: Mesh points at the image-left and image-right corner of both eyes. The second eye is mirrored:
#: outer corners lie left.
CORNERS: Final = ((33, 133), (362, 263))
#: Pixels from corner to corner below which nothing can be told.
LEAST_WIDTH: Final = 10.0
#: Probabilities from which on an eye counts as shut, a little and wholly.
SHUT: Final = (0.5, 0.8)
#: Probability from which on an eye goes with the other: eyes are shut together, or one winks and
#: the other is wide open.
TOGETHER: Final = 0.25
#: Growth of the eye's outline to its lids, in x and y; the region's soft edge as a share of the
#: crop's side.
LIDS: Final = (0.25, 1.0)
EDGE: Final = 0.013


def eye_crops(photo: Photo, mesh: FloatArray) -> Photo:
    """Both eyes, (2, 32, 48, 3) RGB uint8, the image-right one mirrored.

    Args:
        photo: (H, W, 3) RGB uint8.
        mesh: (468, 2 or 3) of a face in its pixels.
    """
    crops = []
    for a, b in CORNERS:
        left, right = mesh[a, :2].astype(np.float64), mesh[b, :2].astype(np.float64)
        across = (right - left) / max(float(((right - left) ** 2).sum()), 1e-6) * SHARE * WIDTH
        linear = np.array([[across[0], across[1]], [-across[1], across[0]]])
        middle = np.array([WIDTH / 2, WIDTH / 2]) - linear @ (left + right) / 2
        square = crop_photo(photo, np.concatenate([linear, middle[:, None]], axis=1), WIDTH)
        crops.append(square[(WIDTH - HEIGHT) // 2 : (WIDTH + HEIGHT) // 2])
    return np.stack([crops[0], crops[1][:, ::-1]])


def lids(mesh: FloatArray, shut: FloatArray, size: int) -> FloatArray | None:
    """The lids of shut eyes and what is around them.

    Args:
        mesh: (468, 2 or 3) in pixels of a crop.
        shut: (2,) probabilities that the eyes are shut, the image-left one first.
        size: side of the crop.

    Returns:
        (size, size) float32 in [0, 1], or None where no eye is shut.
    """
    found = None
    for points, probability in zip((LEFT_EYE, RIGHT_EYE), shut, strict=True):
        t = float(np.clip((probability - SHUT[0]) / (SHUT[1] - SHUT[0]), 0, 1))
        if t == 0:
            continue
        mask = np.zeros((size, size), np.uint8)
        fill_points(mask, grown(mesh[list(points), :2], np.array(LIDS)), round(255 * t))
        found = mask if found is None else np.maximum(found, mask)
    if found is None:
        return None
    return np.asarray(
        cv2.GaussianBlur(found.astype(np.float32) / 255, (0, 0), EDGE * size), np.float32
    )


class EyelidsFinder:
    """Tells shut eyes from open ones.

    Args:
        path: ONNX file, (N, 3, 32, 48) RGB in [-1, 1] -> (N, 1) in [0, 1].
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._session = make_session(path, threads)

    def __call__(self, photo: Photo, mesh: FloatArray) -> FloatArray:
        """(2,) probabilities that the eyes of the face with this mesh (468, 3) in `photo` (H, W, 3)
        RGB uint8 are shut.

        The image-left eye comes first. Of an eye that is too small to be seen the answer is 0.
        """
        shut = self._session.run(None, {"eyes": centred(eye_crops(photo, mesh))})[0][:, 0]
        widths = np.array([np.hypot(*(mesh[b, :2] - mesh[a, :2])) for a, b in CORNERS])
        seen = np.where(widths >= LEAST_WIDTH, shut, 0).astype(np.float32)
        return np.where(seen >= TOGETHER, seen.max(), seen)
