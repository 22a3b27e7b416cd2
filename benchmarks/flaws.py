"""Counts the flaws that `facefusion.pipeline.checks` finds in results, and in pictures broken on purpose.

`python -m benchmarks.flaws --data DIR [--pairs CSV]` fuses the pairs of `python -m facefusion
evaluate` at the best tier. Then each result is broken: its colours are shifted, a cheek is smeared,
the new face is blurred; and each pair is fused again with a blurred source.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from tqdm import tqdm

from facefusion.errors import FusionError
from facefusion.evaluation.pairs import Pair, draw_pairs, read_pairs, val_faces
from facefusion.geometry.align import FUSION_FACE_SHARE, face_size, mesh_crop_transform
from facefusion.images.reading import read_photo
from facefusion.pipeline.checks import SIDE, ComposedFace, flaws
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.types import Flaw, Photo

#: Step of colour in CIELAB.
STEP: Final = 15.0
#: Length in pixels of a smear, and radii of its ellipse, in the crop of `SIDE`.
SMEAR: Final = 33
SMEAR_RADII: Final = (26, 20)
#: Mesh points in whose place a smear can be: cheeks, jaw and chin.
SMEAR_POINTS: Final = (50, 280, 205, 425, 199)
#: Standard deviation in pixels of the blur over a new face, and over a source in face sizes.
BLUR: Final = 2.5
SOURCE_BLUR: Final = 0.03

Break = Callable[[ComposedFace, np.random.Generator], Photo]


def shifted(face: ComposedFace, rng: np.random.Generator) -> Photo:
    """Shifts the colours of the new face by `STEP` in a random direction."""
    direction = rng.normal(size=3) * [1, 0.6, 0.6]
    shift = STEP * direction / np.linalg.norm(direction)
    lab = cv2.cvtColor(face.after.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab += shift.astype(np.float32) * face.mask[..., None]
    return np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255, 0, 255).astype(np.uint8)


def smeared(face: ComposedFace, rng: np.random.Generator) -> Photo:
    """Smears a part of the new face in a random direction."""
    angle, middle = float(rng.uniform(0, 180)), SMEAR // 2
    stroke = np.zeros((SMEAR, SMEAR), np.float32)
    stroke[middle] = 1
    turn = cv2.getRotationMatrix2D((middle, middle), angle, 1)
    stroke = np.asarray(cv2.warpAffine(stroke, turn, (SMEAR, SMEAR)), np.float32)
    x, y = (round(float(each)) for each in face.mesh[rng.choice(SMEAR_POINTS), :2])
    part = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(part, (x, y), SMEAR_RADII, angle, 0, 360, 255, -1)
    share = cv2.GaussianBlur(part, (0, 0), 2).astype(np.float32) / 255 * face.mask
    return _blended(cv2.filter2D(face.after, -1, stroke / stroke.sum()), face, share)


def blurred(face: ComposedFace, rng: np.random.Generator) -> Photo:
    """Blurs the whole of the new face."""
    return _blended(cv2.GaussianBlur(face.after, (0, 0), BLUR), face, face.mask)


def _blended(image: np.ndarray, face: ComposedFace, share: np.ndarray) -> Photo:
    mixed = image * share[..., None] + face.after * (1 - share[..., None])
    return np.clip(mixed, 0, 255).astype(np.uint8)


#: Ways to break a result.
BREAKS: Final[dict[str, Break]] = {
    "colours shifted": shifted,
    "a part smeared": smeared,
    "new face blurred": blurred,
}


def composed(pipeline: FusionPipeline, source: Photo, target: Photo) -> ComposedFace:
    """Fuses two photos at the best tier.

    Raises:
        FusionError: they cannot be used.
    """
    result = pipeline(source, target, tier="best")
    (face,) = result.faces
    to_crop = mesh_crop_transform(face.target.mesh, FUSION_FACE_SHARE, SIDE)
    mask = cv2.warpAffine(result.mask, to_crop, (SIDE, SIDE), flags=cv2.INTER_AREA)
    mask = np.asarray(mask, np.float32)
    return ComposedFace.of(target, result.image, mask, face.target.mesh, face.source.mesh)


def count(
    pipeline: FusionPipeline, folder: Path, pairs: Sequence[Pair]
) -> tuple[dict[str, Counter[str]], dict[str, int]]:
    """Counts flaws by kind of picture, and the pictures of each kind."""
    counts: dict[str, Counter[str]] = {}
    totals: Counter[str] = Counter()
    rng = np.random.default_rng(0)

    def add(kind: str, face: ComposedFace) -> None:
        totals[kind] += 1
        counts.setdefault(kind, Counter()).update(flaws(face) or ["none"])

    for pair in tqdm(pairs, unit="pair"):
        source, target = (
            read_photo(folder / pair.source, "source"),
            read_photo(folder / pair.target, "target"),
        )
        try:
            face = composed(pipeline, source, target)
        except FusionError:
            continue
        add("as it is", face)
        for kind, broken in BREAKS.items():
            add(kind, replace(face, after=broken(face, rng)))
        try:
            size = face_size(pipeline.find_faces(source, "source")[0].mesh)
            soft = np.asarray(cv2.GaussianBlur(source, (0, 0), SOURCE_BLUR * size), np.uint8)
            add("source blurred", composed(pipeline, soft, target))
        except FusionError:
            continue
    return counts, dict(totals)


def report(counts: dict[str, Counter[str]], totals: dict[str, int]) -> str:
    """Formats the counts in Markdown."""
    kinds = [*(flaw.value for flaw in Flaw), "none"]
    lines = [f"| | pictures | {' | '.join(kinds)} |", f"|---|{'---|' * (len(kinds) + 1)}"]
    for name, found in counts.items():
        cells = " | ".join(str(found[kind]) for kind in kinds)
        lines.append(f"| {name} | {totals[name]} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="the data folder")
    parser.add_argument("--pairs", type=Path, help="CSV of pairs (default: drawn)")
    args = parser.parse_args()
    pairs = read_pairs(args.pairs, args.data) if args.pairs else draw_pairs(val_faces(args.data))
    print(report(*count(FusionPipeline.from_pretrained(), args.data, pairs)))


if __name__ == "__main__":
    main()
