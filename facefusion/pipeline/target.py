"""Prepares a target face: crops, masks, tone and windows, without the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from facefusion.compose.features import FeatureMasks
from facefusion.compose.phototone import PhotoTone
from facefusion.compose.window import FaceWindow
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.fusion.sizes import DRAFT_SIZE, EXPRESSION_SIZE, CropSizes
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
from facefusion.perception.strands import CROP_SIZE as STRANDS_SIZE
from facefusion.perception.strands import Strands
from facefusion.pipeline.steps import Steps
from facefusion.tiers import TierSpec
from facefusion.types import Affine, Mask, Mesh, Photo

#: Longer side in pixels of the face in a crop of 224 px, the unit of lengths on faces.
UNIT_FACE: Final = 179.0


@dataclass(frozen=True)
class FaceAreas:
    """Areas of a face for the finishing steps, (256, 256) float32 in [0, 1] each.

    Attributes:
        skin: all skin inside the mesh's oval, without strands of hair, which are not its texture.
        features: eyes, brows and lips.
        outline_skin: the whole face with the forehead, without `features`.
    """

    skin: Mask
    features: Mask
    outline_skin: Mask

    @classmethod
    def of(cls, mesh: Mesh, strands: Strands | None) -> Self:
        """Makes the areas of a mesh (468, 3) in pixels of the 256 px crop."""
        skin = whole_skin_mask(mesh, EXPRESSION_SIZE)
        if strands is not None:
            skin = uncovered(skin, strands.opacity)
        features = feature_mask(mesh, EXPRESSION_SIZE)
        outline_skin = outline_mask(mesh, EXPRESSION_SIZE) * (1 - features)
        return cls(skin, features, np.asarray(outline_skin, np.float32))

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.skin.nbytes + self.features.nbytes + self.outline_skin.nbytes


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
        areas: areas for the finishing steps.
        sizes: sides of the crops.
        to_photo: (2, 3) pixels of the crop of `sizes.network` to pixels of the photo.
        strands: single strands of the target's hair over the forehead, or None.
        window: window in which the face is composed, or None outside of the photo.
        draft: window of the draft, at a lower resolution, or None outside of the photo.
        face_size: longer side of the face in the photo, in pixels.
        tone: maps the photo to ordinary light, in which `crops` are, and back.
        feature_masks: masks of features with a tone of their own, over the 128 px crop, or None.
    """

    mesh: Mesh
    warp: MeshWarp
    crops: dict[int, Photo]
    skin: dict[int, Mask]
    face: dict[int, Mask]
    areas: FaceAreas
    sizes: CropSizes
    to_photo: Affine
    strands: Strands | None
    window: FaceWindow | None
    draft: FaceWindow | None
    face_size: float
    tone: PhotoTone
    feature_masks: FeatureMasks | None

    @classmethod
    def of(
        cls,
        photo: Photo,
        mesh: Mesh,
        coverings: Coverings,
        tier: TierSpec,
        steps: Steps | None = None,
    ) -> Self:
        """Prepares the face with this mesh (468, 3) in `photo` (H, W, 3) RGB uint8.

        Args:
            photo, mesh: the target.
            coverings: coverings of the target face.
            tier: limits of the sides; no crop is larger than the face's own resolution needs.
            steps: steps to run; all by default.
        """
        steps = Steps() if steps is None else steps
        sizes = CropSizes.of(face_size(mesh), tier.detail_size, tier.refine_size)
        view = _CroppedFace.of(photo, mesh, sizes, coverings.in_front)
        tone = view.tone(steps)
        strands = view.strands(coverings) if steps.strands else None
        small = view.meshes[COARSE_SIZE]
        return cls(
            mesh=small,
            warp=MeshWarp(small, COARSE_SIZE, triangles=steps.triangles),
            crops={size: tone.raised(crop) for size, crop in view.crops.items()},
            skin=view.skin,
            face=view.face,
            areas=FaceAreas.of(view.meshes[EXPRESSION_SIZE], strands),
            sizes=sizes,
            to_photo=view.to_photo[sizes.network],
            strands=strands,
            window=view.window(photo.shape, tier.detail_size),
            draft=view.window(photo.shape, DRAFT_SIZE),
            face_size=face_size(mesh),
            tone=tone,
            feature_masks=FeatureMasks.of(small, COARSE_SIZE) if steps.lips else None,
        )

    def unit(self, window: FaceWindow) -> float:
        """Returns the pixels of a window per pixel of a face crop of 224 px."""
        return self.face_size * window.scale / UNIT_FACE

    def mask_over(self, mask: Mask, shape: tuple[int, ...]) -> Mask:
        """Places a mask (height, width) of the draft's window in a photo: (H, W) float32."""
        return (
            np.zeros(shape[:2], np.float32) if self.draft is None else self.draft.over(mask, shape)
        )

    @property
    def nbytes(self) -> int:
        """Approximate size in bytes."""
        features = self.feature_masks
        masks = [*self.skin.values(), *self.face.values()]
        masks += [] if features is None else [features.lips, features.whites, features.hairs]
        pixels = sum(crop.nbytes for crop in self.crops.values()) + sum(m.nbytes for m in masks)
        strands = 0 if self.strands is None else self.strands.nbytes
        return self.warp.nbytes + self.areas.nbytes + strands + pixels


@dataclass(frozen=True)
class _CroppedFace:
    """A face in aligned crops of several sides.

    Attributes:
        crops: by side, (S, S, 3) RGB uint8.
        meshes: by side, (468, 3) in the crop's pixels.
        to_photo: by side, (2, 3) pixels of the crop to pixels of the photo.
        skin, face: as in `PreparedTarget`.
    """

    crops: dict[int, Photo]
    meshes: dict[int, Mesh]
    to_photo: dict[int, Affine]
    skin: dict[int, Mask]
    face: dict[int, Mask]

    @classmethod
    def of(cls, photo: Photo, mesh: Mesh, sizes: CropSizes, in_front: Mask) -> Self:
        """Cuts out the crops of a face and makes their masks; skin is only where it is visible."""
        small = mesh_crop_transform(mesh, FUSION_FACE_SHARE, COARSE_SIZE)
        to_crop = {
            size: rescale_transform(small, size / COARSE_SIZE)
            for size in {COARSE_SIZE, EXPRESSION_SIZE, sizes.refine} - {0}
        }
        meshes = {size: transform_points(mesh, matrix) for size, matrix in to_crop.items()}
        skin = {
            size: uncovered(skin_mask(meshes[size], size), in_front)
            for size in (COARSE_SIZE, EXPRESSION_SIZE)
        }
        face = {size: face_mask(meshes[size], size) for size in (COARSE_SIZE, EXPRESSION_SIZE)}
        if sizes.refine > EXPRESSION_SIZE:  # the mask is smooth: it can be enlarged
            face[sizes.refine] = Frame.crop(sizes.refine).placed(face[EXPRESSION_SIZE])
        return cls(
            {size: crop_photo(photo, matrix, size) for size, matrix in to_crop.items()},
            meshes,
            {size: invert(matrix) for size, matrix in to_crop.items()},
            skin,
            face,
        )

    def tone(self, steps: Steps) -> PhotoTone:
        """Measures the tone of the photo."""
        return PhotoTone.of(
            self.crops[COARSE_SIZE],
            self.skin[COARSE_SIZE],
            exposure=steps.exposure,
            monochrome=steps.monochrome,
        )

    def strands(self, coverings: Coverings) -> Strands | None:
        """Finds single strands of hair over the forehead."""
        return Strands.of(self.crops[STRANDS_SIZE], self.meshes[STRANDS_SIZE], coverings.hair)

    def window(self, shape: tuple[int, ...], largest: int) -> FaceWindow | None:
        """Returns the window of the face in a photo of a shape (`FaceWindow.of`)."""
        return FaceWindow.of(
            self.face[EXPRESSION_SIZE], self.to_photo[EXPRESSION_SIZE], shape, largest
        )
