"""Compares INT8 with fp32 networks: difference of the outputs, cost in quality, time and size."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from tqdm import tqdm

from facefusion.engines.accuracy import fused, psnr
from facefusion.engines.registry import Engine
from facefusion.engines.sessions import Feeds, Network, make_session
from facefusion.errors import FusionError
from facefusion.evaluation.image_metrics import SSIM_NAME, ImageMetrics, ssim
from facefusion.evaluation.pairs import Pair, val_faces
from facefusion.evaluation.reconstruction import BASELINE, reconstruct
from facefusion.evaluation.reconstruction_samples import make_samples
from facefusion.evaluation.sheets import sheet as contact_sheet
from facefusion.evaluation.sheets import tile_row
from facefusion.images.reading import read_photo
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import best_tier
from facefusion.types import Photo

#: Least PSNR in dB of an INT8 network's outputs against the fp32 network's.
ENOUGH: Final = 40.0
#: Largest loss of PSNR in dB of reconstructions by INT8: too small to see.
MOST_LOST: Final = 0.5
#: Largest loss of cosine similarity to the source's identity by INT8: too small to see.
MOST_UNLIKE: Final = 0.01
#: Timed runs of each network, alternating between the two.
RUNS: Final = 15
ROWS: Final = 6
PAIR: Final = (Engine.ONNXRUNTIME, Engine.ONNXRUNTIME_INT8)
PSNR_NAME: Final = "PSNR, dB"
COLUMNS: Final = "target, fp32, INT8, ten times their difference"


@dataclass(frozen=True)
class Judgement:
    """Quality, time and size of a network against the one that it was made from.

    Attributes:
        psnr, least: mean and worst PSNR in dB between their fused crops inside the face.
        ratio: time of the network divided by the other's, on the largest inputs.
        milliseconds: times of the other and of the network.
        megabytes: size of its file.
    """

    psnr: float
    least: float
    ratio: float
    milliseconds: tuple[float, float]
    megabytes: float

    def __str__(self) -> str:
        return f"{self.psnr:.1f} dB (least {self.least:.1f}), {self.megabytes:.2f} MB, {self.ratio:.2f} of the time"


@dataclass(frozen=True)
class Cost:
    """Quality that INT8 costs in the pipeline, at the best tier.

    Attributes:
        samples: number of reconstructions.
        figures: means over them by measure: without fusion, fp32, INT8.
        identity: mean cosine similarity of other fusions to their sources, fp32 and INT8.
    """

    samples: int
    figures: dict[str, tuple[float, float, float]]
    identity: tuple[float, float]

    @property
    def decibels(self) -> float:
        """PSNR in dB that INT8 loses in reconstructions."""
        _, fp32, int8 = self.figures[PSNR_NAME]
        return fp32 - int8

    @property
    def too_much(self) -> bool:
        """Whether INT8 costs more than `MOST_LOST` or `MOST_UNLIKE` allows."""
        return self.decibels > MOST_LOST or self.identity[0] - self.identity[1] > MOST_UNLIKE


def judge(fp32: Path, int8: Path, judging: Sequence[Feeds]) -> Judgement:
    """Compares an INT8 network with the one in 32 bits, on inputs that it was not calibrated on.

    Their runs alternate, and the ratio is the median over the rounds, so that other load on the
    machine slows both.
    """
    sessions = [make_session(path) for path in (fp32, int8)]
    outputs = [answer.name for answer in sessions[0].get_outputs()]
    decibels = psnr_by_input(sessions[0], sessions[1], outputs, judging)
    largest = max(judging, key=lambda feeds: feeds["warped"].size)
    seconds = np.array(
        [[_timed(session, outputs, largest) for session in sessions] for _ in range(RUNS)]
    )
    ratio = float(np.median(seconds[:, 1] / seconds[:, 0]))
    first, second = (1000 * seconds.min(0)).tolist()
    return Judgement(
        float(np.mean(decibels)), min(decibels), ratio, (first, second), int8.stat().st_size / 1e6
    )


def psnr_by_input(
    reference: Network, network: Network, outputs: list[str], judging: Sequence[Feeds]
) -> list[float]:
    """Returns the PSNR in dB of two networks' fused crops inside the face, for each input."""
    decibels = []
    for feeds in judging:
        true, crop = (fused(feeds, *each.run(outputs, feeds)) for each in (reference, network))
        decibels.append(psnr(crop, true, feeds["face"][0, 0] > 0.5))
    return decibels


def _timed(session: Any, outputs: list[str], feeds: Feeds) -> float:
    begin = time.perf_counter()
    session.run(outputs, feeds)
    return time.perf_counter() - begin


def open_both(
    weights: Path, engines: tuple[Engine, Engine] = PAIR
) -> tuple[FusionPipeline, FusionPipeline]:
    """Builds the pipeline with its fusion networks in 32 and in 8 bits."""
    fp32, int8 = (FusionPipeline.from_pretrained(weights, engine=engine) for engine in engines)
    return fp32, int8


def psnr_inside(found: Photo, truth: Photo, inside: np.ndarray) -> float:
    """Returns the `psnr` of two photos (H, W, 3) RGB uint8 where `inside` is true."""
    first, second = ((photo / np.float32(255)).transpose(2, 0, 1) for photo in (found, truth))
    return psnr(first, second, inside)


def cost(
    weights: Path,
    folder: Path,
    portraits: int,
    pairs: Sequence[Pair],
    engines: tuple[Engine, Engine] = PAIR,
) -> Cost:
    """Reconstructs portraits and fuses pairs of photos with both pipelines, compares the results.

    Args:
        weights: directory of the networks.
        folder: the data folder.
        portraits: number of portraits to reconstruct.
        pairs: photos in the data folder to fuse.
        engines: the engines in 32 and in 8 bits.
    """
    metrics = ImageMetrics({PSNR_NAME: psnr_inside, SSIM_NAME: ssim})
    samples = list(make_samples(folder, val_faces(folder), portraits))
    pipelines = open_both(weights, engines)
    reconstructions = [
        reconstruct(pipeline, tqdm(samples, unit="portrait"), [best_tier()], metrics).figures
        for pipeline in pipelines
    ]
    figures = {
        name: (
            float(np.mean(reconstructions[0][BASELINE][name])),
            *(float(np.mean(each[best_tier()][name])) for each in reconstructions),
        )
        for name in metrics.available
    }
    similarities = list(_identities(pipelines, folder, pairs)) or [(float("nan"), float("nan"))]
    fp32, int8 = np.mean(similarities, axis=0).tolist()
    return Cost(len(samples), figures, (fp32, int8))


def _identities(
    pipelines: tuple[FusionPipeline, FusionPipeline], folder: Path, pairs: Sequence[Pair]
) -> Iterator[tuple[float, float]]:
    """Yields both pipelines' similarity to the source for each pair that can be fused."""
    for pair in pairs:
        source = read_photo(folder / pair.source, "source")
        target = read_photo(folder / pair.target, "target")
        try:
            first, second = (pipeline(source, target, tier=best_tier()) for pipeline in pipelines)
        except FusionError:
            continue
        yield first.identity_similarity, second.identity_similarity


def sheet(weights: Path, folder: Path, pairs: Sequence[Pair], path: Path) -> None:
    """Writes a contact sheet of both results and their difference."""
    pipelines = open_both(weights)
    rows = []
    for pair in pairs[:ROWS]:
        source, target = (
            read_photo(folder / pair.source, "source"),
            read_photo(folder / pair.target, "target"),
        )
        try:
            first, second = (pipeline(source, target, tier=best_tier()) for pipeline in pipelines)
        except FusionError:
            continue
        difference = 10 * np.abs(first.image.astype(int) - second.image)
        shown = np.clip(difference, 0, 255).astype(np.uint8)
        row = tile_row([target, first.image, second.image, shown], [first.target_face.mesh] * 4)
        likeness = f"identity {first.identity_similarity:.3f} and {second.identity_similarity:.3f}"
        rows.append((row, f"{pair.source} into {pair.target}: {likeness}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(rows, COLUMNS)).save(path)
