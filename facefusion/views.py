"""Two faces on top of each other: what the fusion networks see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import cv2
import numpy as np

from facefusion.compose.color import match_light, match_skin
from facefusion.compose.hairline import without_hairline
from facefusion.compose.mask import face_mask, skin_mask, uncovered
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.fusion.refine import LEAST_SIZE
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    face_size,
    invert,
    mesh_crop_transform,
    rescale_transform,
    transform_points,
)
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.symmetry import FROM, hidden_turn, mirrored_share
from facefusion.geometry.warp import MeshWarp, sample
from facefusion.perception.coverings import SIZE as COVERINGS
from facefusion.perception.coverings import Coverings
from facefusion.perception.mesh import FaceMesh
from facefusion.tiers import TierSpec
from facefusion.types import Face, FloatArray, Photo

#: Side of the crop in which the warp is settled.
SETTLE_SIZE: Final = 256


@dataclass(frozen=True)
class TargetView:
    """A target's face, prepared for whichever face comes: all that depends on it alone.

    Attributes:
        mesh: (468, 3) in the pixels of the 128 px crop.
        warp: carries faces onto that mesh.
        crops: by side, (S, S, 3) RGB uint8, the face upright and 60 % of the side, at 128 for the coarse network, at 256 for
            the warp, and at the refine network's side.
        skin, face: by side, (S, S) float32 in [0, 1], where skin is most likely, and where the face may change.
        size: side of the crop in which the result is composed; no crop is larger.
        refined: side that the refine network sees, or 0.
        to_photo: (2, 3) pixels of the crop of that side to pixels of the photo.
    """

    mesh: FloatArray
    warp: MeshWarp
    crops: dict[int, Photo]
    skin: dict[int, FloatArray]
    face: dict[int, FloatArray]
    size: int
    refined: int
    to_photo: np.ndarray

    @classmethod
    def of(cls, photo: Photo, mesh: FloatArray, tier: TierSpec) -> Self:
        """Prepares the face with this mesh (468, 3) in `photo` (H, W, 3) RGB uint8.

        Args:
            photo, mesh: the target.
            tier: the largest sides; no crop is larger than the face asks for.
        """
        small = mesh_crop_transform(mesh, FUSION_FACE_SHARE, COARSE_SIZE)
        size = detail_side(face_size(mesh), tier.detail_size)
        refined = refined_side(size, tier.refine_size)
        within = {side: rescale_transform(small, side / COARSE_SIZE) for side in {COARSE_SIZE, SETTLE_SIZE, refined} - {0}}
        meshes = {side: transform_points(mesh, matrix) for side, matrix in within.items()}
        return cls(
            mesh=meshes[COARSE_SIZE],
            warp=MeshWarp(meshes[COARSE_SIZE], COARSE_SIZE),
            crops={side: crop_photo(photo, matrix, side) for side, matrix in within.items()},
            skin={side: skin_mask(meshes[side], side) for side in (COARSE_SIZE, SETTLE_SIZE)},
            face={side: face_mask(points, side) for side, points in meshes.items()},
            size=size,
            refined=refined,
            to_photo=invert(rescale_transform(small, size / COARSE_SIZE)),
        )

    @property
    def nbytes(self) -> int:
        """About how many bytes it takes."""
        groups: tuple[dict[int, Any], ...] = (self.crops, self.skin, self.face)
        return self.warp.nbytes + sum(int(each.nbytes) for group in groups for each in group.values())


@dataclass(frozen=True)
class AlignedPair:
    """The source on the target's mesh, in the target's aligned crop.

    Attributes:
        target: the target.
        warped: (size, size, 3) RGB uint8, the source at the detail size, in the target's tone and light.
        warped_small: (128, 128, 3) RGB uint8, for the coarse network.
        covered: (192, 192) float32, where the target must not change (`Coverings.closed_to`).
    """

    target: TargetView
    warped: Photo
    warped_small: Photo
    covered: FloatArray

    @property
    def to_photo(self) -> np.ndarray:
        """(2, 3) pixels of the detail crop to pixels of the target photo."""
        return self.target.to_photo

    def at(self, size: int) -> tuple[Photo, Photo, FloatArray]:
        """The warped source, the target's crop and where change is allowed, at 128 or the refine network's side.

        Returns:
            (size, size, 3) RGB uint8 twice, and (size, size) float32 in [0, 1].
        """
        warped = self.warped_small if size == COARSE_SIZE else _smaller(self.warped, size)
        return warped, self.target.crops[size], uncovered(self.target.face[size], self.covered)

    @classmethod
    def align(
        cls,
        source: Callable[[int], tuple[Photo, FloatArray]],
        target: TargetView,
        *,
        mesh: FaceMesh,
        settled: float,
        worn: Coverings,
        theirs: Coverings,
    ) -> Self:
        """Warps the source onto the target, and corrects its tone and light.

        Args:
            source: gives the source's `aligned_crop` of a side.
            target: its view.
            mesh: settles the warp.
            settled: share of the error in the expression that is taken back, in [0, 1].
            worn: what lies over the target's face, and stays.
            theirs: what lies over the source's, and does not travel.
        """
        size, warp, small = target.size, target.warp, target.crops[COARSE_SIZE]
        face, points = source(size)
        if settled > 0:
            points = settle(target, face, points, mesh, settled, worn.kept)
        shrunk = rescale_transform(np.eye(2, 3), COVERINGS[0] / size)
        hides = warp(theirs.hides, transform_points(points, shrunk), COVERINGS[0])
        covered = worn.closed_to(hides)
        skin = uncovered(target.skin[COARSE_SIZE], covered)
        warped = _lit(warp(face, points, size), small, skin)
        turn = hidden_turn(points, target.mesh)
        if abs(turn) > FROM:
            share = mirrored_share(warp, target.mesh, turn, size)
            other = _lit(warp(face[:, ::-1], mirrored(points, size), size), small, skin)
            warped = np.asarray(cv2.blendLinear(other, warped, share, 1 - share), np.uint8)
        warped = without_hairline(warped, worn.foreign_hair(hides))
        return cls(target, warped, _smaller(warped), covered)


def detail_side(size: float, largest: int) -> int:
    """Side of the crop that shows a face of `size` pixels at its own resolution: a multiple of 128, `largest` at most."""
    own_size = size / FUSION_FACE_SHARE
    return int(np.clip(np.ceil(own_size / COARSE_SIZE), 1, largest // COARSE_SIZE)) * COARSE_SIZE


def refined_side(size: int, largest: int) -> int:
    """Side of what the refine network sees of a crop of `size`, `largest` at most; 0 where that is too small for it."""
    side = min(size, largest)
    return side if side >= LEAST_SIZE else 0


def _smaller(image: Photo, size: int = COARSE_SIZE) -> Photo:
    if image.shape[0] == size:
        return image
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def _lit(warped: Photo, target_small: Photo, skin: FloatArray) -> Photo:
    """The warped source (S, S, 3) in the tone and light of the target, whose 128 px crop and skin are given."""
    return match_light(_smaller(warped), target_small, skin)(warped)


def aligned_crop(photo: Photo, face: Face, size: int) -> tuple[Photo, FloatArray]:
    """A face cut out at the size at which it is needed, area-averaged, so that the warp does not alias.

    Args:
        photo: (H, W, 3) RGB uint8.
        face: a face in it.
        size: side of the crop.

    Returns:
        (size, size, 3) RGB uint8, the face upright and 60 % of the side; its mesh (468, 3) in the crop's pixels.
    """
    cut = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, size)
    return crop_photo(photo, cut, size), transform_points(face.mesh, cut)


def settle(
    target: TargetView, face: Photo, points: FloatArray, mesh: FaceMesh, share: float, covered: FloatArray
) -> FloatArray:
    """Corrects the source's points until the warped face has the target's expression to the eye that measures it.

    The mesh network errs a little differently on the two faces, and a brow that it puts too high on one of them is warped
    too low. It errs alike on the warped face and on the target, which share pose and expression; so the warped face is
    measured in the target's place, and what differs is taken back at the source. What is taken back is partly the person's
    own features: a second round was measured to cost more likeness than it gained in expression.

    Args:
        target: the target.
        face: (S, S, 3) the source's aligned crop.
        points: (468, 3) the source's mesh in it.
        mesh: the network that measures.
        share: how much of the difference is taken back, in [0, 1].
        covered: (S, S) float32, where something hides the target's face.

    Returns:
        (468, 3) corrected points.
    """
    size = SETTLE_SIZE
    crop, wanted = target.crops[size], transform_points(target.mesh, rescale_transform(np.eye(2, 3), size / COARSE_SIZE))
    skin, inside = (uncovered(mask, covered) for mask in (target.skin[size], target.face[size]))
    flow = target.warp.flow(points, size)
    warped, _ = match_skin(sample(face, flow), crop, skin)
    tried = cv2.blendLinear(warped, crop, inside, 1 - inside)
    error = mesh.measure(np.asarray(tried, np.uint8), wanted)[:, :2] - wanted[:, :2]
    # Where the points that the network sees at `wanted + error` come from in the source.
    origin = sample(flow, (wanted[:, :2] + share * error)[:, None], cv2.BORDER_REPLICATE)
    return np.concatenate([origin.reshape(-1, 2), points[:, 2:]], axis=1)
