"""Classifies eyes as open or shut, which the mesh, with points of open eyes, does not show."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.engines.sessions import make_session
from facefusion.geometry.align import crop_photo
from facefusion.geometry.mask import fill_points, grown
from facefusion.geometry.ramps import ramp
from facefusion.geometry.topology import LEFT_EYE, RIGHT_EYE
from facefusion.perception.inputs import centred
from facefusion.types import FloatArray, Mask, Mesh, Photo

#: Height and width in pixels of an eye's crop.
HEIGHT, WIDTH = 32, 48
#: Width of the eye from corner to corner, as a share of the crop's width.
EYE_SHARE: Final = 0.6
#: Mesh points of the image-left and image-right corners of both eyes; the crop of the second eye is
#: mirrored, so that outer corners lie left.
CORNERS: Final = ((33, 133), (362, 263))
#: Least width in pixels from corner to corner for an answer.
LEAST_WIDTH: Final = 10.0
#: Probabilities at which an eye begins to count as shut, and at which it counts fully.
SHUT: Final = (0.5, 0.8)
#: Probability above which an eye takes the larger one of both: eyes shut together, or one winks and
#: the other is wide open.
TOGETHER: Final = 0.25
#: Least mean of both probabilities, and least probability of each, at which both eyes count as nearly
#: shut. Of 531 faces this adds 5 to those with shut eyes: people who laugh, squint or look down.
#: A mean of 0.28 would add one whose eyes are only narrow.
NARROW_MEAN, NARROW_EACH = 0.31, 0.1
#: Growth of the eye's outline to its lids, in x and y.
LIDS: Final = (0.25, 1.0)
#: Standard deviation of the region's soft edge, as a share of the crop's side.
EDGE: Final = 0.013


def eye_crops(photo: Photo, mesh: Mesh) -> Photo:
    """Cuts out both eyes, the image-right one mirrored.

    Args:
        photo: (H, W, 3) RGB uint8.
        mesh: (468, 2 or 3) mesh of a face in the photo's pixels.

    Returns:
        (2, 32, 48, 3) RGB uint8.
    """
    crops = []
    for a, b in CORNERS:
        left, right = mesh[a, :2].astype(np.float64), mesh[b, :2].astype(np.float64)
        across = (right - left) / max(float(((right - left) ** 2).sum()), 1e-6) * EYE_SHARE * WIDTH
        linear = np.array([[across[0], across[1]], [-across[1], across[0]]])
        middle = np.array([WIDTH / 2, WIDTH / 2]) - linear @ (left + right) / 2
        square = crop_photo(photo, np.concatenate([linear, middle[:, None]], axis=1), WIDTH)
        crops.append(square[(WIDTH - HEIGHT) // 2 : (WIDTH + HEIGHT) // 2])
    return np.stack([crops[0], crops[1][:, ::-1]])


def lids(mesh: Mesh, shut: FloatArray, size: int) -> Mask | None:
    """Draws the region of shut eyes and their lids.

    Args:
        mesh: (468, 2 or 3) in pixels of a crop.
        shut: (2,) probabilities that the eyes are shut, the image-left one first.
        size: side of the crop.

    Returns:
        (size, size) float32 in [0, 1], or None if no eye is shut.
    """
    total = None
    for points, probability in zip((LEFT_EYE, RIGHT_EYE), shut, strict=True):
        opacity = float(ramp(probability, *SHUT))
        if opacity == 0:
            continue
        mask = np.zeros((size, size), np.uint8)
        fill_points(mask, grown(mesh[list(points), :2], np.array(LIDS)), round(255 * opacity))
        total = mask if total is None else np.maximum(total, mask)
    if total is None:
        return None
    return np.asarray(
        cv2.GaussianBlur(total.astype(np.float32) / 255, (0, 0), EDGE * size), np.float32
    )


def nearly_shut(shut: FloatArray) -> bool:
    """Returns whether eyes are too narrow to be warped open, by their probabilities (2,) to be shut."""
    return bool(shut.mean() >= NARROW_MEAN and shut.min() >= NARROW_EACH)


class EyelidsFinder:
    """Network that classifies eyes as open or shut.

    Args:
        path: ONNX file, (N, 3, 32, 48) RGB in [-1, 1] -> (N, 1) in [0, 1].
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._session = make_session(path, threads)

    def __call__(self, photo: Photo, mesh: Mesh) -> FloatArray:
        """Returns (2,) probabilities that the eyes are shut, the image-left one first.

        An eye that is too small has 0.

        Args:
            photo: (H, W, 3) RGB uint8.
            mesh: (468, 3) mesh of a face in the photo's pixels.
        """
        shut = self._session.run(None, {"eyes": centred(eye_crops(photo, mesh))})[0][:, 0]
        widths = np.array([np.hypot(*(mesh[b, :2] - mesh[a, :2])) for a, b in CORNERS])
        probabilities = np.where(widths >= LEAST_WIDTH, shut, 0).astype(np.float32)
        return np.where(probabilities >= TOGETHER, probabilities.max(), probabilities)
