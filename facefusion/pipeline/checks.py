"""Checks a composed face for flaws that can be seen, without a further network.

Every measure compares the result with the photo before, in the aligned crop: what the photo had
already is no flaw. The thresholds were set on 250 results of synthetic people, looked at one by
one, and on pictures broken on purpose; `docs/figures.md` has the counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import cv2
import numpy as np

from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    rescale_points,
    transform_points,
)
from facefusion.geometry.mask import feature_mask, mouth_openness, whole_skin_mask
from facefusion.geometry.mirror import MIRROR
from facefusion.types import Flaw, FloatArray, Kept, Mask, Mesh, Photo

#: Sides in pixels of the crop for detail, and for light and areas of detail.
SIDE: Final = 256
SMALL_SIDE: Final = 64
#: Opacity from which on a pixel belongs to the new face.
OPAQUE: Final = 0.6
#: Fewest pixels of a face at `SIDE`, and fewest pixels or points at `SMALL_SIDE`, that are judged.
FEWEST: Final = 100
FEWEST_SMALL: Final = 40
#: Opacity of a beard below which a pixel is skin.
NO_BEARD: Final = 0.05
#: Width in pixels (at `SMALL_SIDE`, as the following two) of the new face's edge.
EDGE_WIDTH: Final = 5
#: Standard deviation in pixels of the Gaussian over colours along the edge.
EDGE_SIGMA: Final = 2.0
#: Median CIELAB difference along the edge above which it is seen.
EDGE_STEP: Final = 8.0
#: Standard deviation in pixels of the Gaussian over the skin's colours.
LIGHT_SIGMA: Final = 1.25
#: Quantile of the CIELAB differences between mirrored points of the face: more than a nose's shadow.
SHADED_QUANTILE: Final = 0.8
#: Increase of that quantile above which a shadow or a coloured light has come in.
SHADED: Final = 8.2
#: Amount by which the source's mouth is wider open (`mouth_openness`) than the target's from which
#: on teeth or a tongue are pressed onto the target's lips. The other way round the pipeline keeps
#: the target's mouth.
OPENER: Final = 0.13
#: Standard deviations in pixels of the Gaussians that give detail and that average it.
DETAIL_SIGMA: Final = 2.0
AREA_SIGMA: Final = 0.7
#: Detail across its main direction, as a share of the face's median, below which it is smeared.
SMEARED: Final = 0.3
#: Share of the median above which the photo before had detail there.
DETAILED: Final = 0.6
#: Share of the new skin that may be smeared.
SMEARED_SHARE: Final = 0.01
#: Standard deviation in pixels of the Gaussian that gives the finest detail.
FINE_SIGMA: Final = 1.5
#: Least finest detail of eyes, brows and lips as a share of the photo's before.
SOFT: Final = 0.62


@dataclass(frozen=True)
class ComposedFace:
    """A new face and the photo before it, in the target's aligned crop.

    Attributes:
        before, after: (SIDE, SIDE, 3) RGB uint8.
        mask: (SIDE, SIDE) float32 in [0, 1], opacity of the new face.
        mesh: (468, 3) the target's mesh in the crop.
        source_mesh: (468, 3) the source's mesh in its photo.
        beard: (S, S) float32 in [0, 1], a beard that the photo before did not have, or None.
    """

    before: Photo
    after: Photo
    mask: Mask
    mesh: Mesh
    source_mesh: Mesh
    beard: Mask | None = None

    @cached_property
    def grays(self) -> tuple[FloatArray, FloatArray]:
        """Both pictures as (SIDE, SIDE) float32 luma."""
        before, after = (
            cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32)
            for each in (self.before, self.after)
        )
        return before, after

    @cached_property
    def small_mask(self) -> Mask:
        """The opacity at `SMALL_SIDE`."""
        return np.asarray(_smaller(self.mask), np.float32)

    @cached_property
    def small_mesh(self) -> Mesh:
        """The target's mesh in the crop at `SMALL_SIDE`."""
        return rescale_points(self.mesh, SIDE, SMALL_SIDE)

    @cached_property
    def small_skin(self) -> Mask:
        """Where skin is new, (S, S) float32 at `SMALL_SIDE`."""
        skin = whole_skin_mask(self.small_mesh, SMALL_SIDE)
        return np.asarray(skin * (self.small_mask > OPAQUE) * self.beardless, np.float32)

    @cached_property
    def beardless(self) -> np.ndarray:
        """Where there is no new beard, (S, S) bool at `SMALL_SIDE`."""
        if self.beard is None:
            return np.ones((SMALL_SIDE, SMALL_SIDE), bool)
        return _smaller(self.beard) < NO_BEARD

    @classmethod
    def of(
        cls,
        photo: Photo,
        image: Photo,
        mask: Mask,
        mesh: Mesh,
        source_mesh: Mesh,
        beard: Mask | None = None,
    ) -> Self:
        """Cuts the crops.

        Args:
            photo, image: (H, W, 3) RGB uint8, before and after.
            mask: (S, S) float32 over the target's aligned crop.
            mesh: (468, 3) the target's mesh in the photo.
            source_mesh: (468, 3) the source's mesh in its photo.
            beard: (N, N) float32 over the target's aligned crop, a beard that it did not have.
        """
        to_crop = mesh_crop_transform(mesh, FUSION_FACE_SHARE, SIDE)
        kernel = cv2.INTER_AREA if mask.shape[0] > SIDE else cv2.INTER_LINEAR
        resized = np.asarray(cv2.resize(mask, (SIDE, SIDE), interpolation=kernel), np.float32)
        before, after = (crop_photo(each, to_crop, SIDE) for each in (photo, image))
        return cls(before, after, resized, transform_points(mesh, to_crop), source_mesh, beard)


def flaws(face: ComposedFace, kept: Sequence[Kept] = ()) -> tuple[Flaw, ...]:
    """Lists what can be seen to be wrong with a new face, the most serious first.

    Args:
        face: the new face.
        kept: what it keeps of the photo's own: a mouth that stays is not wrong.
    """
    if (face.mask > OPAQUE).sum() < FEWEST:
        return ()
    found = {
        Flaw.LIGHT: _has_other_light(face),
        Flaw.MOUTH: _has_open_mouth(face) and not {Kept.LIPS, Kept.BEARD} & {*kept},
        Flaw.SMEARED: smeared_share(face) > SMEARED_SHARE,
        Flaw.SOFT: sharpness(face) < SOFT,
    }
    return tuple(flaw for flaw, applies in found.items() if applies)


def _has_other_light(face: ComposedFace) -> bool:
    before, after = (_lab(_smaller(each)) for each in (face.before, face.after))
    if edge_step(before, after, face.small_mask, face.beardless) > EDGE_STEP:
        return True
    skin, mesh = face.small_skin, face.small_mesh
    return one_sidedness(after, skin, mesh) - one_sidedness(before, skin, mesh) > SHADED


def edge_step(
    before: FloatArray, after: FloatArray, mask: Mask, counts: np.ndarray | None = None
) -> float:
    """Measures the step of colour at the edge of the new face.

    Args:
        before, after: (S, S, 3) float32 CIELAB.
        mask: (S, S) float32, opacity of the new face.
        counts: (S, S) bool, pixels that count; all by default.

    Returns:
        The median along the edge of the local CIELAB differences.
    """
    inside = (mask > 0.5).astype(np.uint8)
    edge = inside - cv2.erode(inside, np.ones((EDGE_WIDTH, EDGE_WIDTH), np.uint8))
    edge = edge if counts is None else edge * counts
    if edge.sum() < FEWEST_SMALL:
        return 0.0
    local = _averaged(after - before, edge.astype(np.float32), EDGE_SIGMA)
    return float(np.median(np.linalg.norm(local[edge > 0], axis=1)))


def one_sidedness(lab: FloatArray, skin: Mask, mesh: Mesh) -> float:
    """Measures how much the halves of a face differ in light and colour.

    Args:
        lab: (S, S, 3) float32 CIELAB.
        skin: (S, S) float32, 1 on the skin of the new face.
        mesh: (468, 3) mesh in the same pixels.
    """
    colours = _at(_averaged(lab, skin, LIGHT_SIGMA), mesh)
    seen = _at(skin, mesh) > 0.5
    both = seen & seen[MIRROR]
    if both.sum() < FEWEST_SMALL:
        return 0.0
    differences = np.linalg.norm(colours - colours[MIRROR], axis=1)
    return float(np.quantile(differences[both], SHADED_QUANTILE))


def _has_open_mouth(face: ComposedFace) -> bool:
    return mouth_openness(face.source_mesh) - mouth_openness(face.mesh) > OPENER


def smeared_share(face: ComposedFace) -> float:
    """Measures the share of the new skin that has no detail where the photo before had some.

    A smear keeps its detail along one direction. So the weaker direction counts: the smaller
    eigenvalue of the structure tensor (Bigun and Granlund, ICCV 1987).
    """
    skin = face.small_skin > 0.5
    if skin.sum() < FEWEST_SMALL:
        return 0.0
    before, after = (_weaker_detail(gray)[skin] for gray in face.grays)
    smeared = (after < SMEARED * np.median(after)) & (before > DETAILED * np.median(before))
    return float(smeared.mean())


def _weaker_detail(gray: FloatArray) -> FloatArray:
    """Measures detail across its main direction: (S, S) at `SMALL_SIDE`, averaged."""
    detail = gray - cv2.GaussianBlur(gray, (0, 0), DETAIL_SIGMA)
    x, y = (
        np.asarray(cv2.Sobel(detail, cv2.CV_32F, *order, scale=1 / 8), np.float32)
        for order in ((1, 0), (0, 1))
    )
    xx, yy, xy = (_areas(first * second) for first, second in ((x, x), (y, y), (x, y)))
    smaller = xx + yy - np.hypot(xx - yy, 2 * xy)
    return np.asarray(np.sqrt(np.maximum(smaller, 0)), np.float32)


def _areas(field: FloatArray) -> FloatArray:
    small = cv2.resize(field, (SMALL_SIDE, SMALL_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), AREA_SIGMA), np.float32)


def sharpness(face: ComposedFace) -> float:
    """Measures the finest detail of eyes, brows and lips as a share of the photo's before.

    Returns:
        A ratio; 1 where they are hidden.
    """
    features = (feature_mask(face.mesh, SIDE) > 0.5) & (face.mask > OPAQUE)
    if features.sum() < FEWEST:
        return 1.0
    before, after = (_finest(gray)[features].std() for gray in face.grays)
    return float(after / max(float(before), 1e-6))


def _finest(gray: FloatArray) -> FloatArray:
    return np.asarray(gray - cv2.GaussianBlur(gray, (0, 0), FINE_SIGMA), np.float32)


def _smaller(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (SMALL_SIDE, SMALL_SIDE), interpolation=cv2.INTER_AREA)


def _lab(image: np.ndarray) -> FloatArray:
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _averaged(field: FloatArray, weight: Mask, sigma: float) -> FloatArray:
    """Averages (S, S, C) over the pixels of a weight (S, S) by a Gaussian."""
    total = cv2.GaussianBlur(weight, (0, 0), sigma)
    blurred = cv2.GaussianBlur(field * weight[..., None], (0, 0), sigma)
    return np.asarray(blurred / np.maximum(total, 1e-3)[..., None], np.float32)


def _at(field: FloatArray, mesh: Mesh) -> FloatArray:
    """Samples (S, S) or (S, S, C) at the points of a mesh: (468,) or (468, C)."""
    x, y = (np.ascontiguousarray(mesh[None, :, axis], np.float32) for axis in (0, 1))
    return np.asarray(cv2.remap(field, x, y, cv2.INTER_LINEAR)[0], np.float32)
