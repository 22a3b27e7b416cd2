"""Cuts a source face out of its photo, without glasses and single strands of hair."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final, Self

import cv2
import numpy as np

from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    rescale_points,
    transform_points,
)
from facefusion.geometry.mask import outline_mask, uncovered
from facefusion.geometry.sampling import PhotoPart
from facefusion.images.inpaint import Patch, covered_with_skin
from facefusion.perception.coverings import SIZE as COVERINGS
from facefusion.perception.coverings import Coverings
from facefusion.perception.strands import CROP_SIZE as STRANDS
from facefusion.perception.strands import dense, find_strands
from facefusion.types import Face, FloatArray, Photo

#: Standard deviations in pixels of the Gaussians that average the skin laid over strands, and that
#: soften its edge.
PATCH: Final = (6.0, 1.0)


@dataclass(frozen=True)
class SourceView:
    """A source face with access to its photo.

    Attributes:
        mesh: (468, 3) in the photo's pixels.
        aligned: returns the `AlignedFace` for a side in pixels.
        part: returns the part of the photo for a face of a size in pixels.
    """

    mesh: FloatArray
    aligned: Callable[[int], AlignedFace]
    part: Callable[[int], PhotoPart]

    def prepared(self, beside: Executor) -> SourceView:
        """Returns the view with the crop for the expression correction cut in an executor."""
        ready = beside.submit(self.aligned, EXPRESSION_SIZE)
        return replace(
            self,
            aligned=lambda size: ready.result() if size == EXPRESSION_SIZE else self.aligned(size),
        )


@dataclass(frozen=True)
class AlignedFace:
    """A source's aligned crop.

    Attributes:
        crop: (S, S, 3) RGB uint8, the face upright and 60 % of the side, with the patches applied.
        mesh: (468, 3) in the crop's pixels.
        to_crop: (2, 3) pixels of the photo to pixels of the crop.
        patches: skin that replaces spectacle frames and single strands of hair, over the crop.
        occlusion_maps: (192, 192, 2) float32 in [0, 1], `Coverings.occlusion_maps` with fringes of
            single strands.
    """

    crop: Photo
    mesh: FloatArray
    to_crop: np.ndarray
    patches: tuple[Patch, ...]
    occlusion_maps: FloatArray

    @classmethod
    def of(
        cls, photo: Photo, face: Face, worn: Coverings, size: int, *, strands: bool = True
    ) -> Self:
        """Cuts out the aligned crop, area-averaged where the photo is larger.

        Args:
            photo: (H, W, 3) RGB uint8.
            face: a face in the photo.
            worn: coverings of the face.
            size: side of the crop in pixels.
            strands: whether to replace single strands of hair as well.
        """
        cut = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, size)
        crop, mesh, occlusion_maps = (
            crop_photo(photo, cut, size),
            transform_points(face.mesh, cut),
            worn.occlusion_maps,
        )
        patches = [] if worn.glasses is None else [worn.glasses.patch(crop)]
        if strands:
            small = np.asarray(
                cv2.resize(crop, (STRANDS, STRANDS), interpolation=cv2.INTER_AREA), np.uint8
            )
            found = find_strands(small, rescale_points(mesh, size, STRANDS), worn.hair)
            if found.any():
                skin = outline_mask(rescale_points(mesh, size, STRANDS), STRANDS)
                bare = uncovered(skin, worn.hair)
                patches.append(covered_with_skin(small, found, bare, *PATCH))
                fringe = cv2.resize(dense(found), COVERINGS, interpolation=cv2.INTER_AREA)
                occlusion_maps = np.dstack(
                    [np.maximum(occlusion_maps[..., 0], fringe), occlusion_maps[..., 1]]
                )
        kept = tuple(patch for patch in patches if patch is not None)
        for patch in kept:
            crop = patch.onto(crop)
        return cls(crop, mesh, cut, kept, occlusion_maps)
