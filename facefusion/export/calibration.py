"""What the fusion networks are given when real photos are fused: to calibrate a quantised network on, and to judge it by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from facefusion.errors import FusionError
from facefusion.evaluation.pairs import Pair
from facefusion.photos import read_photo
from facefusion.pipeline import FusionPipeline
from facefusion.runtime import Feeds
from facefusion.tiers import Tier
from facefusion.types import FloatArray

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
