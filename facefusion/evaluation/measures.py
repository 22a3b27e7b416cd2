"""Measures one fused photo, and defines each figure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np

from facefusion.geometry.mask import grown, hull
from facefusion.geometry.pose import pose_degrees
from facefusion.geometry.topology import CHEEKS, OVAL, eye_distance
from facefusion.types import FloatArray, Photo

#: Mesh points of the expression: corners and lids of the eyes, brows, corners and middle of both
#: lips.
EXPRESSION_POINTS: Final = (
    33, 133, 159, 145, 263, 362, 386, 374, 70, 105, 107, 300, 334, 336, 61, 291, 13, 14, 0, 17, 78, 308,
)  # fmt: skip
#: Mesh points of the skin tone, the two cheeks in turn.
TONE_POINTS: Final = CHEEKS[:8]
#: Relative growth of the face's hull outside of which a pixel is far from the face.
FAR_GROWTH: Final = 0.6
#: Standard deviation, as a share of the eye distance, of the Gaussian whose residual is the detail.
DETAIL_SIGMA: Final = 1 / 40


@dataclass(frozen=True)
class Measure:
    """A figure of the report.

    Attributes:
        key: its name in the code and in `pairs.csv`.
        title: its name in the tables, with its unit.
        definition: how it is measured.
        better: which way is better: "high", "low", or "one" where 1 is best.
        digits: decimals to print.
    """

    key: str
    title: str
    definition: str
    better: Literal["high", "low", "one"]
    digits: int = 2

    def badness(self, value: float) -> float:
        """Returns a number that grows as `value` gets worse; NaN is worst of all."""
        if math.isnan(value):
            return math.inf
        return {"high": -value, "low": value, "one": abs(math.log(max(value, 1e-9)))}[self.better]


MEASURES: Final = (
    Measure(
        "id_similarity", "identity similarity, cosine", "cosine between the identity judge's embeddings of the source photo"
        " and of the result, each cropped by the mesh judge's points; in [-1, 1]", "high", 3,
    ),
    Measure(
        "target_similarity", "similarity to the target (leak), cosine", "the same between the target photo and the result:"
        " how much of the person who was replaced is left", "low", 3,
    ),
    Measure(
        "pose_error_deg", "pose error, degrees", "mean absolute difference of yaw, pitch and roll between the meshes of"
        " target and result", "low",
    ),
    Measure(
        "expression_error_pct", "expression error, % of the eye distance", f"mean distance between {len(EXPRESSION_POINTS)}"
        " mesh points of eyes, brows and lips in target and result, in percent of the target's eye distance", "low",
    ),
    Measure(
        "skin_tone_delta_e", "skin tone, dE", f"CIE76 distance between the CIELAB medians of {len(TONE_POINTS)} points on"
        " the cheeks of target and result", "low", 1,
    ),
    Measure(
        "detail_ratio", "detail ratio", "standard deviation of the grey values inside the face after a Gaussian of 1/40 of"
        " the eye distance is subtracted, result over target; below 1 the result is softer, above 1 it is busier", "one",
    ),
    Measure(
        "changed_far", "largest change far from the face, levels", f"largest difference of a channel, of 255, outside the"
        f" face's hull grown by {100 * FAR_GROWTH:.0f} % about its centre", "low", 0,
    ),
    Measure(
        "milliseconds", "milliseconds", "one whole call of the pipeline as its caller waits for it, the first call of the"
        " process among them; the judges run in between", "low", 0,
    ),
)  # fmt: skip
BY_KEY: Final = {measure.key: measure for measure in MEASURES}


@dataclass(frozen=True)
class JudgedFace:
    """A photo (H, W, 3) RGB uint8 with its `mesh` (468, 3) in pixels and `embedding` (D,)."""

    photo: Photo
    mesh: FloatArray
    embedding: FloatArray


def face_hull(mesh: FloatArray, shape: tuple[int, ...], grow: float = 0.0) -> np.ndarray:
    """Draws the mask of the face.

    Args:
        mesh: (468, 2 or 3) pixels.
        shape: (H, W, ...) of the photo.
        grow: relative growth of the convex hull of the face's outline, about the mean of the
            hull's corners.

    Returns:
        (H, W) bool.
    """
    return inside_corners(grown(hull(mesh, OVAL), grow), shape)


def inside_corners(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draws the mask of a convex polygon.

    Args:
        corners: (N, 2) pixels.
        shape: (H, W, ...) of the photo.

    Returns:
        (H, W) bool.
    """
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(corners).astype(np.int32), 1)
    return mask.astype(bool)


def mean_inside(values: np.ndarray, inside: np.ndarray) -> float:
    """Averages `values` (h, w) under `inside` (H, W) bool, scaled down to the same size."""
    weight = cv2.resize(inside.astype(np.float32), values.shape[::-1], interpolation=cv2.INTER_AREA)
    return float((values * weight).sum() / max(float(weight.sum()), 1e-6))


def expression_error(result: FloatArray, target: FloatArray) -> float:
    """Returns the mean distance of expression points, in percent of the target's eye distance.

    Args:
        result, target: meshes (468, 2 or 3).
    """
    points = list(EXPRESSION_POINTS)
    distance = np.linalg.norm(result[points, :2] - target[points, :2], axis=1).mean()
    return float(100 * distance / max(eye_distance(target), 1e-6))


def pose_error(result: FloatArray, target: FloatArray) -> float:
    """Returns the mean absolute difference of yaw, pitch and roll, (468, 3) meshes, in degrees."""
    return float(np.abs(np.subtract(pose_degrees(result), pose_degrees(target))).mean())


def cheek_colours(photo: Photo, mesh: FloatArray) -> FloatArray:
    """Returns the CIELAB colours (N, 3) of the photo (H, W, 3) at `TONE_POINTS` of the mesh."""
    x, y = np.rint(mesh[list(TONE_POINTS), :2]).astype(int).T
    pixels = photo[np.clip(y, 0, photo.shape[0] - 1), np.clip(x, 0, photo.shape[1] - 1)]
    lab = cv2.cvtColor((pixels[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    return np.asarray(lab, np.float32)


def cheek_tone(photo: Photo, mesh: FloatArray) -> FloatArray:
    """Returns the median CIELAB colour (3,) of the cheeks in a photo (H, W, 3)."""
    return np.asarray(np.median(cheek_colours(photo, mesh), axis=0), np.float32)


def detail(photo: Photo, inside: np.ndarray, sigma: float) -> float:
    """Returns the standard deviation, in grey levels, of a Gaussian's residual under a mask.

    Args:
        photo: (H, W, 3) RGB uint8.
        inside: (H, W) bool.
        sigma: of the Gaussian, in pixels.
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if not inside.any():
        return math.nan
    return float((grey - cv2.GaussianBlur(grey, (0, 0), sigma))[inside].std())


def changed_far(result: Photo, target: Photo, mesh: FloatArray) -> float:
    """Returns the largest change of a channel in [0, 255] far from the face, or 0."""
    far = ~face_hull(mesh, target.shape, FAR_GROWTH)
    return float(cv2.absdiff(result, target)[far].max()) if far.any() else 0.0


def measure(
    source: JudgedFace, target: JudgedFace, result: JudgedFace, seconds: float
) -> dict[str, float]:
    """Computes all figures of one fused photo, by the keys of `MEASURES`."""
    inside = face_hull(target.mesh, target.photo.shape)
    sigma = eye_distance(target.mesh) * DETAIL_SIGMA
    tones = [cheek_tone(face.photo, face.mesh) for face in (target, result)]
    before, after = (detail(face.photo, inside, sigma) for face in (target, result))
    return {
        "id_similarity": float(source.embedding @ result.embedding),
        "target_similarity": float(target.embedding @ result.embedding),
        "pose_error_deg": pose_error(result.mesh, target.mesh),
        "expression_error_pct": expression_error(result.mesh, target.mesh),
        "skin_tone_delta_e": float(np.linalg.norm(tones[0] - tones[1])),
        "detail_ratio": after / before if before > 0 else math.nan,
        "changed_far": changed_far(result.photo, target.photo, target.mesh),
        "milliseconds": 1000 * seconds,
    }
