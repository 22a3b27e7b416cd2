"""Draws the picture of link previews: a face, a photo, and the fused photo, with the page's name.

`python -m benchmarks.preview`
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facefusion import FusionPipeline
from facefusion.images.reading import read_photo
from facefusion.page.own_files import PREVIEW, PREVIEW_SIZE, icon_png
from facefusion.words import say

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"
GROUND: Final = (238, 242, 255)
INK: Final = (49, 46, 129)
#: Left edge, top edge and side in pixels of the three pictures.
FACE: Final = (60, 190, 185)
PHOTO: Final = (60, 395, 185)
RESULT: Final = (335, 190, 390)
#: Corner radius of the pictures in pixels.
RADIUS: Final = 18


def draw(source: np.ndarray, target: np.ndarray, result: np.ndarray) -> Image.Image:
    """Draws the preview from three square-cropped pictures."""
    sheet = Image.new("RGB", PREVIEW_SIZE, GROUND)
    for picture, place in ((source, FACE), (target, PHOTO), (result, RESULT)):
        _paste(sheet, picture, *place)
    pen = ImageDraw.Draw(sheet)
    middle = RESULT[1] + RESULT[2] // 2
    pen.line((262, middle, 308, middle), fill=INK, width=8)
    pen.polygon([(300, middle - 20), (326, middle), (300, middle + 20)], fill=INK)
    with Image.open(io.BytesIO(icon_png(192))) as icon:
        small = icon.resize((84, 84), Image.Resampling.LANCZOS)
    sheet.paste(small, (60, 62), small)
    pen.text((168, 58), say("title"), font=ImageFont.load_default(74), fill=INK)
    for i, line in enumerate(("Put a face", "into another", "photo,", "in your browser.")):
        pen.text((775, 225 + 62 * i), line, font=ImageFont.load_default(50), fill=INK)
    pen.text((775, 540), "Made by AI", font=ImageFont.load_default(30), fill=(99, 102, 141))
    return sheet


def _paste(sheet: Image.Image, picture: np.ndarray, left: int, top: int, side: int) -> None:
    image = Image.fromarray(picture)
    cut = min(image.size)
    x, y = (image.width - cut) // 2, (image.height - cut) // 4
    image = image.crop((x, y, x + cut, y + cut)).resize((side, side), Image.Resampling.LANCZOS)
    mask = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *mask.size), radius=4 * RADIUS, fill=255)
    sheet.paste(image, (left, top), mask.resize((side, side), Image.Resampling.LANCZOS))


def main() -> None:
    """Fuses an example and writes the preview."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, default=EXAMPLES / "portrait-4.jpg")
    parser.add_argument("--target", type=Path, default=EXAMPLES / "portrait-2.jpg")
    parser.add_argument("--out", type=Path, default=PREVIEW)
    args = parser.parse_args()
    source, target = read_photo(args.source, "source"), read_photo(args.target, "target")
    result = FusionPipeline.from_pretrained()(source, target, tier="best")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    draw(source, target, result.image).save(args.out, quality=86, optimize=True)


if __name__ == "__main__":
    main()
