"""Draws fused pairs as a picture: source, target, coarse, refined, a row each.

`python -m benchmarks.sheet examples/pairs.csv --out docs/examples.jpg --rows 3`
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np

from facefusion import FusionPipeline
from facefusion.images.reading import read_photo


def tile(image: np.ndarray, side: int) -> np.ndarray:
    """The image, shrunk and padded to a white square."""
    scale = side / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (side - small.shape[0]) // 2, (side - small.shape[1]) // 2
    square = np.full((side, side, 3), 255, np.uint8)
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square


def main() -> None:
    """Fuses the pairs and writes the sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "pairs", type=Path, help="CSV with columns source, target, relative to its folder"
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
    args = parser.parse_args()
    pipeline, root = FusionPipeline.from_pretrained(), args.root or args.pairs.parent
    with args.pairs.open(newline="") as handle:
        pairs = list(csv.DictReader(handle))[args.first : args.first + args.rows]
    rows = []
    for pair in pairs:
        source, target = (
            read_photo(root / pair["source"], "source"),
            read_photo(root / pair["target"], "target"),
        )
        result = pipeline(source, target, tier=args.tier)
        rows.append(
            np.concatenate(
                [tile(i, args.side) for i in (source, target, result.coarse, result.image)], axis=1
            )
        )
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % args.columns)
    height = len(rows) // args.columns
    columns = [
        np.concatenate(rows[c * height : (c + 1) * height], axis=0) for c in range(args.columns)
    ]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(
        str(args.out), np.concatenate(columns, axis=1)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90]
    )


if __name__ == "__main__":
    main()
