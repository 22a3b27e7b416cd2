"""Finds coverings of a face: glasses, hair, hats and the lids of shut eyes.

The target's coverings are kept, the source's are not transferred. The target's glasses and shut
eyes are excluded from the face mask: shut eyes cannot be warped from open ones. So is the area that
the source's hair or hat hides and the target's does not, with a margin for strands and shadow: the
target's forehead is kept, and no fringe appears on it. Where both have hair, the fusion networks
decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.align import FUSION_FACE_SHARE, mesh_crop_transform, transform_points
from facefusion.perception.eyelids import EyelidsFinder, lids
from facefusion.perception.hair import HairFinder
from facefusion.perception.spectacles import CROP_SIZE, Spectacles, SpectaclesFinder
from facefusion.types import FloatArray, Mask, Mesh, Photo

#: Width and height of the maps in pixels, in OpenCV's order.
MAP_SIZE: Final = (CROP_SIZE, CROP_SIZE)
#: Pixels of the 192 px crop by which the source's hair is widened: the length of strands and their
#: shadow.
HAIRLINE: Final = 5
_EMPTY: Final = np.zeros(MAP_SIZE, np.float32)


@dataclass(frozen=True)
class Coverings:
    """Coverings of one face.

    Attributes:
        glasses: the glasses, or None.
        hair: (96, 96) float32 in [0, 1], where hair or a hat hides the face in its aligned crop.
        lids: (192, 192) float32 in [0, 1], the lids of shut eyes, or None.
    """

    glasses: Spectacles | None
    hair: Mask
    lids: Mask | None = None

    @property
    def always_keep(self) -> Mask:
        """Glasses and shut lids, which a target keeps: (192, 192) float32 in [0, 1]."""
        glasses = _EMPTY if self.glasses is None else self.glasses.covered
        return glasses if self.lids is None else np.maximum(glasses, self.lids)

    @property
    def occlusion_maps(self) -> FloatArray:
        """Hidden parts of the face, (192, 192, 2) float32 in [0, 1].

        The first map is hair, the second dark glass and its surround.
        """
        dark_glass = self.glasses.hidden if self.glasses is not None else None
        return np.dstack(
            [cv2.resize(self.hair, MAP_SIZE), _EMPTY if dark_glass is None else dark_glass]
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all maps."""
        return self.hair.nbytes + sum(
            part.nbytes for part in (self.glasses, self.lids) if part is not None
        )

    def without_glasses(self, crop: Photo) -> Photo:
        """Removes the spectacle frame from the aligned crop (S, S, 3) (`Spectacles.without_frame`)."""
        return crop if self.glasses is None else self.glasses.without_frame(crop)

    def source_only_hair(self, occlusion_maps: FloatArray) -> Mask:
        """Returns the source's hair where this target's face is bare.

        Args:
            occlusion_maps: the source's, warped onto this face.

        Returns:
            (192, 192) float32 in [0, 1].
        """
        return np.asarray(
            occlusion_maps[..., 0] * (1 - cv2.resize(self.hair, MAP_SIZE)), np.float32
        )

    def blocked_by(self, occlusion_maps: FloatArray) -> Mask:
        """Returns where this target's face must not change.

        Args:
            occlusion_maps: the source's, warped onto this face.

        Returns:
            (192, 192) float32 in [0, 1].
        """
        return np.asarray(
            np.maximum(
                np.maximum(self.always_keep, occlusion_maps[..., 1]),
                self.source_only_hair(occlusion_maps),
            ),
            np.float32,
        )

    def around_hair(self, occlusion_maps: FloatArray, face: Mask) -> Mask:
        """Returns the source's hair on this target's bare face, widened for strands and shadow.

        Args:
            occlusion_maps: the source's, warped onto this face.
            face: (N, N) float32 in [0, 1], mask of the face in the same crop.

        Returns:
            (192, 192) float32 in [0, 1].
        """
        hair = self.source_only_hair(occlusion_maps) * cv2.resize(
            face, MAP_SIZE, interpolation=cv2.INTER_AREA
        )
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * HAIRLINE + 1,) * 2)
        wider = cv2.dilate(np.asarray(hair, np.float32), disc)
        return np.asarray(cv2.GaussianBlur(wider, (0, 0), HAIRLINE / 2), np.float32)


@dataclass(frozen=True)
class CoveringsFinder:
    """The networks that find coverings."""

    spectacles: SpectaclesFinder
    hair: HairFinder
    eyelids: EyelidsFinder

    def __call__(self, photo: Photo, mesh: Mesh) -> Coverings:
        """Finds the coverings of the face with mesh (468, 3) in `photo` (H, W, 3) RGB uint8."""
        crop_mesh = transform_points(mesh, mesh_crop_transform(mesh, FUSION_FACE_SHARE, CROP_SIZE))
        shut = lids(crop_mesh, self.eyelids(photo, mesh), CROP_SIZE)
        return Coverings(self.spectacles(photo, mesh), self.hair(photo, mesh), shut)
