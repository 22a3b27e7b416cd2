"""Data types shared by all modules: photos, faces, swaps and results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from facefusion.tiers import Tier, TierChoice

#: (H, W, 3) RGB uint8.
Photo = NDArray[np.uint8]
FloatArray = NDArray[np.float32]
#: (468, 2 or 3) points of a face in MediaPipe's topology: x and y in pixels, z in the same unit.
Mesh: TypeAlias = FloatArray
#: (H, W) float32 in [0, 1].
Mask: TypeAlias = FloatArray
#: (2, 3) matrix from pixels of one image to pixels of another.
Affine: TypeAlias = NDArray[np.float64]
Array = TypeVar("Array", bound=np.ndarray)


@dataclass(frozen=True)
class Detection:
    """A face found in a photo.

    Attributes:
        box: (4,) left, top, right, bottom in photo pixels.
        score: confidence in [0, 1].
        points: (5, 2) photo pixels: image-left eye, image-right eye, nose tip, image-left and
            image-right mouth corner.
    """

    box: FloatArray
    score: float
    points: FloatArray


@dataclass(frozen=True)
class Face:
    """A detected face with its mesh and pose.

    Attributes:
        detection: box and five points.
        mesh: (468, 3) MediaPipe topology, x and y in photo pixels, z in the same unit.
        yaw, pitch, roll: head pose in degrees (`geometry.pose`).
    """

    detection: Detection
    mesh: Mesh
    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class Timings:
    """Seconds by stage, in the order in which the stages ran."""

    stages: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Seconds of all stages together."""
        return sum(self.stages.values())


@dataclass(frozen=True)
class Swap:
    """A source and the target face that it replaces.

    Attributes:
        source: a source photo, or a list of 1 to 3 of one person (`FusionPipeline.__call__`).
        face: the face of the target photo that is replaced, from `FusionPipeline.find_faces`; the
            one of `FusionPipeline.find_face` if None.
    """

    source: Any
    face: Face | None = None


class Flaw(StrEnum):
    """What can be seen to be wrong with a new face (`pipeline.checks`)."""

    #: Its edge or a half of it stands out: the light of the two photos differs much.
    LIGHT = "light"
    #: The source's mouth is open and the target's is not.
    MOUTH = "mouth"
    #: A part of it has lost its detail.
    SMEARED = "smeared"
    #: All of it is softer than the photo.
    SOFT = "soft"


class Kept(StrEnum):
    """What a new face keeps of the photo's own (`pipeline.kept`)."""

    #: A full beard, with moustache and mouth, where the source has none.
    BEARD = "beard"
    #: Closed lips, where the source shows its teeth.
    LIPS = "lips"
    #: Shut eyes.
    LIDS = "lids"
    #: Open eyes, where the source's are shut or nearly so, or hidden by dark or tinted glass.
    EYES = "eyes"
    GLASSES = "glasses"
    #: Hair that hangs over the face.
    HAIR = "hair"
    #: Cloth, hands and other things in front of the face.
    THINGS = "things"


@dataclass(frozen=True)
class FusedFace:
    """One replaced face.

    Attributes:
        source, target: the face that was warped, and the one that it replaced.
        identity_similarity: cosine between the source's and the result's identity embeddings, in
            [-1, 1]; NaN in a draft.
        warped: (S, S, 3) RGB uint8, the source on the target's mesh, in the target's tone and light,
            in an upright crop.
        fused: (S, S, 3) RGB uint8, the fused face in the target's aligned crop, in its light.
        to_photo: (2, 3) pixels of that crop to pixels of the photo.
        source_crop: (256, 256, 3) RGB uint8, the source's aligned crop.
        covered: (192, 192) float32 in [0, 1] for source and target, what covers their faces in
            their aligned crops.
        flaws: what can be seen to be wrong with it, the most serious first; empty in a draft.
        kept: what it keeps of the photo's own face.
    """

    source: Face
    target: Face
    identity_similarity: float
    warped: Photo
    fused: Photo
    to_photo: Affine
    source_crop: Photo
    covered: tuple[Mask, Mask]
    flaws: tuple[Flaw, ...] = ()
    kept: tuple[Kept, ...] = ()


#: An array, or a function that makes it.
Made: TypeAlias = Array | Callable[[], Array]


class _Field(Generic[Array]):
    """A field set to an array, or to a function that makes a new array at each access."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    @overload
    def __get__(self, owner: None, kind: type) -> Any: ...

    @overload
    def __get__(self, owner: object, kind: type) -> Array: ...

    def __get__(self, owner: object | None, kind: type) -> Any:
        if owner is None:  # `dataclass` reads the class for a default: there is none
            raise AttributeError(self._name)
        held = getattr(owner, self._name)
        return held() if callable(held) else held

    def __set__(self, owner: object, value: Made[Array]) -> None:
        object.__setattr__(owner, self._name, value)


@dataclass(frozen=True)
class FusionResult:
    """A fused photo.

    `image`, `coarse` and `mask` of large photos would take most of the memory: the pipeline's
    results hold only the new faces and render these three at each access.

    Attributes:
        image: the result at the chosen tier, RGB uint8, the target's size.
        coarse: the draft, composed from the coarse answer, RGB uint8, the target's size.
        mask: (H, W) float32 in [0, 1]: new share of each pixel, and 1 where the photo was warped.
            Where it is 0, `image` and `coarse` equal the target bit for bit.
        timings: seconds by stage.
        tier: the tier that ran; never `Tier.AUTO`.
        faces: the replaced faces.
        choice: Auto's choice and its reason, or None if a tier was requested.
    """

    image: _Field[Photo] = _Field()
    coarse: _Field[Photo] = _Field()
    mask: _Field[FloatArray] = _Field()
    # mypy reads the three fields above as fields with a default; they have none.
    timings: Timings  # type: ignore[misc]
    tier: Tier  # type: ignore[misc]
    faces: tuple[FusedFace, ...]  # type: ignore[misc]
    choice: TierChoice | None = None

    @property
    def identity_similarity(self) -> float:
        """Cosine between source and result embeddings, in [-1, 1]; the mean of several faces."""
        return float(np.mean([face.identity_similarity for face in self.faces]))

    @property
    def flaws(self) -> tuple[Flaw, ...]:
        """What can be seen to be wrong with any of the new faces."""
        found = {flaw for face in self.faces for flaw in face.flaws}
        return tuple(flaw for flaw in Flaw if flaw in found)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """What the new faces keep of the photo's own."""
        found = {kept for face in self.faces for kept in face.kept}
        return tuple(kept for kept in Kept if kept in found)

    @property
    def source_face(self) -> Face:
        """The warped face of the (first) source."""
        return self.faces[0].source

    @property
    def target_face(self) -> Face:
        """The (first) replaced face of the target."""
        return self.faces[0].target

    @property
    def boxes(self) -> list[FloatArray]:
        """Boxes of the replaced faces, (4,) left, top, right, bottom in photo pixels."""
        meshes = [face.target.mesh[:, :2] for face in self.faces]
        return [np.concatenate([mesh.min(0), mesh.max(0)]) for mesh in meshes]
