"""Prepares a target face: crops, masks, tone and windows, without the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from facefusion.compose.features import FeatureMasks
from facefusion.compose.phototone import PhotoTone
from facefusion.compose.window import FaceWindow
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.fusion.sizes import DRAFT_SIZE, EXPRESSION_SIZE, detail_side, refined_side
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    face_size,
    invert,
    mesh_crop_transform,
    rescale_transform,
    transform_points,
)
from facefusion.geometry.frames import Frame
from facefusion.geometry.mask import (
    face_mask,
    feature_mask,
    outline_mask,
    skin_mask,
    uncovered,
    whole_skin_mask,
)
from facefusion.geometry.warp import MeshWarp
from facefusion.perception.coverings import Coverings
from facefusion.perception.strands import CROP_SIZE as STRANDS
from facefusion.perception.strands import Strands
from facefusion.pipeline.steps import Steps
from facefusion.tiers import TierSpec
from facefusion.types import FloatArray, Photo

#: Longer side in pixels of the face in a crop of 224 px, the unit of lengths on faces.
UNIT_FACE: Final = 179.0


@dataclass(frozen=True)
class PreparedTarget:
    """Everything of a target face that does not depend on the source.

    Attributes:
        mesh: (468, 3) in the pixels of the 128 px crop.
        warp: warps faces onto that mesh.
        crops: by side, (S, S, 3) RGB uint8, the face upright and 60 % of the side: at 128 for the
            coarse network, at 256 for the expression correction, and at the refine network's side.
        skin, face: by side, (S, S) float32 in [0, 1], where skin is most likely, and where the face
            may change.
        whole_skin, features: (256, 256) float32 in [0, 1], all skin of the face; eyes, brows and
            lips.
        bare_face: (256, 256) float32 in [0, 1], the whole face with the forehead, without eyes,
            brows and lips.
        side: side in pixels at which the source is rendered for the networks.
        refined: side of the refine network's input in pixels, or 0 where it does not run.
        size: side in pixels of the detail crop, used without single sampling.
        to_photo: (2, 3) pixels of the crop of `side` to pixels of the photo.
        strands: single strands of the target's hair over the forehead, or None.
        window: window in which the face is composed, or None outside of the photo.
        draft: window of the draft, at a lower resolution, or None outside of the photo.
        face_size: longer side of the face in the photo, in pixels.
        tone: maps the photo to ordinary light, in which `crops` are, and back.
        parts: masks of features with a tone of their own, over the 128 px crop, or None.
    """

    mesh: FloatArray
    warp: MeshWarp
    crops: dict[int, Photo]
    skin: dict[int, FloatArray]
    face: dict[int, FloatArray]
    whole_skin: FloatArray
    features: FloatArray
    bare_face: FloatArray
    side: int
    refined: int
    size: int
    to_photo: np.ndarray
    strands: Strands | None
    window: FaceWindow | None
    draft: FaceWindow | None
    face_size: float
    tone: PhotoTone
    parts: FeatureMasks | None

    @classmethod
    def of(
        cls,
        photo: Photo,
        mesh: FloatArray,
        worn: Coverings,
        tier: TierSpec,
        steps: Steps | None = None,
    ) -> Self:
        """Prepares the face with this mesh (468, 3) in `photo` (H, W, 3) RGB uint8.

        Args:
            photo, mesh: the target.
            worn: coverings of the target face.
            tier: limits of the sides; no crop is larger than the face's own resolution needs.
            steps: steps to run; all by default.
        """
        steps = Steps() if steps is None else steps
        small = mesh_crop_transform(mesh, FUSION_FACE_SHARE, COARSE_SIZE)
        size = detail_side(face_size(mesh), tier.detail_size)
        refined = refined_side(size, tier.refine_size)
        side = refined or min(size, EXPRESSION_SIZE)
        within = {
            s: rescale_transform(small, s / COARSE_SIZE)
            for s in {COARSE_SIZE, EXPRESSION_SIZE, refined} - {0}
        }
        meshes = {s: transform_points(mesh, matrix) for s, matrix in within.items()}
        face = {s: face_mask(meshes[s], s) for s in (COARSE_SIZE, EXPRESSION_SIZE)}
        if refined > EXPRESSION_SIZE:  # the mask is smooth: it can be enlarged
            face[refined] = Frame.crop(refined).placed(face[EXPRESSION_SIZE])
        to_photo = {s: invert(matrix) for s, matrix in within.items()}
        window, draft = (
            FaceWindow.of(face[EXPRESSION_SIZE], to_photo[EXPRESSION_SIZE], photo.shape, largest)
            for largest in (tier.detail_size, DRAFT_SIZE)
        )
        crops = {s: crop_photo(photo, matrix, s) for s, matrix in within.items()}
        skin = {s: skin_mask(meshes[s], s) for s in (COARSE_SIZE, EXPRESSION_SIZE)}
        tone = PhotoTone.of(
            crops[COARSE_SIZE],
            skin[COARSE_SIZE],
            exposure=steps.exposure,
            monochrome=steps.monochrome,
        )
        strands = Strands.of(crops[STRANDS], meshes[STRANDS], worn.hair) if steps.strands else None
        crops = {s: tone.raised(crop) for s, crop in crops.items()}
        whole_skin = whole_skin_mask(meshes[EXPRESSION_SIZE], EXPRESSION_SIZE)
        features = feature_mask(meshes[EXPRESSION_SIZE], EXPRESSION_SIZE)
        if strands is not None:  # strands are not texture of the skin
            whole_skin = uncovered(whole_skin, strands.opacity)
        return cls(
            mesh=meshes[COARSE_SIZE],
            warp=MeshWarp(meshes[COARSE_SIZE], COARSE_SIZE, triangles=steps.triangles),
            crops=crops,
            skin=skin,
            tone=tone,
            parts=FeatureMasks.of(meshes[COARSE_SIZE], COARSE_SIZE) if steps.lips else None,
            face=face,
            whole_skin=whole_skin,
            features=features,
            bare_face=np.asarray(
                outline_mask(meshes[EXPRESSION_SIZE], EXPRESSION_SIZE) * (1 - features), np.float32
            ),
            side=side,
            refined=refined,
            size=size,
            to_photo=invert(rescale_transform(small, side / COARSE_SIZE)),
            strands=strands,
            window=window,
            draft=draft,
            face_size=face_size(mesh),
        )

    def unit(self, window: FaceWindow) -> float:
        """Returns the pixels of a window per pixel of a face crop of 224 px."""
        return self.face_size * window.scale / UNIT_FACE

    def mask_over(self, mask: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        """Places a mask (height, width) of the draft's window in a photo: (H, W) float32."""
        return (
            np.zeros(shape[:2], np.float32) if self.draft is None else self.draft.over(mask, shape)
        )

    @property
    def nbytes(self) -> int:
        """Approximate size in bytes."""
        groups: tuple[dict[int, Any], ...] = (self.crops, self.skin, self.face)
        maps = (self.whole_skin, self.features, self.bare_face)
        single = sum(each.nbytes for each in maps) + (
            0 if self.strands is None else self.strands.nbytes
        )
        return (
            self.warp.nbytes
            + single
            + sum(int(each.nbytes) for group in groups for each in group.values())
        )
