"""Two faces on top of each other: what the fusion networks see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.compose.color import match_light, match_skin
from facefusion.compose.mask import face_mask, skin_mask, uncovered
from facefusion.fusion.coarse import COARSE_SIZE
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
from facefusion.types import Face, FloatArray, Photo

#: Side of the crop in which the warp is settled.
SETTLE_SIZE: Final = 256


@dataclass(frozen=True)
class AlignedPair:
    """The source on the target's mesh, in the target's aligned crop.

    Attributes:
        warped: (size, size, 3) RGB uint8, the source at the detail size, in the target's tone and light.
        warped_small, target_small: (128, 128, 3) RGB uint8, for the coarse network.
        face_mask: (128, 128) float32, where change is allowed.
        covered: (192, 192) float32, where the target must not change (`Coverings.closed_to`).
        mesh: (468, 3) the target's, in the pixels of the 128 px crop.
        to_photo: (2, 3) pixels of the detail crop to pixels of the target photo.
    """

    warped: Photo
    warped_small: Photo
    target_small: Photo
    face_mask: FloatArray
    covered: FloatArray
    mesh: FloatArray
    to_photo: np.ndarray

    def at(self, size: int, target: Photo) -> tuple[Photo, Photo, FloatArray]:
        """The warped source, the target's crop and the face mask at another side, not larger than the detail crop's.

        Args:
            size: side in pixels.
            target: the target photo.
        """
        own = self.warped.shape[0]
        warped = self.warped
        if size != own:
            warped = np.asarray(cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        crop = crop_photo(target, rescale_transform(invert(self.to_photo), size / own), size)
        view = rescale_transform(np.eye(2, 3), size / COARSE_SIZE)
        return warped, crop, uncovered(face_mask(transform_points(self.mesh, view), size), self.covered)

    @classmethod
    def align(
        cls,
        source: Callable[[int], tuple[Photo, FloatArray]],
        target: Photo,
        target_face: Face,
        *,
        largest: int,
        mesh: FaceMesh,
        settled: float,
        worn: Coverings,
        theirs: Coverings,
    ) -> Self:
        """Aligns the target, warps the source onto it, and corrects its tone and light.

        Args:
            source: gives the source's `aligned_crop` of a side.
            target: (H, W, 3) RGB uint8.
            target_face: its face.
            largest: largest side of the detail crop; it is never larger than the target's face asks for.
            mesh: settles the warp.
            settled: share of the error in the expression that is taken back, in [0, 1].
            worn: what lies over the target's face, and stays.
            theirs: what lies over the source's, and does not travel.
        """
        small = mesh_crop_transform(target_face.mesh, FUSION_FACE_SHARE, COARSE_SIZE)
        size = detail_side(face_size(target_face.mesh), largest)
        target_small = crop_photo(target, small, COARSE_SIZE)
        mesh_small = transform_points(target_face.mesh, small)

        face, points = source(size)
        warp = MeshWarp(mesh_small, COARSE_SIZE)
        covered = worn.kept
        if settled > 0:
            near = rescale_transform(small, SETTLE_SIZE / COARSE_SIZE)
            points = settle(warp, face, points, target, target_face, near, mesh, settled, covered)
        shrunk = rescale_transform(np.eye(2, 3), COVERINGS[0] / size)
        covered = worn.closed_to(warp(theirs.hides, transform_points(points, shrunk), COVERINGS[0]))
        skin = uncovered(skin_mask(mesh_small, COARSE_SIZE), covered)
        warped = _lit(warp(face, points, size), target_small, skin)
        turn = hidden_turn(points, mesh_small)
        if abs(turn) > FROM:
            share = mirrored_share(warp, mesh_small, turn, size)
            other = _lit(warp(face[:, ::-1], mirrored(points, size), size), target_small, skin)
            warped = np.asarray(cv2.blendLinear(other, warped, share, 1 - share), np.uint8)
        return cls(
            warped,
            _small(warped),
            target_small,
            uncovered(face_mask(mesh_small, COARSE_SIZE), covered),
            covered,
            mesh_small,
            invert(rescale_transform(small, size / COARSE_SIZE)),
        )


def detail_side(size: float, largest: int) -> int:
    """Side of the crop that shows a face of `size` pixels at its own resolution: a multiple of 128, `largest` at most."""
    own_size = size / FUSION_FACE_SHARE
    return int(np.clip(np.ceil(own_size / COARSE_SIZE), 1, largest // COARSE_SIZE)) * COARSE_SIZE


def _small(image: Photo) -> Photo:
    if image.shape[0] == COARSE_SIZE:
        return image
    return np.asarray(cv2.resize(image, (COARSE_SIZE, COARSE_SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def _lit(warped: Photo, target_small: Photo, skin: FloatArray) -> Photo:
    """The warped source (S, S, 3) in the tone and light of the target, whose 128 px crop and skin are given."""
    return match_light(_small(warped), target_small, skin)(warped)


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
    warp: MeshWarp,
    face: Photo,
    points: FloatArray,
    target: Photo,
    target_face: Face,
    matrix: np.ndarray,
    mesh: FaceMesh,
    share: float,
    covered: FloatArray,
) -> FloatArray:
    """Corrects the source's points until the warped face has the target's expression to the eye that measures it.

    The mesh network errs a little differently on the two faces, and a brow that it puts too high on one of them is warped
    too low. It errs alike on the warped face and on the target, which share pose and expression; so the warped face is
    measured in the target's place, and what differs is taken back at the source. What is taken back is partly the person's
    own features: a second round was measured to cost more likeness than it gained in expression.

    Args:
        warp: onto the target's mesh.
        face: (S, S, 3) the source's aligned crop.
        points: (468, 3) the source's mesh in it.
        target: the photo.
        target_face: its face.
        matrix: (2, 3) photo pixels to the SETTLE_SIZE crop.
        mesh: the network that measures.
        share: how much of the difference is taken back, in [0, 1].
        covered: (S, S) float32, where something hides the target's face.

    Returns:
        (468, 3) corrected points.
    """
    size = SETTLE_SIZE
    crop, wanted = crop_photo(target, matrix, size), transform_points(target_face.mesh, matrix)
    skin, inside = (uncovered(mask(wanted, size), covered) for mask in (skin_mask, face_mask))
    flow = warp.flow(points, size)
    warped, _ = match_skin(sample(face, flow), crop, skin)
    tried = cv2.blendLinear(warped, crop, inside, 1 - inside)
    error = mesh.measure(np.asarray(tried, np.uint8), wanted)[:, :2] - wanted[:, :2]
    # Where the points that the network sees at `wanted + error` come from in the source.
    origin = sample(flow, (wanted[:, :2] + share * error)[:, None], cv2.BORDER_REPLICATE)
    return np.concatenate([origin.reshape(-1, 2), points[:, 2:]], axis=1)
