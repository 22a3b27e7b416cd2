"""Reads single points of val faces whose part was labelled by eye.

Eight random points of each of the 60 val faces of which most is covered; points on an edge between
two parts are left out.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facefusion.geometry.align import transform_points
from facefusion.perception.face_parser import CROP_SIZE, FaceParts
from facefusion.perception.face_parts import FacePart
from facefusion.types import Affine, FloatArray


@dataclass(frozen=True)
class LabelledPoints:
    """Points of one image.

    Attributes:
        places: (N, 2) x and y as shares of its width and height.
        labels: (N,) parts, by `FacePart`.
    """

    places: FloatArray
    labels: np.ndarray

    def found(self, parts: FaceParts, to_crop: Affine, shape: tuple[int, ...]) -> np.ndarray:
        """Returns the parser's parts at the points, (N,).

        Args:
            parts: the parser's answer.
            to_crop: (2, 3) pixels of the image to pixels of the aligned crop.
            shape: of the image.
        """
        pixels = self.places * np.array(shape[1::-1]) - 0.5
        places = np.clip(np.rint(transform_points(pixels, to_crop)), 0, CROP_SIZE - 1)
        x, y = places.astype(int).T
        return np.asarray(parts.probabilities.argmax(0)[y, x])


def labelled_points() -> dict[str, LabelledPoints]:
    """Reads the points by the name of their image."""
    rows: dict[str, list[tuple[float, float, int]]] = {}
    with Path(__file__).with_name("points.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            part = FacePart[row["part"].upper()]
            rows.setdefault(row["file"], []).append((float(row["x"]), float(row["y"]), int(part)))
    return {
        name: LabelledPoints(
            np.array([row[:2] for row in points], np.float32), np.array([row[2] for row in points])
        )
        for name, points in rows.items()
    }
