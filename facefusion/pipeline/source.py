"""Cuts a source face out of its photo, without glasses, things, background and single strands of hair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from facefusion.compose.tone import LUMA
from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    reduced_crop,
    transform_points,
)
from facefusion.geometry.mask import brow_row, fill_points, grown, outline_mask, uncovered
from facefusion.geometry.sampling import PhotoPart
from facefusion.geometry.topology import OUTER_LIPS
from facefusion.images.inpaint import Patch, covered_with_skin
from facefusion.perception.coverings import MAP_SIZE, Coverings, at_map_size
from facefusion.perception.strands import CROP_SIZE as STRANDS_SIZE
from facefusion.perception.strands import find_strands, joined
from facefusion.types import Affine, Face, FloatArray, Mask, Mesh, Photo

#: Standard deviations in pixels of the Gaussians that average the skin laid over strands, things and
#: background, and that soften its edge.
PATCH: Final = (6.0, 1.0)
#: Ratio of a beard's luma to the skin's below which it is dark.
DARK_BEARD: Final = 0.75
#: Growth of the lips that a beard leaves out.
LIPS_GROWTH: Final = 0.1
#: Opacity of things and background above which skin is laid over them.
TRACE: Final = 0.02


@dataclass(frozen=True)
class SourceView:
    """A source face with access to its photo.

    Attributes:
        mesh: (468, 3) in the photo's pixels.
        aligned: returns the `AlignedFace` for a side in pixels.
        part: returns the part of the photo for a face of a size in pixels.
    """

    mesh: Mesh
    aligned: Callable[[int], AlignedFace]
    part: Callable[[int], PhotoPart]

    def prepared(self, executor: Executor) -> SourceView:
        """Returns the view with the crop for the expression correction made in an executor."""
        crop = executor.submit(self.aligned, EXPRESSION_SIZE)
        return replace(
            self,
            aligned=lambda size: crop.result() if size == EXPRESSION_SIZE else self.aligned(size),
        )


@dataclass(frozen=True)
class AlignedFace:
    """A source's aligned crop.

    Attributes:
        crop: (S, S, 3) RGB uint8, the face upright and 60 % of the side, with the patches applied.
        mesh: (468, 3) in the crop's pixels.
        to_crop: (2, 3) pixels of the photo to pixels of the crop.
        patches: skin that replaces spectacle frames, things, background and single strands of hair, over
            the crop.
        occlusion_maps: (192, 192, 2) float32 in [0, 1], `Coverings.occlusion_maps` with fringes of
            single strands.
        mouth: `Coverings.mouth`.
        bearded: whether it has a full beard.
        dark_beard: (192, 192) float32 in [0, 1], that beard without the lips where it is darker than
            the skin, or None.
    """

    crop: Photo
    mesh: Mesh
    to_crop: Affine
    patches: tuple[Patch, ...]
    occlusion_maps: FloatArray
    mouth: float | None = None
    bearded: bool = False
    dark_beard: Mask | None = None

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        arrays = self.crop.nbytes + self.mesh.nbytes + self.to_crop.nbytes
        maps = self.occlusion_maps.nbytes
        maps += 0 if self.dark_beard is None else self.dark_beard.nbytes
        return arrays + maps + sum(patch.nbytes for patch in self.patches)

    @classmethod
    def of(
        cls, photo: Photo, face: Face, coverings: Coverings, size: int, *, strands: bool = True
    ) -> Self:
        """Cuts out the aligned crop, area-averaged where the photo is larger.

        Args:
            photo: (H, W, 3) RGB uint8.
            face: a face in the photo.
            coverings: coverings of the face.
            size: side of the crop in pixels.
            strands: whether to replace single strands of hair as well.
        """
        to_crop = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, size)
        crop, mesh = crop_photo(photo, to_crop, size), transform_points(face.mesh, to_crop)
        occlusion_maps = coverings.occlusion_maps
        patches = []
        if coverings.glasses is not None and (frame := coverings.glasses.patch(crop)) is not None:
            patches.append(frame)
        patches += skin_over((coverings.things, coverings.background), crop, mesh, coverings)
        hair_strands = _find_strands(crop, mesh, coverings.hair) if strands else None
        if hair_strands is not None:
            patches.append(hair_strands.patch)
            occlusion_maps = np.dstack(
                [np.maximum(occlusion_maps[..., 0], hair_strands.fringe), occlusion_maps[..., 1]]
            )
        for patch in patches:
            crop = patch.onto(crop)
        return cls(
            crop,
            mesh,
            to_crop,
            tuple(patches),
            occlusion_maps,
            coverings.mouth,
            coverings.beard is not None,
            _dark_beard(coverings, crop, mesh),
        )


def _dark_beard(coverings: Coverings, crop: Photo, mesh: Mesh) -> Mask | None:
    """Returns `AlignedFace.dark_beard` for a face's coverings, its crop and the mesh in it.

    A white or fair beard would take the colour of the target's skin.
    """
    if coverings.beard is None:
        return None
    small, mesh = reduced_crop(crop, mesh, MAP_SIZE[0])
    skin = uncovered(outline_mask(mesh, MAP_SIZE[0]), coverings.everything)
    lips = np.zeros(MAP_SIZE, np.uint8)
    fill_points(lips, grown(mesh[list(OUTER_LIPS), :2], LIPS_GROWTH), 255)
    beard = uncovered(coverings.beard, np.asarray(lips / np.float32(255), np.float32))
    luma = small @ LUMA
    if beard.sum() < 1 or skin.sum() < 1:
        return None
    darkness = np.average(luma, weights=beard) / max(np.average(luma, weights=skin), 1)
    return beard if darkness < DARK_BEARD else None


def skin_over(
    areas: Sequence[Mask | None], crop: Photo, mesh: Mesh, coverings: Coverings
) -> list[Patch]:
    """Covers things or background with the skin beside them.

    The colours of things would show at the soft edges of masks, and the background past a cheek on
    the target's cheek. Above the brows the target's forehead stays.

    Args:
        areas: each (192, 192) float32 in [0, 1] over the crop, or None.
        crop: (S, S, 3) RGB uint8, aligned.
        mesh: (468, 3) in the crop's pixels.
        coverings: the face's.

    Returns:
        A patch for each area but None.
    """
    covered = [area for area in areas if area is not None]
    if not covered:
        return []
    small, mesh = reduced_crop(crop, mesh, MAP_SIZE[0])
    skin = uncovered(outline_mask(mesh, MAP_SIZE[0]), coverings.not_skin)
    patches = []
    for area in covered:
        hole = (area > TRACE).astype(np.uint8)
        hole[: brow_row(mesh)] = 0
        patches.append(covered_with_skin(small, hole, skin, *PATCH))
    return patches


@dataclass(frozen=True)
class _SourceStrands:
    """Strands of a source's hair over its forehead.

    Attributes:
        patch: skin that replaces them.
        fringe: (192, 192) float32 in [0, 1], where they are dense.
    """

    patch: Patch
    fringe: Mask


def _find_strands(crop: Photo, mesh: Mesh, hair: Mask) -> _SourceStrands | None:
    """Finds the strands in an aligned crop; arguments as of `strands.find_strands`, at any side."""
    small, mesh = reduced_crop(crop, mesh, STRANDS_SIZE)
    strands = find_strands(small, mesh, hair)
    if not strands.any():
        return None
    skin = uncovered(outline_mask(mesh, STRANDS_SIZE), hair)
    patch = covered_with_skin(small, strands, skin, *PATCH)
    fringe = at_map_size(joined(strands))
    return _SourceStrands(patch, fringe)
