"""Draws the letters of the mark without system fonts, which servers often lack.

Latin letters come from Pillow's embedded font (Aileron, CC0). The strokes of the two Chinese
characters were made by the authors of this project, under its licence.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facefusion.types import Photo

#: In two lines, each letter is as large as in one, and the plate is half as wide.
ENGLISH: Final = "Made\nby AI"
#: In one line, with the words that the Chinese labelling standard GB 45438-2025 asks for.
CHINESE: Final = "AI生成"
#: Distance between two lines in heights of a capital letter.
LEADING: Final = 0.38
#: Factor of oversampling, which smooths the edges of the strokes.
FINE: Final = 4
#: Width of a stroke of a Chinese character in character sides.
STROKE: Final = 0.095
#: The strokes of a character as lines through points in a unit square, x to the right and y down.
STROKES: Final[dict[str, tuple[tuple[tuple[float, float], ...], ...]]] = {
    "生": (
        ((0.27, 0.06), (0.22, 0.22), (0.08, 0.42)),
        ((0.20, 0.28), (0.88, 0.28)),
        ((0.53, 0.04), (0.53, 0.94)),
        ((0.18, 0.60), (0.86, 0.60)),
        ((0.04, 0.94), (0.96, 0.94)),
    ),
    "成": (
        ((0.16, 0.26), (0.94, 0.26)),
        ((0.16, 0.26), (0.16, 0.56), (0.12, 0.76), (0.04, 0.95)),
        ((0.16, 0.50), (0.44, 0.50), (0.42, 0.72), (0.38, 0.80), (0.28, 0.76)),
        (
            (0.56, 0.05),
            (0.58, 0.34),
            (0.66, 0.64),
            (0.78, 0.86),
            (0.88, 0.94),
            (0.94, 0.90),
            (0.95, 0.72),
        ),
        ((0.86, 0.42), (0.74, 0.66), (0.56, 0.84), (0.44, 0.93)),
        ((0.72, 0.06), (0.84, 0.17)),
    ),
}


@lru_cache(maxsize=32)
def lettering(text: str, height: int) -> Photo:
    """Draws a text whose capital letters are `height` pixels high.

    Args:
        text: Latin letters, and the characters of `STROKES`, in one or several lines.
        height: height of a capital letter and of a Chinese character, in pixels.

    Returns:
        (H, W) uint8, 255 for ink; a line is higher than `height` if letters reach below it.
    """
    lines = [_line(line, height) for line in text.split("\n")]
    width = max(line.shape[1] for line in lines)
    gap = np.zeros((round(LEADING * height), width), np.uint8)
    rows = [row for line in lines for row in (gap, _centred(line, width))]
    result = np.concatenate(rows[1:])
    result.setflags(write=False)
    return result


def _centred(line: Photo, width: int) -> Photo:
    left = (width - line.shape[1]) // 2
    return np.pad(line, ((0, 0), (left, width - line.shape[1] - left)))


def _line(text: str, height: int) -> Photo:
    side = 2 * FINE * max(height, 8)  # approximate: the ink is cropped and scaled below
    font = ImageFont.load_default(side)
    canvas = Image.new("L", (side * (len(text) + 2), 2 * side), 0)
    pen, x = ImageDraw.Draw(canvas), float(side) / 2
    # The cap height of the Latin letters is the side of the Chinese characters.
    top, bottom = pen.textbbox((0, 0), "A", font=font)[1::2]
    for letter in text:
        strokes = STROKES.get(letter)
        if strokes is None:
            pen.text((x, side / 4), letter, fill=255, font=font)
            x += pen.textlength(letter, font=font)
            continue
        square = 1.18 * (bottom - top)
        for stroke in strokes:
            points = [
                (x + square * px, side / 4 + top - 0.09 * square + square * py) for px, py in stroke
            ]
            pen.line(points, fill=255, width=round(STROKE * square), joint="curve")
            radius = STROKE * square / 2
            for px, py in (points[0], points[-1]):
                pen.ellipse((px - radius, py - radius, px + radius, py + radius), fill=255)
        x += 1.12 * square
    ink = canvas.crop(canvas.getbbox())
    scale = height / (bottom - top)
    drawn = ink.resize(
        (max(1, round(ink.width * scale)), max(1, round(ink.height * scale))), Image.Resampling.BOX
    )
    return np.asarray(drawn, np.uint8)
