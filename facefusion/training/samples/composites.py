"""Makes the portraits in `examples/`: averages of several synthetic faces on their meshes.

`python -m facefusion.training.samples.composites --data DIR --out examples` rewrites the folder. Each
portrait mixes five people; no image of the data set is copied. The astronaut comes from
scikit-image (NASA, public domain).
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import skimage.data

from facefusion.geometry.align import crop_photo, mesh_crop_transform, transform_points
from facefusion.geometry.warp import MeshWarp

#: Side of a portrait in pixels.
SIZE: Final = 768
#: Share of the portrait's side that the face fills: less than in an aligned crop, as hair and
#: shoulders belong to a portrait.
FACE_SHARE: Final = 0.44
#: Number of people in a portrait.
PEOPLE: Final = 5
#: Levels of the image pyramid.
LEVELS: Final = 6
#: Standard deviation of the background's blur, as a share of the side.
BACKGROUND_BLUR: Final = 0.02


@dataclass(frozen=True)
class Recipe:
    """Choice of the portraits to mix: file names that begin with `kind`, drawn by `seed`."""

    name: str
    kind: str
    seed: int


#: The portraits.
RECIPES: Final = (
    Recipe("portrait-1.jpg", "female", 1),
    Recipe("portrait-2.jpg", "male", 3),
    Recipe("portrait-3.jpg", "female", 3),
    Recipe("portrait-4.jpg", "male", 7),
)
#: Source and target of the examples.
PAIRS: Final = (
    ("portrait-1.jpg", "portrait-3.jpg"),
    ("portrait-2.jpg", "portrait-4.jpg"),
    ("portrait-3.jpg", "astronaut.png"),
    ("portrait-4.jpg", "portrait-1.jpg"),
)


def laplacian_average(images: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Averages aligned images band by band, with the detail contrast of a single image.

    A plain mean of n images has 1/sqrt(n) of their uncorrelated detail; dividing by the root of the
    summed squares of the weights restores it (Burt and Adelson, 1983, for the pyramid).

    Args:
        images: (H, W, 3) float32 each, sides divisible by 2 ** LEVELS.
        weights: one for each image, summing to 1.
    """
    bands: list[np.ndarray] = []
    current = images
    for _ in range(LEVELS):
        smaller = [cv2.pyrDown(image) for image in current]
        details = [image - cv2.pyrUp(low) for image, low in zip(current, smaller, strict=True)]
        mixed = sum(w * d for w, d in zip(weights, details, strict=True))
        # Exponent 0.7 instead of 1: aligned faces have partly correlated outlines.
        bands.append(np.asarray(mixed / np.sqrt((weights**2).sum()) ** 0.7))
        current = smaller
    result = np.asarray(sum(w * low for w, low in zip(weights, current, strict=True)))
    for band in reversed(bands):
        result = cv2.pyrUp(result) + band
    return result


def composite(
    images: list[np.ndarray], meshes: list[np.ndarray], weights: np.ndarray
) -> np.ndarray:
    """Mixes one portrait out of several: (SIZE, SIZE, 3) RGB uint8."""
    crops, points = [], []
    for image, mesh in zip(images, meshes, strict=True):
        matrix = mesh_crop_transform(mesh, FACE_SHARE, SIZE)
        matrix[1, 2] -= 0.02 * SIZE
        crops.append(crop_photo(image, matrix, SIZE, cv2.BORDER_REFLECT_101))
        points.append(transform_points(mesh, matrix))
    mean = np.asarray(sum(w * p for w, p in zip(weights, points, strict=True)), np.float32)
    warp = MeshWarp(mean, SIZE)
    warped = [warp(crop, mesh).astype(np.float32) for crop, mesh in zip(crops, points, strict=True)]
    portrait = np.clip(laplacian_average(warped, weights), 0, 255)
    sharp = _near_face(mean)[..., None]
    blurred = cv2.GaussianBlur(portrait, (0, 0), BACKGROUND_BLUR * SIZE)
    return (portrait * sharp + blurred * (1 - sharp) + 0.5).astype(np.uint8)


def _near_face(mesh: np.ndarray) -> np.ndarray:
    """Returns a weight (SIZE, SIZE): 1 on the head, 0 far from it.

    The backgrounds of five portraits do not align as their faces do, and are blurred.
    """
    low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
    centre, radius = (low + high) / 2, (high - low) / 2
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    distance = np.hypot(
        (x - centre[0]) / radius[0],
        (y - centre[1]) / (radius[1] * np.where(y > centre[1], 1.1, 1.35)),
    )
    return np.clip((2.0 - distance) / 0.8, 0, 1)


def _load(data: Path, kind: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Reads the frontal training images whose names begin with `kind`, and their meshes."""
    archive = np.load(data / "mesh468.npz")
    meshes = dict(zip((str(name) for name in archive["files"]), archive["mesh"], strict=True))
    images, kind_meshes = [], []
    with (data / "faces.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            # Training split only: the validation faces stay unseen.
            if (
                row["split"] == "train"
                and Path(row["file"]).name.startswith(kind)
                and abs(float(row["yaw_deg"])) < 8
            ):
                images.append(cv2.cvtColor(cv2.imread(str(data / row["file"])), cv2.COLOR_BGR2RGB))
                kind_meshes.append(meshes[row["file"]])
    return images, kind_meshes


def main() -> None:
    """Writes the portraits, the astronaut and `pairs.csv`."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training.samples.composites", description=__doc__
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with faces.csv, mesh468.npz and the images"
    )
    parser.add_argument("--out", type=Path, default=Path("examples"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for recipe in RECIPES:
        rng = np.random.default_rng(recipe.seed)
        images, meshes = _load(args.data, recipe.kind)
        chosen = rng.choice(len(images), PEOPLE, replace=False)
        weights = rng.dirichlet(np.full(PEOPLE, 6.0))
        portrait = composite([images[i] for i in chosen], [meshes[i] for i in chosen], weights)
        cv2.imwrite(
            str(args.out / recipe.name), portrait[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92]
        )
    cv2.imwrite(str(args.out / "astronaut.png"), skimage.data.astronaut()[..., ::-1])
    with (args.out / "pairs.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerows([("source", "target"), *PAIRS])


if __name__ == "__main__":
    main()
