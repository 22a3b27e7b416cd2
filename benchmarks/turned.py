"""Measures whether turned heads are found the right way up: `python -m benchmarks.turned --data DIR`.

Each portrait of the folder is turned by 24 angles, all of it on its own median colour, without EXIF.
A face is right where its five points are, within `NEAR` of the eye distance, those of the upright
portrait, and wrong otherwise; none is a refusal. With `--counts FILE` a run that ends after
`--minutes` goes on later.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion import FusionError, FusionPipeline
from facefusion.geometry.align import transform_points
from facefusion.geometry.topology import eye_distance, five_points
from facefusion.images.reading import read_photo
from facefusion.machine.process import own_process
from facefusion.perception.reductions import reduced
from facefusion.types import Affine, Mesh, Photo

#: Longer side in pixels of the portraits before they are turned.
SIDE: Final = 640
ANGLES: Final = tuple(range(0, 360, 15))
#: Largest mean distance of the five points in eye distances; upside down it is above 0.5.
NEAR: Final = 0.35
ANSWERS: Final = ("right", "refused", "wrong")

#: Answers by angle, of one portrait.
Answers = dict[int, str]


def turn(photo: Photo, degrees: float) -> tuple[Photo, Affine]:
    """Turns a photo on its median colour; returns it, and the transform of its pixels to it."""
    height, width = photo.shape[:2]
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1), np.float64)
    cos, sin = np.abs(matrix[0, :2])
    size = (round(width * cos + height * sin), round(width * sin + height * cos))
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    colour = [float(level) for level in np.median(photo, axis=(0, 1))]
    turned = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_CUBIC, borderValue=colour)
    return np.asarray(turned, np.uint8), matrix


def largest_mesh(pipeline: FusionPipeline, photo: Photo) -> Mesh | None:
    """Returns the mesh of a photo's largest face, or None if it is refused."""
    pipeline.cache.clear()
    try:
        faces = pipeline.find_faces(photo)
    except FusionError:
        return None
    return max((face.mesh for face in faces), key=eye_distance)


def answers_for(pipeline: FusionPipeline, photo: Photo) -> Answers:
    """Turns a portrait by each angle, and compares the face found with the upright one."""
    upright = largest_mesh(pipeline, photo)
    if upright is None:
        return {}
    answers = {}
    for angle in ANGLES:
        turned, matrix = turn(photo, angle)
        mesh = largest_mesh(pipeline, turned)
        if mesh is None:
            answers[angle] = "refused"
            continue
        expected = transform_points(five_points(upright)[:, :2], matrix)
        error = np.linalg.norm(five_points(mesh)[:, :2] - expected, axis=1).mean()
        answers[angle] = "right" if error <= NEAR * eye_distance(upright) else "wrong"
    return answers


def table(all_answers: list[Answers]) -> list[str]:
    """Returns the table by angle as lines of Markdown."""
    lines = ["| degrees | " + " | ".join(ANSWERS) + " |", "|---" * (len(ANSWERS) + 1) + "|"]
    total: Counter[str] = Counter()
    for angle in ANGLES:
        counts = Counter(answers[angle] for answers in all_answers)
        total += counts
        lines.append(f"| {angle} | " + " | ".join(str(counts[each]) for each in ANSWERS) + " |")
    cells = [f"{total[each]} ({total[each] / max(total.total(), 1):.1%})" for each in ANSWERS]
    return [*lines, "| all | " + " | ".join(cells) + " |"]


def main() -> None:
    """Prints the table, and writes it if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turned", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of upright portraits")
    parser.add_argument("--every", type=int, default=1, help="takes every nth portrait")
    parser.add_argument("--minutes", type=float, default=60.0, help="ends after so long")
    parser.add_argument("--counts", type=Path, help="JSON file of the answers of earlier runs")
    parser.add_argument("--threads", type=int, help="of each network")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    own_process()  # as the page and the command line do
    files = sorted(path for path in args.data.iterdir() if path.suffix in (".jpg", ".png"))
    done: dict[str, dict[str, str]] = {}
    if args.counts and args.counts.is_file():
        done = json.loads(args.counts.read_text(encoding="utf-8"))
    pipeline = FusionPipeline.from_pretrained(threads=args.threads)
    end = time.monotonic() + 60 * args.minutes
    for path in files[:: args.every]:
        if path.name in done or time.monotonic() > end:
            continue
        answers = answers_for(pipeline, reduced(read_photo(path, "target"), SIDE))
        done[path.name] = {str(angle): answer for angle, answer in answers.items()}
        print(path.name, Counter(answers.values()), flush=True)
        if args.counts:
            args.counts.write_text(json.dumps(done), encoding="utf-8")
    kept = [{int(angle): each for angle, each in answers.items()} for answers in done.values()]
    found = [answers for answers in kept if answers]
    lines = [
        "# Turned heads\n",
        "`python -m benchmarks.turned --data DIR`\n",
        f"{len(found)} portraits of {SIDE} px, turned counterclockwise; {len(kept) - len(found)} "
        "more were refused upright. Wrong is an answer whose eyes, nose and mouth are elsewhere.\n",
        *table(found),
    ]
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
