"""Cost against the photo's size and against the faces in it: `python -m benchmarks.scaling`.

The target is an enlarged portrait whose face fills a third of the photo's height, then a photo of
many such portraits. The cache is cleared between the runs, as if each photo were new.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion import FusionPipeline
from facefusion.cli.bench import photos
from facefusion.cli.measure import percentiles
from facefusion.machine.cpu import describe_machine
from facefusion.machine.process import own_process
from facefusion.tiers import TIERS, Tier

#: Megapixels of the photos, 4:3.
SIZES: Final = (0.3, 1, 2, 4, 8, 12, 24, 48)
#: Faces in a photo of 4 megapixels.
FACES: Final = (1, 2, 4, 9, 16)
#: Default number of runs.
RUNS: Final = 7


def enlarged(portrait: np.ndarray, megapixels: float) -> np.ndarray:
    """Makes a 4:3 photo of so many megapixels with the portrait in its middle, in front of grey."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    side = round(0.7 * height)
    photo = np.full((height, round(height * 4 / 3), 3), 127, np.uint8)
    top, left = (height - side) // 2, (photo.shape[1] - side) // 2
    photo[top : top + side, left : left + side] = cv2.resize(
        portrait, (side, side), interpolation=cv2.INTER_CUBIC
    )
    return photo


def crowd(portrait: np.ndarray, faces: int) -> np.ndarray:
    """Makes a square photo of 4 megapixels of so many portraits, the first one a little larger."""
    count = int(np.ceil(faces**0.5))
    cell = 2000 // count
    photo = np.full((2000, 2000, 3), 127, np.uint8)
    for i in range(faces):
        side = round(cell * (0.95 if i == 0 else 0.75))
        top, left = (i // count) * cell, (i % count) * cell
        photo[top : top + side, left : left + side] = cv2.resize(
            portrait, (side, side), interpolation=cv2.INTER_AREA
        )
    return photo


def timed(
    pipeline: FusionPipeline, source: np.ndarray, target: np.ndarray, tier: Tier, runs: int
) -> dict[str, float]:
    """Measures the milliseconds of a fusion of two photos that are not cached."""
    seconds = []
    for run in range(runs + 1):
        pipeline.cache.clear()
        begin = time.perf_counter()
        pipeline(source, target, tier=tier)
        if run:  # the first one warms up
            seconds.append(time.perf_counter() - begin)
    return percentiles(seconds)


def main() -> None:
    """Prints the table, and writes it if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--largest", type=float, default=max(SIZES), help="megapixels at the most")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    here = describe_machine()
    own_process()  # as the page and the command line do
    pipeline = FusionPipeline.from_pretrained()
    source, portrait = photos()[1][0]
    sizes = [size for size in SIZES if size <= args.largest]
    subjects = [(f"{size:g} MP", enlarged(portrait, size)) for size in sizes]
    subjects += [(f"4 MP, {count} faces", crowd(portrait, count)) for count in FACES]
    lines = [
        "# Scaling\n",
        "`python -m benchmarks.scaling`\n",
        f"{here['cpu']}, {here['cores']} cores, load {here['load']}. Milliseconds, p50 (p90) of {args.runs} runs. "
        "In a photo of several faces the largest one is replaced.\n",
        "| target | " + " | ".join(spec.label for spec in TIERS.values()) + " |",
        "|---" * (len(TIERS) + 1) + "|",
    ]
    print("\n".join(lines), flush=True)
    for name, target in subjects:
        cells = []
        for tier in TIERS:
            times = timed(pipeline, source, target, tier, args.runs)
            cells.append(f"{times['p50']:.0f} ({times['p90']:.0f})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
