"""What the fusion networks are given when real photos are fused: to calibrate a quantised network on, and to judge it by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from facefusion.errors import FusionError
from facefusion.evaluation.pairs import Pair
from facefusion.photos import read_photo
from facefusion.pipeline import FusionPipeline
from facefusion.tiers import Tier
from facefusion.types import FloatArray

#: Arrays by the name of the network's input.
Feeds = dict[str, FloatArray]
#: Both sizes that the refine network meets.
RECORDED: Final = (Tier.BALANCED, Tier.BEST)


@dataclass
class _Listener:
    """A session that remembers what it was given."""

    session: Any
    heard: list[Feeds] = field(default_factory=list)

    def run(self, outputs: list[str], feeds: Feeds) -> list[FloatArray]:
        self.heard.append(feeds)
        answers: list[FloatArray] = self.session.run(outputs, feeds)
        return answers


@contextmanager
def listening(pipeline: FusionPipeline) -> Iterator[dict[str, list[Feeds]]]:
    """Records what `coarse` and `refine` are given while the context lasts."""
    networks: dict[str, Any] = {"coarse": pipeline.coarse, "refine": pipeline.refine}
    listeners = {name: _Listener(network._session) for name, network in networks.items()}
    for name, network in networks.items():
        network._session = listeners[name]
    try:
        yield {name: listener.heard for name, listener in listeners.items()}
    finally:
        for name, network in networks.items():
            network._session = listeners[name].session


def record(pipeline: FusionPipeline, folder: Path, pairs: Iterable[Pair]) -> dict[str, list[Feeds]]:
    """Fuses pairs of photos and returns the inputs of the two fusion networks.

    Args:
        pipeline: the product, with the networks in 32 bits.
        folder: the data folder.
        pairs: files in it; a pair that cannot be fused is passed over.
    """
    with listening(pipeline) as heard:
        for pair in pairs:
            photos = (read_photo(folder / pair.source, "source"), read_photo(folder / pair.target, "target"))
            for tier in RECORDED:
                try:
                    pipeline(*photos, tier=tier)
                except FusionError:
                    continue
    return heard


def fused(feeds: Feeds, mask: FloatArray, delta: FloatArray) -> FloatArray:
    """The fused crop (3, S, S) in [0, 1] that a network's answer stands for."""
    target = feeds["target"][0]
    return np.clip(target + mask[0] * (feeds["warped"][0] + delta[0] - target), 0, 1)


def psnr(found: FloatArray, truth: FloatArray, inside: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of (3, S, S) images in [0, 1] where `inside` (S, S) is true; at most 120."""
    error = float(np.mean((found[:, inside].astype(np.float64) - truth[:, inside]) ** 2))
    return 10 * float(np.log10(1 / max(error, 1e-12)))
