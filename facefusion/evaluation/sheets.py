"""Draws contact sheets: rows of source, target, coarse and result, with a text line under each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facefusion.geometry.align import crop_photo, mesh_crop_transform
from facefusion.types import FloatArray, Photo

#: Side of a tile in pixels.
TILE: Final = 192
#: Share of the tile's side that the face takes.
FACE_SHARE: Final = 0.62
#: Height of a line of text, in pixels.
LINE: Final = 16
#: Font size in pixels.
TEXT_SIZE: Final = 13
#: Most characters of a line that fits under a row of four tiles.
CHARACTERS: Final = 116
QUALITY: Final = 88
#: Contents of a row's four tiles.
COLUMNS: Final = "source, target, coarse, result"


def whole(photo: Photo) -> Photo:
    """Shrinks a photo (H, W, 3) to a tile, padded to a white square."""
    scale = TILE / max(photo.shape[:2])
    width, height = (max(1, min(TILE, round(side * scale))) for side in photo.shape[1::-1])
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    top, left = (TILE - height) // 2, (TILE - width) // 2
    tile[top : top + height, left : left + width] = cv2.resize(
        photo, (width, height), interpolation=cv2.INTER_AREA
    )
    return tile


def close_up(photo: Photo, mesh: FloatArray) -> Photo:
    """Crops the upright face with this mesh (468, 2 or 3) in `photo` (H, W, 3) as a tile."""
    return np.asarray(
        crop_photo(photo, mesh_crop_transform(mesh, FACE_SHARE, TILE), TILE), np.uint8
    )


def tile_row(photos: Sequence[Photo | None], meshes: Sequence[FloatArray | None]) -> Photo:
    """Joins a row of four tiles (TILE, 4 TILE, 3), white for absent photos.

    Args:
        photos: source, target, coarse and result, (H, W, 3) RGB uint8; the later ones may be
            absent.
        meshes: of each photo's face, for a close-up; the whole photo is shown without it.
    """
    tiles = [np.full((TILE, TILE, 3), 255, np.uint8)] * 4
    for i, photo in enumerate(photos[:4]):
        mesh = meshes[i] if i < len(meshes) else None
        if photo is not None:
            tiles[i] = whole(photo) if mesh is None else close_up(photo, mesh)
    return np.concatenate(tiles, axis=1)


def sheet(rows: list[tuple[Photo, str]], columns: str = COLUMNS) -> Photo:
    """Stacks rows with their texts to (H, W, 3) RGB uint8, with `columns` as the heading."""
    parts = [_text(columns, rows[0][0].shape[1])]
    for row, caption in rows:
        parts += [row, _text(caption, row.shape[1])]
    return np.concatenate(parts, axis=0)


def _text(words: str, width: int) -> Photo:
    lines = textwrap.wrap(words, CHARACTERS) or [""]
    image = Image.new("RGB", (width, LINE * len(lines) + 6), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(TEXT_SIZE)
    for i, line in enumerate(lines):
        draw.text((4, 2 + LINE * i), line, fill="black", font=font)
    return np.asarray(image)


def write_sheet(path: Path, rows: list[tuple[Photo, str]], columns: str = COLUMNS) -> None:
    """Writes `sheet` as JPEG; at least one row is required."""
    Image.fromarray(sheet(rows, columns)).save(path, "JPEG", quality=QUALITY)
