"""Draws fused pairs as a picture: source, target, draft and result, a row each.

The picture of the README:
`python -m benchmarks.sheet examples/ready/index.csv --out docs/examples.jpg --rows 4 --columns 2 --side 280 --no-draft`
"""

from __future__ import annotations

import csv
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

import cv2
import numpy as np

from facefusion import FusionPipeline
from facefusion.images.reading import read_photo

#: Pixels of white between rows and columns.
GAP = 8


def tile(image: np.ndarray, side: int) -> np.ndarray:
    """Shrinks an image and crops it around its centre to a square of this side in pixels."""
    scale = side / min(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (small.shape[0] - side) // 3, (small.shape[1] - side) // 2
    return small[top : top + side, left : left + side]


def fused_row(pipeline: FusionPipeline, source: Path, target: Path, args: Namespace) -> np.ndarray:
    """Fuses a pair, and joins source, target, draft and result."""
    photos = [read_photo(source, "source"), read_photo(target, "target")]
    result = pipeline(*photos, tier=args.tier)
    images = [*photos, *([] if args.no_draft else [result.coarse]), result.image]
    return np.concatenate([tile(image, args.side) for image in images], axis=1)


def columns_of(rows: list[np.ndarray], count: int) -> np.ndarray:
    """Arranges rows in columns of equal length, filled up with white and with white between them."""
    rows = [np.pad(row, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for row in rows]
    rows = rows + [np.full_like(rows[0], 255)] * (-len(rows) % count)
    length = len(rows) // count
    columns = [np.concatenate(rows[i * length : (i + 1) * length]) for i in range(count)]
    return np.concatenate(columns, axis=1)[:-GAP, :-GAP]


def arguments() -> Namespace:
    """Parses the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "pairs",
        type=Path,
        help="CSV with the columns source (or face) and target, relative to its folder",
    )
    parser.add_argument(
        "--root", type=Path, help="folder that the paths are relative to, if not the CSV's"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tier", default="best")
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--columns", type=int, default=1)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--no-draft", action="store_true", help="leave the drafts out")
    return parser.parse_args()


def main() -> None:
    """Fuses the pairs and writes the sheet."""
    args = arguments()
    pipeline = FusionPipeline.from_pretrained()
    root = args.root or args.pairs.parent
    with args.pairs.open(newline="") as file:
        listed = [
            (row.get("source") or row.get("face"), row["target"]) for row in csv.DictReader(file)
        ]
    pairs = [(source, target) for source, target in listed if source and target]
    pairs = pairs[args.first : args.first + args.rows]
    rows = [fused_row(pipeline, root / source, root / target, args) for source, target in pairs]
    sheet = columns_of(rows, args.columns)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.out), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
