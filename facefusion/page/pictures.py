"""Pictures inside the page's HTML, never written to disk: faces, tiers and steps."""

from __future__ import annotations

import base64
import io
from typing import Final

import cv2
import numpy as np
from PIL import Image

from facefusion.geometry.align import (
    crop_photo,
    invert,
    rescale_transform,
    transform_points,
)
from facefusion.images.marking import marked
from facefusion.types import FusedFace, FusionResult, Mask, Photo

#: Side of a step's picture, in pixels.
TILE: Final = 288
#: Side of a tier's picture, in pixels.
LARGE_TILE: Final = 480
#: Colour of lines drawn into a picture, RGB, visible on every skin tone.
INK: Final = (80, 230, 255)
#: Opacity of what is tinted in it.
INK_OPACITY: Final = 0.6


def data_uri(image: Photo, quality: int = 85) -> str:
    """Encodes (H, W, 3) RGB uint8 as a JPEG data URI."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _view(face: FusedFace, size: int) -> np.ndarray:
    """Returns the affine matrix (2, 3) from photo pixels to pixels of a tile of `size`."""
    return rescale_transform(invert(face.to_photo), size / face.warped.shape[0])


def tile(image: Photo, face: FusedFace, text: str, size: int = LARGE_TILE) -> Photo:
    """Crops a new face out of a result or draft, (size, size, 3), with the mark `text`."""
    return marked(np.ascontiguousarray(crop_photo(image, _view(face, size), size)), text)


def steps(target: Photo, result: FusionResult, image: Photo, text: str) -> dict[str, Photo]:
    """Draws the first face after each stage, (TILE, TILE, 3) RGB uint8, marked if AI-made.

    Args:
        target: (H, W, 3) RGB uint8.
        result: made of it.
        image: the result's, rendered.
        text: of the mark.
    """
    face = result.faces[0]
    to_tile = _view(face, TILE)
    before = np.ascontiguousarray(crop_photo(target, to_tile, TILE))
    found, measured = before.copy(), before.copy()
    box = face.target.detection.box
    corners = np.array(
        [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]], np.float32
    )
    cv2.polylines(
        found,
        [np.round(transform_points(corners, to_tile)).astype(np.int32)],
        True,
        INK,
        2,
        cv2.LINE_AA,
    )
    for x, y in transform_points(face.target.detection.points, to_tile):
        cv2.circle(found, (round(float(x)), round(float(y))), 4, INK, -1, cv2.LINE_AA)
    for x, y in transform_points(face.target.mesh[:, :2], to_tile):
        cv2.circle(measured, (round(float(x)), round(float(y))), 1, INK, -1, cv2.LINE_AA)
    mask = np.asarray(crop_photo(result.mask, to_tile, TILE))
    source, target_covered = face.covered
    return {
        "found": found,
        "mesh": measured,
        "source_covered": _inked(_tile_of(face.source_crop), source),
        "target_covered": _inked(before, target_covered),
        "warped": _tile_of(face.warped),
        "coarse": tile(result.coarse, face, text, TILE),
        "mask": np.repeat((255 * mask[..., None]).astype(np.uint8), 3, axis=2),
        "refined": marked(_tile_of(face.fused), text),
        "blended": tile(image, face, text, TILE),
    }


def _inked(image: Photo, mask: Mask) -> Photo:
    """Tints a tile (TILE, TILE, 3) where a mask (S, S) in [0, 1] covers it."""
    opacity = INK_OPACITY * cv2.resize(mask, (TILE, TILE), interpolation=cv2.INTER_LINEAR)
    ink = np.full_like(image, INK)
    return np.asarray(cv2.blendLinear(ink, image, opacity, 1 - opacity), np.uint8)


def _tile_of(image: Photo) -> Photo:
    return np.asarray(cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA), np.uint8)
