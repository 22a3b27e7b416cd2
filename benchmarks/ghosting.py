"""Measures how fusion changes things of known colours in front of the target's face.

`python -m benchmarks.ghosting` puts masks, hands, microphones, cups and heads in front of the
project's own examples, and fuses another example into each. A thing belongs to the photo: whatever
shows through it, or tints it, is an error.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from tqdm import tqdm

from facefusion.errors import FusionError, NoFaceError
from facefusion.geometry.align import transform_points
from facefusion.geometry.mask import fill_points, outline
from facefusion.images.reading import read_photo
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.training.samples import drawn_things
from facefusion.types import Face, Mesh, Photo

#: Folder of the examples.
EXAMPLES: Final = Path(__file__).parents[1] / "examples"
#: Number of composites in the picture.
SHOWN: Final = 4
#: Kinds of things.
KINDS: Final = ("mask", "hand", "microphone", "cup", "head")
#: Colours of masks, microphones and cups in RGB.
COLOURS: Final = ((120, 175, 215), (235, 235, 238), (45, 45, 50), (170, 60, 50), (60, 130, 80))
#: Mesh points of the cheeks and the forehead, whose mean is the colour of a hand.
SKIN_POINTS: Final = (50, 280, 151)
#: Opacity above which a pixel belongs to a thing alone.
OPAQUE: Final = 0.98
#: Least share of the face that a thing hides; others are drawn again.
LEAST_THING: Final = 0.04
#: Largest distance of a found face from the one behind the thing, in widths of the face.
NEAR: Final = 0.3
#: Standard deviation in pixels of a thing's edge.
EDGE: Final = 0.8
#: Shift of a head to the side, in widths of the face, and its growth to a head with hair.
HEAD_SHIFT: Final = (0.8, 1.05)
HEAD_GROWTH: Final = 0.25


@dataclass(frozen=True)
class Obstructed:
    """A target photo with a thing in front of its face.

    Attributes:
        photo: (H, W, 3) RGB uint8.
        thing: (H, W) bool, pixels of the thing alone, over the face.
        mesh: (468, 3) of the face behind it.
    """

    photo: Photo
    thing: np.ndarray
    mesh: Mesh

    def face(self, pipeline: FusionPipeline) -> Face:
        """Finds the face behind the thing, which may be a head with a face of its own.

        Raises:
            NoFaceError: it is not found.
        """
        centre = self.mesh[:, :2].mean(0)

        def distance(face: Face) -> float:
            return float(np.hypot(*(face.mesh[:, :2].mean(0) - centre)))

        nearest = min(pipeline.find_faces(self.photo), key=distance)
        if distance(nearest) > NEAR * float(np.ptp(self.mesh[:, 0])):
            raise NoFaceError("target")
        return nearest

    def change(self, result: Photo) -> float:
        """Returns the mean change of the thing's pixels in levels, over pixels and channels."""
        difference = np.abs(result.astype(np.int16) - self.photo.astype(np.int16))
        return float(difference[self.thing].mean())


def obstruct(
    rng: np.random.Generator, kind: str, photo: Photo, mesh: Mesh, other: tuple[Photo, Mesh]
) -> Obstructed:
    """Puts a thing in front of a face.

    Args:
        rng: source of randomness for shape, place and colour.
        kind: one of `KINDS`.
        photo: (H, H, 3) RGB uint8, square.
        mesh: (468, 3) of the face in its pixels.
        other: photo and mesh of another person, whose head is a thing as well.
    """
    size = photo.shape[0]
    if kind == "head":
        colour, opacity = _head(rng, mesh, size, *other)
    else:
        draw = {
            "mask": drawn_things.face_mask,
            "hand": drawn_things.fingers,
            "microphone": drawn_things.microphone,
            "cup": drawn_things.box,
        }[kind]
        opacity = draw(rng, mesh, size)
        colour = _surface(rng, photo, mesh, kind)
    opacity = cv2.GaussianBlur(opacity, (0, 0), EDGE)
    mixed = np.asarray(cv2.blendLinear(colour, photo, opacity, 1 - opacity), np.uint8)
    thing = (opacity > OPAQUE) & _face(mesh, size)
    if thing.sum() < LEAST_THING * _face(mesh, size).sum():
        return obstruct(rng, kind, photo, mesh, other)
    return Obstructed(mixed, thing, mesh)


def _face(mesh: Mesh, size: int) -> np.ndarray:
    """Returns where the face is, (size, size) bool: elsewhere nothing changes anyway."""
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, outline(mesh), 1)
    return mask > 0


def _surface(rng: np.random.Generator, photo: Photo, mesh: Mesh, kind: str) -> Photo:
    """Returns the surface of a thing with light from one side: (H, H, 3) RGB uint8."""
    size = photo.shape[0]
    if kind == "hand":
        points = np.clip(np.round(mesh[list(SKIN_POINTS), :2]), 0, size - 1).astype(int)
        base = photo[points[:, 1], points[:, 0]].mean(0) * rng.uniform(0.85, 1.1)
    else:
        base = np.array(COLOURS[int(rng.integers(len(COLOURS)))], np.float64)
    slope = np.linspace(-1, 1, size)[None] * rng.uniform(-0.15, 0.15)
    light = 1 + slope + np.linspace(0.1, -0.1, size)[:, None]
    noise = rng.normal(0, 2, (size, size, 1))
    return np.asarray(np.clip(base * light[..., None] + noise, 0, 255), np.uint8)


def _head(
    rng: np.random.Generator, mesh: Mesh, size: int, photo: Photo, other: Mesh
) -> tuple[Photo, np.ndarray]:
    """Returns another person's head beside and over a face, and its opacity."""
    width = float(np.ptp(mesh[:, 0]))
    side = 1 if rng.random() < 0.5 else -1
    scale = width / float(np.ptp(other[:, 0])) * rng.uniform(0.9, 1.2)
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    shift = np.array([side * width * rng.uniform(*HEAD_SHIFT), 0.1 * width * rng.normal()])
    matrix[:, 2] = mesh[:, :2].mean(0) + shift - scale * other[:, :2].mean(0)
    moved = cv2.warpAffine(photo, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, outline(transform_points(other, matrix), HEAD_GROWTH), 255)
    return np.asarray(moved, np.uint8), mask.astype(np.float32) / 255


def composites(
    pipeline: FusionPipeline, count: int, seed: int
) -> Iterator[tuple[str, Photo, Obstructed]]:
    """Draws composites of the examples.

    Args:
        pipeline: finds their faces.
        count: number of composites, each kind as often.
        seed: of their randomness.

    Yields:
        Kind, source photo, and target.
    """
    photos = [read_photo(path, "target") for path in sorted(EXAMPLES.glob("portrait-*.jpg"))]
    meshes = [pipeline.find_faces(photo)[0].mesh for photo in photos]
    for i in range(count):
        rng = np.random.default_rng((seed, i))
        target, source, other = rng.permutation(len(photos))[:3]
        kind = KINDS[i % len(KINDS)]
        second = (photos[other], meshes[other])
        yield kind, photos[source], obstruct(rng, kind, photos[target], meshes[target], second)


@dataclass(frozen=True)
class Measured:
    """Result of one composite: kind, mean change in levels, target and result."""

    kind: str
    change: float
    target: Photo
    result: Photo


def measure(pipeline: FusionPipeline, count: int, seed: int) -> list[Measured]:
    """Fuses composites at the best tier; those that are refused are left out."""
    found = []
    for kind, source, target in tqdm(composites(pipeline, count, seed), total=count):
        try:
            face = target.face(pipeline)
            result = pipeline(source, target.photo, face=face, tier="best").image
        except FusionError:
            continue
        found.append(Measured(kind, target.change(result), target.photo, result))
    return found


def table(found: Sequence[Measured], count: int) -> str:
    """Writes the Markdown table: mean, worst, and number by kind."""
    lines = ["| in front | composites | mean change, levels | worst |", "|---|---|---|---|"]
    for kind in (*KINDS, "all"):
        changes = [each.change for each in found if kind in (each.kind, "all")]
        if changes:
            row = f"{len(changes)} | {np.mean(changes):.2f} | {np.max(changes):.2f}"
            lines.append(f"| {kind} | {row} |")
    return "\n".join([*lines, "", f"Refused: {count - len(found)} of {count}.", ""])


def main() -> None:
    """Prints the table, and writes it and a picture of the worst composites."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ghosting", description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--picture", type=Path, help="JPEG of the worst, target beside result")
    args = parser.parse_args()
    found = measure(FusionPipeline.from_pretrained(), args.count, args.seed)
    text = table(found, args.count)
    print(text)
    if args.out:
        command = f"`python -m benchmarks.ghosting --count {args.count} --seed {args.seed}`"
        args.out.write_text(f"# Things in front of the target\n\n{command}\n\n{text}", "utf-8")
    if args.picture:
        worst = sorted(found, key=lambda each: -each.change)[:SHOWN]
        rows = [np.concatenate([each.target, each.result], 1) for each in worst]
        picture = cv2.resize(
            np.concatenate(rows), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA
        )
        cv2.imwrite(str(args.picture), picture[..., ::-1])


if __name__ == "__main__":
    main()
