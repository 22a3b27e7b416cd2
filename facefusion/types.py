"""What the rooms of the house hand to each other."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facefusion.tiers import Tier, TierChoice

#: (H, W, 3) RGB uint8.
Photo = NDArray[np.uint8]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Detection:
    """A face found in a photo.

    Attributes:
        box: (4,) left, top, right, bottom in photo pixels.
        score: confidence in [0, 1].
        points: (5, 2) photo pixels: image-left eye, image-right eye, nose tip, image-left and image-right mouth corner.
    """

    box: FloatArray
    score: float
    points: FloatArray


@dataclass(frozen=True)
class Face:
    """A face that was found and measured.

    Attributes:
        detection: where it is.
        mesh: (468, 3) MediaPipe topology, x and y in photo pixels, z in the same unit.
        yaw, pitch, roll: head pose in degrees (`geometry.pose`).
    """

    detection: Detection
    mesh: FloatArray
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
class FusionResult:
    """A fused photo.

    Attributes:
        image: the result at the chosen tier, RGB uint8, the target's size.
        coarse: the coarse network's result, pasted into the photo, RGB uint8, the target's size.
        mask: (H, W) float32 in [0, 1]: how much of each pixel is new, and 1 where the photo was bent. Where it is 0,
            `image` and `coarse` are the target bit for bit.
        identity_similarity: cosine between the source's and the result's identity embeddings, in [-1, 1].
        timings: seconds by stage.
        tier: the tier that ran; never `Tier.AUTO`.
        source_face, target_face: the faces that were used.
        choice: why this tier, where the pipeline chose it.
    """

    image: Photo
    coarse: Photo
    mask: FloatArray
    identity_similarity: float
    timings: Timings
    tier: Tier
    source_face: Face
    target_face: Face
    choice: TierChoice | None = None
