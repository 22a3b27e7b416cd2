"""Marks pictures visibly as AI-generated, in a corner; `saving` does so in their metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from facefusion.decoding.decoded import over_white
from facefusion.images.lettering import ENGLISH, lettering
from facefusion.types import Photo

#: Height of a capital letter as a share of the photo's shorter side.
TEXT_SHARE: Final = 0.052
#: Least height of a capital letter in pixels that is legible.
LEAST_TEXT: Final = 8
#: Padding around the letters on their plate, in text heights.
PADDING: Final = 0.32
#: Margin between the plate and the photo's edge, in text heights.
MARGIN: Final = 0.4
#: Opacity of the black plate behind the letters.
PLATE: Final = 0.62


def marked(
    image: Photo, text: str = ENGLISH, *, faces: Iterable[np.ndarray] = (), in_place: bool = False
) -> Photo:
    """Writes "Made by AI" into the corner of a picture that hides the least of the faces.

    Args:
        image: (H, W, 3) RGB uint8, or (H, W, 4) with alpha, which the plate is opaque in.
        text: one of the texts of `lettering`.
        faces: (4,) boxes left, top, right, bottom in pixels that should stay visible.
        in_place: whether to write to the picture itself instead of a copy.

    Returns:
        The picture. The letters are at least 5 % of the shorter side high and their plate
        about a fifth of it wide; they are cut off in a picture narrower than the text.
    """
    plate, (top, left) = _plate(image.shape[:2], text, faces)
    window = slice(top, top + plate.shape[0]), slice(left, left + plate.shape[1])
    ink = plate[..., None].astype(np.float32) / 255
    result = image if in_place else image.copy()
    ground = image[window] if image.shape[2] == 3 else over_white(image[window])
    drawn = np.round(ground * (1 - PLATE) * (1 - ink) + 255 * ink).astype(np.uint8)
    result[window][..., :3] = drawn
    result[window][..., 3:] = 255
    return result


def mark_box(
    shape: tuple[int, int], text: str = ENGLISH, *, faces: Iterable[np.ndarray] = ()
) -> tuple[int, int, int, int]:
    """Returns where `marked` writes: left, top, right and bottom in pixels.

    Args:
        shape: height and width of the picture.
        text, faces: as for `marked`.
    """
    plate, (top, left) = _plate(shape, text, faces)
    return left, top, left + plate.shape[1], top + plate.shape[0]


def _plate(
    shape: tuple[int, int], text: str, faces: Iterable[np.ndarray]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Draws the letters on their plate, uint8, and chooses its top and left."""
    height, width = shape
    size = max(LEAST_TEXT, int(np.ceil(TEXT_SHARE * min(height, width))))
    letters = lettering(text, size)
    pad, margin = round(PADDING * size), round(MARGIN * size)
    plate = np.pad(letters, pad)[:height, :width]
    margin = max(0, min(margin, height - plate.shape[0], width - plate.shape[1]))
    return plate, _corner((height, width), plate.shape, margin, list(faces))


def _corner(
    photo: tuple[int, int], plate: tuple[int, ...], margin: int, faces: list[np.ndarray]
) -> tuple[int, int]:
    """Returns top and left of the plate in the corner that hides the least of the faces.

    Among equals the order is bottom right, bottom left, top right, top left.
    """
    low, right = photo[0] - plate[0] - margin, photo[1] - plate[1] - margin
    corners = [(low, right), (low, margin), (margin, right), (margin, margin)]

    def hidden(corner: tuple[int, int]) -> float:
        begin = np.array([corner[1], corner[0]], float)
        end = begin + [plate[1], plate[0]]
        return float(
            sum(
                np.clip(np.minimum(face[2:], end) - np.maximum(face[:2], begin), 0, None).prod()
                for face in faces
            )
        )

    return min(corners, key=hidden)
