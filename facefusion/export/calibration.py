"""Records the fusion networks' inputs on real photos, to calibrate and judge quantised ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from facefusion.engines.registry import Engine
from facefusion.engines.sessions import Feeds, Network
from facefusion.errors import FusionError
from facefusion.evaluation.pairs import Pair, draw_pairs, val_faces
from facefusion.fusion.coarse import CoarseRunner
from facefusion.fusion.refine import RefineRunner
from facefusion.images.reading import read_photo
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import TIERS
from facefusion.types import FloatArray

#: Numbers of photo pairs to calibrate on, and of others to judge by.
CALIBRATION, JUDGING = 24, 16


@dataclass
class _Recorder:
    """A network that records its inputs."""

    network: Network
    inputs: list[Feeds] = field(default_factory=list)

    def run(self, outputs: list[str], feeds: Feeds, /) -> list[FloatArray]:
        self.inputs.append(feeds)
        return self.network.run(outputs, feeds)


def recording(pipeline: FusionPipeline) -> tuple[FusionPipeline, dict[str, list[Feeds]]]:
    """Returns a pipeline that records the inputs of `coarse` and `refine`, and the records."""
    coarse = _Recorder(pipeline.networks.coarse.network)
    refine = _Recorder(pipeline.networks.refine.network)
    networks = replace(pipeline.networks, coarse=CoarseRunner(coarse), refine=RefineRunner(refine))
    copy = FusionPipeline(networks, chooser=pipeline.chooser, steps=pipeline.steps)
    return copy, {"coarse": coarse.inputs, "refine": refine.inputs}


def record(pipeline: FusionPipeline, folder: Path, pairs: Iterable[Pair]) -> dict[str, list[Feeds]]:
    """Fuses pairs of photos and returns the inputs of the two fusion networks.

    Args:
        pipeline: the product, with the networks in 32 bits.
        folder: the data folder.
        pairs: files in it; pairs that cannot be fused are skipped.
    """
    recorder, inputs = recording(pipeline)
    tiers = [tier for tier, spec in TIERS.items() if spec.refines]  # all sizes of its inputs
    for pair in pairs:
        photos = (
            read_photo(folder / pair.source, "source"),
            read_photo(folder / pair.target, "target"),
        )
        for tier in tiers:
            try:
                recorder(*photos, tier=tier)
            except FusionError:
                continue
    return inputs


def split_pairs(folder: Path, limit: int) -> tuple[list[Pair], list[Pair]]:
    """Draws validation pairs to calibrate on and others to judge by, at most `limit` of each.

    Raises:
        DataError: the data cannot be used.
    """
    calibrating, judging = min(CALIBRATION, limit), min(JUDGING, limit)
    pairs = draw_pairs(val_faces(folder), calibrating + judging)
    return pairs[:calibrating], pairs[calibrating:]


def record_parts(
    weights: Path, folder: Path, parts: Iterable[Iterable[Pair]]
) -> list[dict[str, list[Feeds]]]:
    """Calls `record` for each part, with the networks of `weights` in 32 bits."""
    pipeline = FusionPipeline.from_pretrained(weights, engine=Engine.ONNXRUNTIME)
    return [record(pipeline, folder, part) for part in parts]
