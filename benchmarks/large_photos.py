"""Measures small faces in large and long photos: `python -m benchmarks.large_photos`.

The faces of the examples, reduced, stand on a texture with noise. Found are faces where one was
put, extra are others. The times are pairs in one run: with the search for small faces and the look
at both ways up, and without them, for a portrait that fills a third of the photo. They are seconds
of the processor with one thread, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import cv2
import numpy as np

from benchmarks.scaling import enlarged
from facefusion import FusionError, FusionPipeline
from facefusion.cli.bench import photos
from facefusion.geometry.topology import eye_distance
from facefusion.images.reading import read_photo
from facefusion.machine.cpu import describe_machine
from facefusion.machine.process import own_process
from facefusion.perception import detector
from facefusion.perception.second_look import Look
from facefusion.types import Face, FloatArray, Photo

EXAMPLES: Final = Path(__file__).parents[1] / "examples"
#: Width and height in pixels of the photos.
SIZES: Final = ((4000, 3000), (8000, 6000), (8000, 2000), (10000, 1000))
#: Distances in pixels between the eyes.
EYES: Final = (24, 28, 32, 48)
#: Faces in a photo.
FACES: Final = 8
#: Megapixels of the photos that are timed.
TIMED: Final = (2, 12)


def textured(width: int, height: int, seed: int = 0) -> Photo:
    """Draws a texture with detail of every size, and noise."""
    rng = np.random.default_rng(seed)
    photo = np.full((height, width, 3), 127, np.float32)
    for octave in range(1, 9):
        shape = (max(2, height >> octave), max(2, width >> octave), 3)
        detail = rng.normal(0, 2.0**octave / 5, shape).astype(np.float32)
        photo += cv2.resize(detail, (width, height))
    photo += rng.normal(0, 6, photo.shape).astype(np.float32)
    return np.clip(photo, 0, 255).astype(np.uint8)


def crowd(
    pipeline: FusionPipeline, width: int, height: int, faces: int, eyes: float, seed: int = 0
) -> tuple[Photo, FloatArray]:
    """Puts heads of the examples side by side on a texture.

    Returns:
        The photo, and the (faces, 2) centres of the meshes.
    """
    rng, photo, centres = np.random.default_rng(seed), textured(width, height, seed), []
    for index in range(faces):
        head, centre = _head(pipeline, index % 4 + 1, eyes)
        rows, columns = head.shape[:2]
        left = int((index + rng.uniform(0.2, 0.5)) * width / faces)
        left, top = min(left, width - columns), int(rng.integers(0, height - rows + 1))
        photo[top : top + rows, left : left + columns] = head
        centres.append(centre + (left, top))
    return photo, np.array(centres, np.float32)


def _head(pipeline: FusionPipeline, number: int, eyes: float) -> tuple[Photo, FloatArray]:
    """Cuts a head out of an example; returns it at this eye distance, and its mesh's centre."""
    photo = read_photo(EXAMPLES / f"portrait-{number}.jpg", "target")
    (face, *_) = pipeline.find_faces(photo)
    centre = face.mesh[:, :2].mean(0)
    reach = 1.1 * float(np.ptp(face.mesh[:, :2], axis=0).max())
    left, top = np.maximum(centre - reach, 0).astype(int)
    right, bottom = (centre + reach).astype(int)
    scale = eyes / eye_distance(face.mesh)
    part = photo[top:bottom, left:right]
    head = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(head, np.uint8), np.asarray((centre - (left, top)) * scale, np.float32)


def found_and_extra(
    pipeline: FusionPipeline, photo: Photo, centres: FloatArray, eyes: float
) -> tuple[int, int]:
    """Counts the faces found within an eye distance of a centre, and the others."""
    pipeline.cache.clear()
    try:
        faces = pipeline.find_faces(photo)
    except FusionError:
        return 0, 0
    places = np.array([face.mesh[:, :2].mean(0) for face in faces])
    distances = np.linalg.norm(places[:, None] - centres, axis=2)
    found = int((distances.min(0) < eyes).sum())
    return found, len(faces) - found


@contextmanager
def as_before(pipeline: FusionPipeline) -> Iterator[None]:
    """Searches without tiles, and takes every face the way up it was measured."""

    def taken(photo: Photo, face: Face) -> Look:
        return Look(face.detection, 1.0)

    networks: Any = pipeline.networks
    networks.detector.right_way_up = taken
    try:
        with patch.object(detector, "SMALL_REDUCTION", np.inf):
            yield
    finally:
        del networks.detector.right_way_up


def paired(
    pipeline: FusionPipeline, run: Callable[[], object], pairs: int
) -> tuple[list[float], list[float]]:
    """Times a call without cached photos: seconds of the processor as it is and as before."""
    now, before = [], []
    for _ in range(pairs + 1):
        now.append(_timed(pipeline, run))
        with as_before(pipeline):
            before.append(_timed(pipeline, run))
    return now[1:], before[1:]  # the first ones warm up


def _timed(pipeline: FusionPipeline, run: Callable[[], object]) -> float:
    pipeline.cache.clear()
    begin = time.process_time()
    run()
    return time.process_time() - begin


def timing_lines(pipeline: FusionPipeline, pairs: int) -> list[str]:
    """Returns the table of times as lines of Markdown."""
    source, portrait = photos()[1][0]
    lines = [
        "\nProcessor time with one thread, of one portrait in the photo; before is without tiles and "
        "without the look at both ways up.\n",
        "| portrait | call | now, ms | before, ms | ratio, median (quartiles) | more, ms |",
        "|---|---|---|---|---|---|",
    ]
    for megapixels in TIMED:
        photo = enlarged(portrait, megapixels)
        calls: dict[str, Callable[[], object]] = {
            "find faces": lambda photo=photo: pipeline.find_faces(photo),  # type: ignore[misc]
            "fuse, fast": lambda photo=photo: pipeline(source, photo, tier="fast"),  # type: ignore[misc]
        }
        for name, run in calls.items():
            now, before = paired(pipeline, run, pairs)
            ratios = np.array(now) / np.array(before)
            low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
            lines.append(
                f"| {megapixels} MP | {name} | {np.median(now) * 1e3:.0f} | "
                f"{np.median(before) * 1e3:.0f} | {middle:.2f} ({low:.2f} to {high:.2f}) | "
                f"{np.median(np.subtract(now, before)) * 1e3:.0f} |"
            )
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Prints the tables, and writes them if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_photos", description=__doc__)
    parser.add_argument("--pairs", type=int, default=15, help="timed pairs of each call")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    here = describe_machine()
    own_process()  # as the page and the command line do
    cv2.setNumThreads(1)
    pipeline = FusionPipeline.from_pretrained(threads=1)
    lines = [
        "# Large photos\n",
        "`python -m benchmarks.large_photos`\n",
        f"{here['cpu']}, {here['cores']} cores, load {here['load']}. {FACES} faces in each photo: "
        "found, and others that are none.\n",
        "| px between the eyes | " + " | ".join(f"{w} x {h}" for w, h in SIZES) + " |",
        "|---" * (len(SIZES) + 1) + "|",
    ]
    for eyes in EYES:
        cells = []
        for seed, (width, height) in enumerate(SIZES):
            photo, centres = crowd(pipeline, width, height, FACES, eyes, seed)
            found, extra = found_and_extra(pipeline, photo, centres, eyes)
            cells.append(f"{found} + {extra}")
        lines.append(f"| {eyes} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    lines += timing_lines(pipeline, args.pairs)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
