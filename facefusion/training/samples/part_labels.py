"""Labels the parts of a face from the teachers' answers, its mesh, its glasses and its beard."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.mask import fill_points, grown, hull, outline
from facefusion.geometry.topology import (
    CHEEKS,
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from facefusion.perception.face_parts import FacePart
from facefusion.perception.spectacles import Spectacles

#: Label of pixels that are not used.
IGNORED: Final = 255
#: Label of hair or a hat: the teacher takes white and dyed hair for cloth.
HAIR_OR_CLOTH: Final = 254
#: Least share of the matte, and least probability, of a teacher's class.
CERTAIN: Final = 0.5
#: Least opacity of a frame, and of dark glass.
OPAQUE: Final = 0.4
#: Least share of the face's middle that the teacher calls skin: it fails on grey photos.
LEAST_SKIN: Final = 0.6
#: CIELAB distance from the skin's colour below which a beard is not certain.
NEAR_SKIN: Final = 11.0


def label_parts(
    crop: np.ndarray,
    mesh: np.ndarray,
    maps: np.ndarray,
    glasses: Spectacles | None,
    beard: str,
) -> np.ndarray | None:
    """Labels an aligned crop.

    Args:
        crop: (S, S, 3) RGB uint8.
        mesh: (468, 3) in its pixels.
        maps: (S, S, 4) uint8, as in `PartMaps`.
        glasses: the face's glasses, or None.
        beard: "beard", "unclear" or "", as from `beard_kinds`.

    Returns:
        (S, S) uint8, values of `FacePart` or `IGNORED`; None where the teachers fail.
    """
    size = crop.shape[0]
    skin, cloth, hair, matte = np.moveaxis(maps.astype(np.float32) / 255, -1, 0)
    inside = _filled(size, outline(mesh, -0.12))
    if (skin * inside).sum() < LEAST_SKIN * inside.sum():
        return None
    labels = _base(skin, cloth, hair, matte)
    face = _filled(size, outline(mesh)) > 0
    labels[face & (labels == IGNORED) & (hair < CERTAIN) & (cloth < CERTAIN)] = FacePart.SKIN
    above = np.arange(size)[:, None] < mesh[list(OUTER_LIPS), 1].mean()
    brows = np.arange(size)[:, None] < mesh[[70, 300], 1].mean()
    labels[above & (labels == FacePart.CLOTH)] = HAIR_OR_CLOTH
    labels[brows & (labels == IGNORED) & (matte > CERTAIN) & ~face] = HAIR_OR_CLOTH
    if beard:
        _draw_beard(labels, crop, mesh, beard)
    _draw_features(labels, mesh)
    if glasses is not None:
        _draw_glasses(labels, glasses)
    return labels


def _base(skin: np.ndarray, cloth: np.ndarray, hair: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Labels background, skin, hair and cloth from the teachers' answers."""
    labels = np.full(skin.shape, IGNORED, np.uint8)
    parts = np.stack([skin, cloth, hair]) * matte
    best = parts.argmax(0)
    certain = parts.max(0) > CERTAIN
    classes = np.array([FacePart.SKIN, FacePart.CLOTH, FacePart.HAIR], np.uint8)
    labels[certain] = classes[best][certain]
    labels[matte < 1 - CERTAIN] = FacePart.BACKGROUND
    return labels


def _draw_features(labels: np.ndarray, mesh: np.ndarray) -> None:
    """Draws brows, eyes and lips over skin and beard, not over hair and cloth."""
    own = (labels == FacePart.SKIN) | (labels == FacePart.BEARD) | (labels == IGNORED)
    for part, points in (
        (FacePart.BROWS, hull(mesh, LEFT_BROW)),
        (FacePart.BROWS, hull(mesh, RIGHT_BROW)),
        (FacePart.EYES, mesh[list(LEFT_EYE), :2]),
        (FacePart.EYES, mesh[list(RIGHT_EYE), :2]),
        (FacePart.LIPS, mesh[list(OUTER_LIPS), :2]),
        (FacePart.MOUTH, mesh[list(INNER_LIPS), :2]),
    ):
        labels[(_filled(labels.shape[0], points) > 0) & own] = part


def _draw_glasses(labels: np.ndarray, glasses: Spectacles) -> None:
    size = labels.shape[::-1]
    for part, opacity in (
        (FacePart.DARK_GLASS, glasses.dark),
        (FacePart.FRAME, glasses.frame),
    ):
        labels[cv2.resize(opacity, size, interpolation=cv2.INTER_LINEAR) > OPAQUE] = part


def _draw_beard(labels: np.ndarray, crop: np.ndarray, mesh: np.ndarray, kind: str) -> None:
    """Labels the beard of a face, where the teacher says skin, hair or cloth.

    GrabCut (Rother et al., SIGGRAPH 2004) tells it from skin: upper cheeks and nose are fixed as
    skin, the chin, the jaw and the upper lip begin as beard. What it finds in a colour near the
    skin's is not used.
    """
    size = crop.shape[0]
    rows = np.arange(size)[:, None]
    nose = mesh[[98, 327], 1].mean()
    around = _filled(size, grown(outline(mesh), np.array([0.04, 0.5]))) > 0
    lower = (rows > nose) & around
    part = FacePart.BEARD if kind == "beard" else IGNORED
    is_skin = labels == FacePart.SKIN
    found = _grab_beard(crop, mesh, is_skin, lower)
    near = _skin_distance(crop, mesh) < NEAR_SKIN
    labels[lower & (labels == FacePart.HAIR)] = part
    inside = _filled(size, outline(mesh, 0.05)) > 0
    is_cloth = (labels == FacePart.CLOTH) | (labels == HAIR_OR_CLOTH)
    labels[lower & is_cloth] = IGNORED
    labels[lower & is_cloth & inside] = part
    labels[found & is_skin] = part
    labels[found & is_skin & near] = IGNORED


def _grab_beard(
    crop: np.ndarray, mesh: np.ndarray, skin: np.ndarray, lower: np.ndarray
) -> np.ndarray:
    """Tells a beard from skin: (S, S) bool.

    Args:
        crop, mesh: the face.
        skin: (S, S) bool, what the teacher calls skin.
        lower: (S, S) bool, where a beard may be.
    """
    size = crop.shape[0]
    rows = np.arange(size)[:, None]
    eyes, mouth = mesh[[33, 263], 1].mean(), mesh[[61, 291], 1].mean()
    lips = _filled(size, grown(hull(mesh, OUTER_LIPS), 0.1)) > 0
    cheeks = _filled(size, hull(mesh, CHEEKS)) > 0
    marks = np.full((size, size), cv2.GC_BGD, np.uint8)
    marks[skin & lower & ~lips] = cv2.GC_PR_FGD
    marks[skin & lower & cheeks & (rows < mouth) & ~lips] = cv2.GC_PR_BGD
    known = skin & ~lower & (rows > eyes)
    if not (marks == cv2.GC_PR_FGD).any() or not known.any():
        return np.zeros((size, size), bool)
    lab = np.ascontiguousarray(cv2.cvtColor(crop, cv2.COLOR_RGB2LAB))
    lab[~skin] = np.median(lab[known], axis=0)  # so that only skin and beard are modelled
    cv2.setRNGSeed(0)
    cv2.grabCut(lab, marks, None, *np.zeros((2, 1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    return np.asarray((marks == cv2.GC_PR_FGD) | (marks == cv2.GC_FGD))


def _skin_distance(crop: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Returns the CIELAB distance (S, S), smoothed, to the median colour of the upper cheeks."""
    smooth = cv2.GaussianBlur(crop, (0, 0), 2.0).astype(np.float32) / 255
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
    middle = _filled(crop.shape[0], mesh[[117, 101, 5, 330, 346, 425, 205], :2]) > 0
    return np.linalg.norm(lab - np.median(lab[middle], axis=0), axis=-1)


def beard_kinds(names: Sequence[str]) -> list[str]:
    """Returns whether each face has a beard or moustache: "beard", "unclear" or "".

    `beards.csv` was labelled by eye; "unclear" are stubble and shadows.
    """
    with Path(__file__).with_name("beards.csv").open(newline="", encoding="utf-8") as handle:
        kinds = {row["file"]: row["kind"] for row in csv.DictReader(handle)}
    return [kinds.get(name, "") for name in names]


def _filled(size: int, points: np.ndarray) -> np.ndarray:
    """Returns (size, size) uint8, 1 inside of a polygon."""
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, points, 1)
    return mask
