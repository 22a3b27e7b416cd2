"""Samples a photo once, through a flow, at the resolution of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import cv2
import numpy as np

from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    face_size,
    invert,
    mesh_crop_transform,
    transform_points,
)
from facefusion.geometry.frames import Frame
from facefusion.geometry.windows import pixel_window, square_corners
from facefusion.types import Affine, FloatArray, Mesh, Photo

#: Photo pixels per result pixel, along a side, from which areas are averaged before sampling.
DENSE: Final = 1.25
#: Step in pixels to which shown face sizes are rounded up, so that a cached photo part can be
#: reused.
SIZE_STEP: Final = 64
#: Largest side in pixels of a photo that `cv2.remap` takes.
LARGEST: Final = (1 << 15) - 2
#: Border of the part beyond the aligned crop, as a share of the crop's side.
MARGIN: Final = 0.05


@dataclass(frozen=True)
class PhotoPart:
    """The part of a photo around a face, at about the pixel density of the result.

    Attributes:
        image: (h, w, 3) RGB uint8.
        to_part: (2, 3) pixels of the photo to pixels of `image`.
        kernel: OpenCV interpolation flag.
    """

    image: Photo
    to_part: Affine
    kernel: int = cv2.INTER_CUBIC

    @classmethod
    def around(cls, photo: Photo, mesh: Mesh, size: int) -> Self:
        """Cuts the part around a face, area-averaged where the result is smaller than the photo.

        Where it is not, the part is the whole photo, unless that is larger than `LARGEST`.

        Args:
            photo: (H, W, 3) RGB uint8.
            mesh: (468, 3) of the face in its pixels.
            size: longer side in pixels of the face in the result.
        """
        dense = shrinks(mesh, size)
        if not dense and max(photo.shape[:2]) <= LARGEST:
            return cls(photo, np.eye(2, 3))
        shrink = face_size(mesh) / size if dense else 1.0
        to_photo = invert(mesh_crop_transform(mesh, FUSION_FACE_SHARE, 1))
        corners = transform_points(square_corners(-MARGIN, 1 + MARGIN), to_photo)
        window = pixel_window(corners, (photo.shape[1], photo.shape[0]), after=1)
        if window is None:
            return cls(photo, np.eye(2, 3))
        left, top, right, bottom = window
        part = photo[top:bottom, left:right]
        width, height = (max(1, round((b - a) / shrink)) for a, b in ((left, right), (top, bottom)))
        x, y = width / (right - left), height / (bottom - top)
        image = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
        shift = [x * (0.5 - left) - 0.5, y * (0.5 - top) - 0.5]
        return cls(np.asarray(image, np.uint8), np.array([[x, 0, shift[0]], [0, y, shift[1]]]))

    def sampled(self, flow: FloatArray, frame: Frame) -> Photo:
        """Samples the photo through a flow.

        Args:
            flow: (S, S, 2) float32 over the target's aligned crop, x and y in the photo's pixels.
            frame: pixels to fill.

        Returns:
            (height, width, 3) RGB uint8.
        """
        # Three channels: OpenCV interpolates those exactly, two channels only in steps of 1/32.
        padded = np.zeros((*flow.shape[:2], 3), np.float32)
        padded[..., :2] = flow @ self.to_part[:, :2].T.astype(np.float32) + self.to_part[
            :, 2
        ].astype(np.float32)
        x, y, _ = cv2.split(frame.placed(padded))
        return remapped(self.image, x, y, self.kernel)


def remapped(image: Photo, x: Any, y: Any, kernel: int) -> Photo:
    """Samples `image` (H, W, 3) uint8 at x, y (h, w) float32 in its pixels, mirrored at borders."""
    return np.asarray(cv2.remap(image, x, y, kernel, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def shrinks(mesh: Mesh, size: int) -> bool:
    """Returns whether a face with this mesh (468, 3) is area-averaged to `size` pixels."""
    return face_size(mesh) / size > DENSE


def rounded_up(size: float) -> int:
    """Rounds the size of a face in pixels up to a multiple of `SIZE_STEP`."""
    return int(np.ceil(size / SIZE_STEP)) * SIZE_STEP


def crop_part(crop: Photo, to_crop: Affine) -> PhotoPart:
    """Places an aligned crop at its position in the photo, for bilinear sampling.

    Args:
        crop: (S, S, 3) RGB uint8.
        to_crop: (2, 3) pixels of the photo to pixels of the crop.
    """
    return PhotoPart(crop, to_crop, cv2.INTER_LINEAR)
