"""Measures each tier's seconds on this machine, once, and keeps them on disk."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from facefusion.geometry.topology import MESH_POINTS, five_points
from facefusion.machine.measurements import recall, remember
from facefusion.pipeline.cache import FeatureCache
from facefusion.tiers import TIERS, Tier
from facefusion.types import Detection, Face, FloatArray, Photo

if TYPE_CHECKING:
    from facefusion.pipeline.pipeline import FusionPipeline

#: Seconds after which no further round of measuring begins.
TIME_LIMIT: Final = 0.5
#: Sides in pixels of the picture, and of the face in it, which fills every tier's crop.
SIDE, FACE_SIDE = 1024, 620
#: Stages of perception, which every tier has in common.
PERCEPTION: Final = ("detect", "mesh", "identity", "coverings")


@dataclass(frozen=True)
class Speed:
    """Measured seconds on this machine.

    Attributes:
        perception: seconds to find and measure the faces of two photos of 1024 px.
        rest: by tier, seconds of all later stages, for a face that fills the tier's crop.
    """

    perception: float
    rest: dict[Tier, float]

    def scaled(self, factor: float) -> Speed:
        """Returns the speed of a machine that takes `factor` times as long."""
        return Speed(
            factor * self.perception,
            {tier: factor * seconds for tier, seconds in self.rest.items()},
        )

    @property
    def expected_seconds(self) -> dict[Tier, float]:
        """Seconds by tier of a whole fusion of two photos that are not cached."""
        return {tier: self.perception + seconds for tier, seconds in self.rest.items()}


def known_speed(pipeline: FusionPipeline, key: str) -> Speed:
    """Returns the speed of `pipeline`, kept on disk under `key` or measured now.

    With an empty key it is always measured.
    """
    if not key:
        return measure(pipeline)
    speed = _as_speed(recall("speed", key))
    if speed is None:
        speed = measure(pipeline)
        keep_speed(key, speed)
    return speed


def keep_speed(key: str, speed: Speed) -> None:
    """Keeps a speed on disk under `key`; with an empty key it does nothing."""
    if key:
        remember("speed", key, {"perception": speed.perception, "rest": speed.rest})


def measure(pipeline: FusionPipeline, clock: Callable[[], float] = time.perf_counter) -> Speed:
    """Times the pipeline's stages on two grey pictures with a synthetic face.

    The first fusion is not counted, since networks allocate in it; then rounds over all tiers
    follow within the time limit, and the minimum of each counts, since other load of the machine
    only adds time.
    """
    pretended: Any = _Pretended(pipeline)
    twin = type(pipeline)(
        detector=pretended,
        mesh=pretended,
        identity=pipeline.identity,
        coverings=pipeline.coverings,
        coarse=pipeline.coarse,
        refine=pipeline.refine,
        cache=FeatureCache(),
        steps=pipeline.steps,
    )
    pictures = [np.full((SIDE, SIDE, 3), level, np.uint8) for level in (127, 128)]
    perception, rest = math.inf, dict.fromkeys(TIERS, math.inf)
    begin = clock()
    twin(*pictures, tier=Tier.BEST)
    while perception == math.inf or clock() - begin < TIME_LIMIT:
        twin.cache.clear()
        for tier in TIERS:
            stages = twin(*pictures, tier=tier).timings.stages
            first = sum(stages.pop(name) for name in PERCEPTION if name in stages)
            rest[tier] = min(rest[tier], sum(stages.values()))
            perception = min(perception, first or math.inf)  # 0 once the pictures are cached
    twin.cache.clear()
    # Other load may have slowed down a fast tier only: no tier takes longer than a better one.
    return Speed(perception, {tier: min(list(rest.values())[i:]) for i, tier in enumerate(rest)})


class _Pretended:
    """Detector and mesh network that run as usual but return a synthetic face."""

    def __init__(self, pipeline: FusionPipeline) -> None:
        self._detector, self._mesh = pipeline.detector, pipeline.mesh
        self.measure = pipeline.mesh.measure
        self._points = _disc()
        box = np.concatenate([self._points[:, :2].min(0), self._points[:, :2].max(0)])
        self._detection = Detection(box, 1.0, five_points(self._points))

    def glance(self, photo: Photo) -> list[Detection]:
        self._detector.glance(photo)
        return [self._detection]

    def __call__(self, photo: Photo, detection: Detection) -> Face:
        self._mesh(photo, detection)
        return Face(detection, self._points, 0.0, 0.0, 0.0)


def _disc() -> FloatArray:
    """Returns 468 points spread evenly over a disc of a face's size, by the golden angle."""
    index = np.arange(MESH_POINTS)
    angle, radius = index * 2.399963, FACE_SIDE / 2 * np.sqrt((index + 0.5) / MESH_POINTS)
    places = [
        SIDE / 2 + radius * np.cos(angle),
        SIDE / 2 + radius * np.sin(angle),
        np.zeros(MESH_POINTS),
    ]
    return np.stack(places, axis=1).astype(np.float32)


def _as_speed(kept: Any) -> Speed | None:
    try:
        speed = Speed(
            float(kept["perception"]), {tier: float(kept["rest"][tier.value]) for tier in TIERS}
        )
    except (KeyError, TypeError, ValueError):
        return None
    return speed if all(0 < value < math.inf for value in speed.expected_seconds.values()) else None
