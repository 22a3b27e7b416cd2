"""Finds coverings of a face: glasses, hair, hats, hands, things, and the lids of shut eyes.

The target's coverings are kept, the source's are not transferred. The target's glasses, shut eyes
and whatever is in front of its face are excluded from the face mask: shut eyes cannot be warped
from open ones, nor open ones from shut ones or from behind dark glass. So is a full beard where the
source has none, which would end in a ring (the source's own, if dark, goes onto a smooth face as a
whole, `compose.beard`), and so is the area that the source's hair or hat hides and the target's does
not, with a margin for strands and shadow: the target's forehead is kept, and no fringe appears on
it. Where both have hair, the fusion networks decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, overload

import cv2
import numpy as np

from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    mesh_crop_transform,
    rescale_points,
    transform_points,
)
from facefusion.geometry.mask import widened
from facefusion.geometry.ramps import ramp
from facefusion.geometry.topology import LEFT_EYE, RIGHT_EYE
from facefusion.perception.eyelids import EyelidsFinder, lids, nearly_shut
from facefusion.perception.face_parser import CROP_SIZE as PARTS_SIZE
from facefusion.perception.face_parser import FaceParser, FaceParts
from facefusion.perception.face_parts import FacePart
from facefusion.perception.hair import hair_over_face
from facefusion.perception.in_front import (
    NOTHING_HIDDEN,
    HiddenShares,
    beard,
    behind,
    cut_off,
    hair_in_front,
    mouth_opening,
    things,
)
from facefusion.perception.spectacles import CROP_SIZE, Spectacles
from facefusion.types import FloatArray, Mask, Mesh, Photo

#: Width and height of the maps in pixels, in OpenCV's order.
MAP_SIZE: Final = (CROP_SIZE, CROP_SIZE)
#: Pixels of the 192 px crop by which the source's hair is widened: the length of strands and their
#: shadow.
HAIRLINE: Final = 5
#: Values of the face mask from which on hair counts as on the face, and counts fully: already at the
#: soft edge of the mask it would show.
ON_FACE: Final = (0.02, 0.2)
_EMPTY: Final = np.zeros(MAP_SIZE, np.float32)


@dataclass(frozen=True)
class Coverings:
    """Coverings of one face.

    Attributes:
        glasses: the glasses, or None.
        hair: (96, 96) float32 in [0, 1], where hair or a hat hides the upper face in its aligned
            crop.
        lids: (192, 192) float32 in [0, 1], the lids of shut eyes, or None.
        narrow_lids: (192, 192) float32 in [0, 1], the lids of both eyes if they are shut or nearly so, or None.
        things: (192, 192) float32 in [0, 1], cloth, hands and things in front, or None.
        hair_in_front: (192, 192) float32 in [0, 1], hair that hangs over the face, or None.
        beard: (192, 192) float32 in [0, 1], a full beard with what it surrounds, or None.
        outside: (192, 192) float32 in [0, 1], beyond the photo's edge, or None.
        background: (192, 192) float32 in [0, 1], what is seen past a cheek or the jaw, or None.
        mouth: share of the mouth's opening (`mouth_opening`), or None where it is hidden.
        hidden: shares of the face that are hidden.
    """

    glasses: Spectacles | None
    hair: Mask
    lids: Mask | None = None
    narrow_lids: Mask | None = None
    things: Mask | None = None
    hair_in_front: Mask | None = None
    beard: Mask | None = None
    outside: Mask | None = None
    background: Mask | None = None
    mouth: float | None = None
    hidden: HiddenShares = NOTHING_HIDDEN

    @property
    def in_front(self) -> Mask:
        """Glasses, things and hair in front of the face: (192, 192) float32 in [0, 1]."""
        glasses = None if self.glasses is None else self.glasses.covered
        return _union(glasses, self.things, self.hair_in_front)

    @property
    def always_keep(self) -> Mask:
        """What a target keeps, shut lids included: (192, 192) float32 in [0, 1]."""
        return _union(self.in_front, self.lids)

    @property
    def everything(self) -> Mask:
        """All that covers the face, its beard included: (192, 192) float32 in [0, 1]."""
        return _union(self.always_keep, _enlarged(self.hair), self.beard)

    @property
    def eyes_covered(self) -> bool:
        """Whether dark or tinted glass may hide the eyes."""
        return self.glasses is not None and self.glasses.may_hide_eyes

    @property
    def shows_eyes(self) -> bool:
        """Whether the eyes are open and not behind dark or tinted glass."""
        return self.lids is None and not self.eyes_covered

    @property
    def gives_eyes(self) -> bool:
        """Whether a source shows its eyes wide enough open to be warped onto open ones."""
        return self.shows_eyes and self.narrow_lids is None

    @property
    def hidden_eyes(self) -> Mask:
        """Dark or tinted glass and lids of (nearly) shut eyes: (192, 192) float32 in [0, 1].

        An open eye cannot be warped from a shut one, nor from one behind dark glass.
        """
        glass = None if self.glasses is None else self.glasses.hidden
        return _union(glass, self.lids, self.narrow_lids)

    @property
    def occlusion_maps(self) -> FloatArray:
        """Hidden parts of the face, (192, 192, 2) float32 in [0, 1].

        The first map is hair; the second things, hidden eyes, and what the photo's edge cuts off.
        """
        hair = _union(_enlarged(self.hair), self.hair_in_front)
        return np.dstack([hair, _union(self.hidden_eyes, self.things, self.outside)])

    @property
    def not_skin(self) -> Mask:
        """What a source shows in place of its skin: (192, 192) float32 in [0, 1]."""
        return _union(self.occlusion_maps.max(-1), self.background)

    @property
    def nbytes(self) -> int:
        """Bytes of all maps."""
        return self.hair.nbytes + sum(
            part.nbytes
            for part in (
                self.glasses,
                self.lids,
                self.narrow_lids,
                self.things,
                self.hair_in_front,
                self.beard,
                self.outside,
                self.background,
            )
            if part is not None
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
        return np.asarray(occlusion_maps[..., 0] * (1 - _enlarged(self.hair)), np.float32)

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
        near = ramp(at_map_size(face), *ON_FACE)
        hair = self.source_only_hair(occlusion_maps) * near
        return widened(np.asarray(hair, np.float32), HAIRLINE, HAIRLINE / 2)

    def kept_beard(self, *, source_bearded: bool) -> Mask | None:
        """Returns this target's full beard where the source has none: (192, 192), or None."""
        return None if source_bearded else self.beard


@dataclass(frozen=True)
class CoveringsFinder:
    """The networks that find coverings."""

    parser: FaceParser
    eyelids: EyelidsFinder

    def __call__(self, photo: Photo, mesh: Mesh) -> Coverings:
        """Finds the coverings of the face with mesh (468, 3) in `photo` (H, W, 3) RGB uint8."""
        crop_mesh = transform_points(mesh, mesh_crop_transform(mesh, FUSION_FACE_SHARE, CROP_SIZE))
        shut = self.eyelids(photo, mesh)
        narrow = lids(crop_mesh, np.ones_like(shut), CROP_SIZE) if nearly_shut(shut) else None
        return coverings_of(self.parser(photo, mesh), lids(crop_mesh, shut, CROP_SIZE), narrow)


def coverings_of(
    parts: FaceParts, shut: Mask | None = None, narrow: Mask | None = None
) -> Coverings:
    """Makes coverings from the parts of a face and its lids.

    Args:
        parts: the parts.
        shut, narrow: (192, 192) float32 in [0, 1], `Coverings.lids` and `narrow_lids`, or None.
    """
    frame, dark = (at_map_size(parts.of(part)) for part in (FacePart.FRAME, FacePart.DARK_GLASS))
    eyes = np.stack([parts.mesh[list(eye), :2].mean(0) for eye in (LEFT_EYE, RIGHT_EYE)])
    return Coverings(
        glasses=Spectacles.found(frame, dark, rescale_points(eyes, PARTS_SIZE, CROP_SIZE)),
        hair=hair_over_face(parts),
        lids=shut,
        narrow_lids=narrow,
        things=at_map_size(things(parts)),
        hair_in_front=at_map_size(hair_in_front(parts)),
        beard=at_map_size(beard(parts)),
        outside=at_map_size(cut_off(parts)),
        background=at_map_size(behind(parts)),
        mouth=mouth_opening(parts),
        hidden=HiddenShares.of(parts),
    )


def _union(*parts: Mask | None) -> Mask:
    """Returns the maximum of maps (192, 192); 0 everywhere without any."""
    found = [part for part in parts if part is not None]
    return np.asarray(np.maximum.reduce(found), np.float32) if found else _EMPTY


def _enlarged(hair: Mask) -> Mask:
    """Enlarges a map of hair (96, 96) to `MAP_SIZE`."""
    return np.asarray(cv2.resize(hair, MAP_SIZE), np.float32)


@overload
def at_map_size(part: Mask) -> Mask: ...
@overload
def at_map_size(part: None) -> None: ...
def at_map_size(part: Mask | None) -> Mask | None:
    """Shrinks a map of the aligned crop to `MAP_SIZE`."""
    if part is None:
        return None
    return np.asarray(cv2.resize(part, MAP_SIZE, interpolation=cv2.INTER_AREA), np.float32)
