"""What lies over a face, glasses, hair, hats, lids: the target's stays on the fused face, the
source's stays behind.

The target's glasses are cut out of what may change, and so are its eyes where they are shut: from
open eyes no shut ones can be warped. So is what the source's hair or hat hides, wherever the
target's face is bare: its forehead is kept rather than a fringe drawn on it, with a margin for
strands and shadow. Where both have hair the fusion networks decide.
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
from facefusion.types import FloatArray, Photo

#: The crop of the maps, as OpenCV wants it, and a map of nothing.
SIZE: Final = (CROP_SIZE, CROP_SIZE)
#: Pixels of 192 by which the cut around the source's hair is widened: strands and their shadow are
#: that long.
HAIRLINE: Final = 5
_NONE: Final = np.zeros(SIZE, np.float32)


@dataclass(frozen=True)
class Coverings:
    """What lies over a face.

    Attributes:
        glasses: the glasses, or None.
        hair: (96, 96) float32 in [0, 1], where hair or a hat hides the face in its aligned crop.
        lids: (192, 192) float32 in [0, 1], the lids of shut eyes, or None.
    """

    glasses: Spectacles | None
    hair: FloatArray
    lids: FloatArray | None = None

    @property
    def always_keep(self) -> FloatArray:
        """(192, 192) float32 in [0, 1]: glasses and the lids of shut eyes, which stay on a target's
        face.
        """
        glasses = _NONE if self.glasses is None else self.glasses.covered
        return glasses if self.lids is None else np.maximum(glasses, self.lids)

    @property
    def occlusion_maps(self) -> FloatArray:
        """(192, 192, 2) float32 in [0, 1]: hair, and dark glass and its surround: nobody can say
        what is behind them.
        """
        dark = self.glasses.hidden if self.glasses is not None else None
        return np.dstack([cv2.resize(self.hair, SIZE), _NONE if dark is None else dark])

    @property
    def nbytes(self) -> int:
        """Bytes of all maps."""
        return self.hair.nbytes + sum(
            each.nbytes for each in (self.glasses, self.lids) if each is not None
        )

    def taken_off(self, crop: Photo) -> Photo:
        """The aligned crop (S, S, 3) without the frame of spectacles (`Spectacles.taken_off`)."""
        return crop if self.glasses is None else self.glasses.taken_off(crop)

    def source_only_hair(self, occlusion_maps: FloatArray) -> FloatArray:
        """The source's hair where this target's face is bare: (192, 192) float32 in [0, 1].

        Args:
            hides: the source's, carried onto this face.
        """
        return np.asarray(occlusion_maps[..., 0] * (1 - cv2.resize(self.hair, SIZE)), np.float32)

    def blocked_by(self, occlusion_maps: FloatArray) -> FloatArray:
        """Where this target's face must not change: (192, 192) float32 in [0, 1].

        Args:
            hides: the source's, carried onto this face.
        """
        return np.asarray(
            np.maximum(
                np.maximum(self.always_keep, occlusion_maps[..., 1]),
                self.source_only_hair(occlusion_maps),
            ),
            np.float32,
        )

    def around_hair(self, occlusion_maps: FloatArray, face: FloatArray) -> FloatArray:
        """The source's hair on this target's bare face, and what its strands and shadow reach:
        (192, 192) in [0, 1].

        Args:
            hides: the source's, carried onto this face.
            face: (N, N) float32 in [0, 1] of the same view, the face.
        """
        hair = self.source_only_hair(occlusion_maps) * cv2.resize(
            face, SIZE, interpolation=cv2.INTER_AREA
        )
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * HAIRLINE + 1,) * 2)
        wider = cv2.dilate(np.asarray(hair, np.float32), disc)
        return np.asarray(cv2.GaussianBlur(wider, (0, 0), HAIRLINE / 2), np.float32)


@dataclass(frozen=True)
class CoveringsFinder:
    """Finds what lies over a face.

    Attributes:
        spectacles, hair, eyelids: the networks that look.
    """

    spectacles: SpectaclesFinder
    hair: HairFinder
    eyelids: EyelidsFinder

    def __call__(self, photo: Photo, mesh: FloatArray) -> Coverings:
        """What lies over the face with this mesh (468, 3) in `photo` (H, W, 3) RGB uint8."""
        within = transform_points(mesh, mesh_crop_transform(mesh, FUSION_FACE_SHARE, CROP_SIZE))
        shut = lids(within, self.eyelids(photo, mesh), CROP_SIZE)
        return Coverings(self.spectacles(photo, mesh), self.hair(photo, mesh), shut)
