"""Labels weakly what covers a face (hair, hats, beards, sunglasses, hands) by its colour."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.mask import fill_points, grown, hull, outline, skin_mask
from facefusion.geometry.topology import (
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)

_NOSTRILS: Final = [98, 327, 2, 1, 4, 5, 195, 129, 358]
#: Least spread of skin colour in Lab (OpenCV 8-bit units): lightness varies with shading, hue
#: little.
_SPREAD: Final = np.array([16.0, 4.5, 5.5])
#: Distance from the skin colour, in spreads, at which skin ends.
_EDGE: Final = 2.6
#: Steepness of the transition there.
_STEEPNESS: Final = 3.0


def glasses_kinds(names: Sequence[str]) -> list[str]:
    """Returns what each face wears over the eyes: "clear" or "dark" glasses, "other" or "".

    `glasses.csv` was labelled by eye, because `covering` misses spectacles: they are often
    skin-coloured, and thinner than its resolution.
    """
    with Path(__file__).with_name("glasses.csv").open(newline="", encoding="utf-8") as handle:
        kinds = {row["file"]: row["kind"] for row in csv.DictReader(handle)}
    return [kinds.get(name, "") for name in names]


def _features(mesh: np.ndarray, size: int) -> np.ndarray:
    """Masks eyes, brows, lips and nostrils, which are not skin-coloured and no coverings."""
    mask = np.zeros((size, size), np.uint8)
    for part, growth in (
        (LEFT_EYE, 0.35),
        (RIGHT_EYE, 0.35),
        (OUTER_LIPS, 0.12),
        (LEFT_BROW, 0.3),
        (RIGHT_BROW, 0.3),
    ):
        fill_points(mask, grown(hull(mesh, part), growth), 255)
    fill_points(mask, grown(hull(mesh, _NOSTRILS), 0.1), 255)
    return mask


def _sunglasses(not_skin: np.ndarray, mesh: np.ndarray, size: int) -> np.ndarray:
    """Masks the wide surroundings of an eye where they are mostly not skin: sunglasses cover it."""
    mask = np.zeros((size, size), np.float32)
    for eye in (LEFT_EYE, RIGHT_EYE):
        around = np.zeros((size, size), np.uint8)
        corners = hull(mesh, eye)
        centre, width = corners.mean(0), np.ptp(corners[:, 0])
        cv2.circle(around, tuple(int(v) for v in centre), int(0.85 * width), 255, -1)
        if not_skin[around > 0].mean() > 0.62:
            mask = np.maximum(mask, not_skin * (around > 0))
    return mask


def covering(crop: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Labels what lies over the face's own skin and features, inside its oval.

    The skin colour is measured on cheeks and nose; hair, cloth and dark glass differ from it in hue
    or are much darker. Beards count as coverings. The labels are noisy (hard shadows count as
    coverings) but sufficient for training.

    Args:
        crop: (S, S, 3) RGB uint8 aligned crop.
        mesh: (468, 3) in its pixels.

    Returns:
        (S, S) float32 in [0, 1].
    """
    size = crop.shape[0]
    lab = cv2.cvtColor(cv2.GaussianBlur(crop, (0, 0), 1.0), cv2.COLOR_RGB2LAB).astype(np.float32)
    skin = skin_mask(mesh, size) > 0.5
    rows = np.arange(size)[:, None]
    core = skin & (rows > mesh[[33, 263], 1].mean()) & (rows < mesh[[61, 291], 1].mean())
    pixels = lab[core] if core.sum() > 50 else lab[skin]
    middle = np.median(pixels, axis=0)
    spread = np.maximum(1.48 * np.median(abs(pixels - middle), axis=0), _SPREAD)
    offset = (lab - middle) / spread
    lightness = np.where(offset[..., 0] < 0, 0.62, 0.45) * offset[..., 0]
    distance = np.sqrt(lightness**2 + 0.8 * offset[..., 1] ** 2 + 0.8 * offset[..., 2] ** 2)
    not_skin = (1 / (1 + np.exp(-(distance - _EDGE) * _STEEPNESS))).astype(np.float32)
    found = np.where(_features(mesh, size) > 0, _sunglasses(not_skin, mesh, size), not_skin)
    found = cv2.GaussianBlur(found, (0, 0), 1.2)
    solid = cv2.morphologyEx(
        (found > 0.5).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
    )
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    oval = np.zeros((size, size), np.uint8)
    fill_points(oval, outline(mesh, 0.06), 1)
    return cv2.GaussianBlur((solid * oval).astype(np.float32), (0, 0), 1.0)
