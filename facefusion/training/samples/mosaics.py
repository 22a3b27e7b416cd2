"""Makes group photos of single portraits: 1 to 16 faces at random scale and turn on one canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.topology import OVAL, five_points
from facefusion.training.samples.augment import photometric
from facefusion.training.samples.data import FaceImage

#: Largest in-plane rotation of a face, in degrees.
MAX_TURN: Final = 30.0
#: Least size in pixels of faces that count; smaller ones are neither required nor penalised.
SMALLEST: Final = 16.0
#: Least visible share of the box of a face that counts.
LEAST_VISIBLE: Final = 0.7
#: Order of the five points in a mirrored image.
MIRRORED: Final = [1, 0, 2, 4, 3]


@dataclass(frozen=True)
class Mosaic:
    """A canvas with its faces.

    Attributes:
        image: (S, S, 3) RGB uint8.
        boxes: (N, 4) left, top, right, bottom of the mesh's oval, within the canvas.
        points: (N, 5, 2) landmarks.
        clear: (N,) bool, False for faces too small or too much cut off to count.
    """

    image: np.ndarray
    boxes: np.ndarray
    points: np.ndarray
    clear: np.ndarray


def _background(rng: np.random.Generator, size: int, faces: list[FaceImage]) -> np.ndarray:
    """Makes a cell without a face.

    It shows a colour, a gradient, noise, or a magnified piece of an image outside its face.
    """
    kind = rng.random()
    if kind < 0.35:
        corners = rng.integers(0, 256, (2, 2, 3)).astype(np.float32)
        smooth = cv2.resize(corners, (size, size), interpolation=cv2.INTER_CUBIC)
        return np.clip(smooth + rng.normal(0, rng.uniform(0, 12), (size, size, 1)), 0, 255).astype(
            np.uint8
        )
    face = faces[int(rng.integers(len(faces)))]
    height, width = face.image.shape[:2]
    top, bottom = face.mesh[:, 1].min(), face.mesh[:, 1].max()
    left, right = face.mesh[:, 0].min(), face.mesh[:, 0].max()
    strips = [
        (0, int(top) - 8, 0, width),
        (int(bottom) + 12, height, 0, width),
        (0, height, 0, int(left) - 8),
        (0, height, int(right) + 8, width),
    ]
    strips = [s for s in strips if s[1] - s[0] > 24 and s[3] - s[2] > 24]
    if not strips:
        return np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
    y0, y1, x0, x1 = strips[int(rng.integers(len(strips)))]
    piece = face.image[y0:y1, x0:x1]
    side = min(piece.shape[:2])
    y = int(rng.integers(piece.shape[0] - side + 1))
    x = int(rng.integers(piece.shape[1] - side + 1))
    return cv2.resize(
        piece[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_LINEAR
    )


def _cell(
    rng: np.random.Generator, face: FaceImage, size: int, share: float, augment: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws one face in a square cell; returns the cell, the oval's points and five landmarks."""
    box_low, box_high = face.mesh[:, :2].min(0), face.mesh[:, :2].max(0)
    scale = share * size / float((box_high - box_low).max())
    turn = float(np.clip(rng.normal(0, 12), -MAX_TURN, MAX_TURN))
    matrix = cv2.getRotationMatrix2D(tuple(map(float, (box_low + box_high) / 2)), turn, scale)
    margin = max(0.0, 1 - share) / 2 + 0.06
    matrix[:, 2] += size / 2 - (box_low + box_high) / 2 + rng.uniform(-margin, margin, 2) * size
    image = face.image
    if scale < 0.6:  # average areas first: small faces must not be aliased
        shrink = max(scale * 1.2, 0.05)
        image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        matrix[:, :2] /= shrink
    border = cv2.BORDER_CONSTANT if rng.random() < 0.6 else cv2.BORDER_REPLICATE
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    cell = cv2.warpAffine(
        image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=colour
    )
    if scale < 0.6:
        matrix[:, :2] *= shrink
    oval = face.mesh[list(OVAL), :2] @ matrix[:, :2].T + matrix[:, 2]
    points = five_points(face.mesh) @ matrix[:, :2].T + matrix[:, 2]
    if rng.random() < 0.5:
        cell = cell[:, ::-1]
        oval, points = [size - 1, 0] + oval * [-1, 1], ([size - 1, 0] + points * [-1, 1])[MIRRORED]
    cell = np.ascontiguousarray(cell)
    return (photometric(rng, cell) if augment else cell), oval, points


def make_mosaic(
    rng: np.random.Generator, faces: list[FaceImage], size: int, *, augment: bool = True
) -> Mosaic:
    """Draws a mosaic of `size` x `size` pixels; one in twenty holds no face."""
    grid = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1]))
    empty = 1.0 if rng.random() < 0.05 else 0.15 if grid > 1 else 0.0
    edges = np.linspace(0, size, grid + 1).astype(int)
    canvas = np.zeros((size, size, 3), np.uint8)
    boxes, points, clear = [], [], []
    for row, column in np.ndindex(grid, grid):
        side = int(edges[row + 1] - edges[row])
        y, x = edges[row], edges[column]
        if rng.random() < empty:
            cell = _background(rng, side, faces)
            canvas[y : y + side, x : x + side] = cell[: size - y, : size - x]
            continue
        face = faces[int(rng.integers(len(faces)))]
        share = _face_share(rng, grid, side)
        cell, oval, five = _cell(rng, face, side, share, augment)
        canvas[y : y + side, x : x + side] = cell[: size - y, : size - x]
        low, high = oval.min(0), oval.max(0)
        inside_low, inside_high = np.clip(low, 0, side), np.clip(high, 0, side)
        visible = np.prod(inside_high - inside_low) / np.prod(high - low)
        boxes.append(np.concatenate([inside_low, inside_high]) + [x, y, x, y])
        points.append(five + [x, y])
        clear.append(visible > LEAST_VISIBLE and (inside_high - inside_low).max() >= SMALLEST)
    count = len(boxes)
    return Mosaic(
        canvas,
        np.array(boxes, np.float32).reshape(count, 4),
        np.array(points, np.float32).reshape(count, 5, 2),
        np.array(clear, bool),
    )


def _face_share(rng: np.random.Generator, grid: int, side: int) -> float:
    """Draws the size of a face, as a share of the side of its cell in pixels.

    In a mosaic of one cell, large faces are more frequent than on a logarithmic scale: they are the
    usual upload. Some fill the frame.
    """
    least = max(0.12 if grid == 1 else 0.3, SMALLEST / side)
    share = float(np.exp(rng.uniform(np.log(least), np.log(0.95))))
    if grid == 1 and rng.random() < 0.5:
        share = float(rng.uniform(least, 0.95))
    if grid == 1 and rng.random() < 0.08:
        share = float(rng.uniform(0.95, 1.25))
    return share
