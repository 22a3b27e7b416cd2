"""Engines: what runs the fusion networks. ONNX Runtime is always there; whichever of those installed is quickest is used.

On one processor 8-bit integers halve the time, on another they double it, so it is measured, not believed; an engine whose
answers are not the reference's (ONNX Runtime, 32 bits) is passed over, however quick.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.errors import WeightsError
from facefusion.remembered import machine_key, recall, remember
from facefusion.runtime import INT8, Feeds, Network, WeightFile, make_session
from facefusion.types import FloatArray

#: Networks that engines run, and the side of the largest crop that each sees.
SIDES: Final = {"coarse": 128, "refine": 512}
OUTPUTS: Final = {"coarse": ["mask", "delta"], "refine": ["refined_mask", "refined_delta"]}
#: Decibels that an engine's fused crops must reach against the reference's: in 32 bits, and in 8, where what is lost against
#: the truth was measured as the networks were made (`export.quantize`) and here only a broken engine is to be found out.
PARITY: Final = {False: 40.0, True: 30.0}
#: Names the engine to use, instead of the quickest.
ENGINE_VARIABLE: Final = "FACEFUSION_ENGINE"
#: Timed runs of each engine, of which the quickest counts.
RUNS: Final = 4


class Engine(StrEnum):
    """What runs the fusion networks, and in how many bits."""

    ONNXRUNTIME = "onnxruntime"
    ONNXRUNTIME_INT8 = "onnxruntime-int8"
    OPENVINO = "openvino"
    OPENVINO_INT8 = "openvino-int8"
    LITERT = "litert"

    @property
    def package(self) -> str:
        """The package to import."""
        return {"litert": "ai_edge_litert"}.get(name := self.value.removesuffix("-int8"), name)

    @property
    def int8(self) -> bool:
        """Whether it computes in 8 bits."""
        return self.value.endswith("-int8")


@dataclass(frozen=True)
class Trial:
    """What came of trying an engine.

    Attributes:
        seconds: of each network at the largest size; None where it does not run here.
        psnr: decibels between its fused crops and the reference's, the least of the networks'.
        reason: why it was passed over, or empty.
    """

    seconds: dict[str, float] | None
    psnr: float
    reason: str = ""

    @property
    def total(self) -> float:
        """Seconds of all networks."""
        return sum(self.seconds.values()) if self.seconds else float("inf")


def available(files: Mapping[str, WeightFile]) -> list[Engine]:
    """The engines that are installed and have their weights, the reference first.

    INT8 weights that were made from other weights than those beside them are as good as absent.
    """
    has_int8 = all(name + INT8 in files and files[name + INT8].made_from == files[name].sha256 for name in SIDES)
    return [
        engine
        for engine in Engine
        if find_spec(engine.package) is not None
        and (has_int8 or not engine.int8)
        and (engine is not Engine.LITERT or all(_tflite(files, name).is_file() for name in SIDES))
    ]


def open_network(engine: Engine, files: Mapping[str, WeightFile], name: str, threads: int | None = None) -> Network:
    """Opens the network `name` in an engine that is `available`, with so many threads (all cores by default)."""
    path = files[name + INT8 if engine.int8 else name].path
    if engine.package == "openvino":
        from facefusion.optional.openvino import OpenVinoNetwork

        return OpenVinoNetwork(path, threads)
    if engine.package == "ai_edge_litert":
        from facefusion.optional.litert import LiteRtNetwork

        return LiteRtNetwork(_tflite(files, name), threads)
    session: Network = make_session(path, threads)
    return session


def _tflite(files: Mapping[str, WeightFile], name: str) -> Path:
    """Where `facefusion export --format tflite --out` the weights' directory puts a network."""
    return files[name].path.with_suffix(".tflite")


def known_engine(files: Mapping[str, WeightFile], threads: int | None = None) -> Engine:
    """The engine that the environment names, or the quickest, remembered on the disk or found now.

    Raises:
        WeightsError: the environment names an engine that is not there.
    """
    engines = available(files)
    if named := os.environ.get(ENGINE_VARIABLE):
        if named not in engines:
            raise WeightsError(f"{ENGINE_VARIABLE} is {named!r}; here it can be one of: {', '.join(engines)}.")
        return Engine(named)
    if len(engines) == 1:
        return engines[0]
    hashes = [files[name].sha256 for name in sorted(files) if name.removesuffix(INT8) in SIDES]
    key = machine_key(f"{threads} threads", *(f"{each} {version_of(each)}" for each in engines), *hashes)
    kept = recall("engine", key)
    if kept in engines:
        return Engine(kept)
    engine = quickest(try_engines(files, threads))
    remember("engine", key, engine.value)
    return engine


def version_of(engine: Engine) -> str:
    """The version of an installed engine's package."""
    return version(engine.package.replace("_", "-"))


def try_engines(
    files: Mapping[str, WeightFile], threads: int | None = None, clock: Callable[[], float] = time.perf_counter
) -> dict[Engine, Trial]:
    """Times every available engine on made-up crops, and compares its answers with the reference's.

    The engines are timed in turns, so that what else the machine does meets all of them.
    """
    given = {name: made_up(name, side) for name, side in SIDES.items()}
    truth: dict[str, FloatArray] = {}
    trials: dict[Engine, Trial] = {}
    opened: dict[Engine, dict[str, Network]] = {}
    for engine in available(files):
        try:
            networks = {name: open_network(engine, files, name, threads) for name in given}
            least = min(_agreement(name, network, given[name], truth) for name, network in networks.items())
        except Exception as error:  # an optional package that is broken must not take the product down with it
            if engine is Engine.ONNXRUNTIME:
                raise
            trials[engine] = Trial(None, 0.0, f"it fails: {type(error).__name__}")
            continue
        reason = "" if least >= PARITY[engine.int8] else f"its answers are {least:.0f} dB from the reference's"
        trials[engine], opened[engine] = Trial(dict.fromkeys(given, float("inf")), least, reason), networks
    for _ in range(RUNS):
        for engine, networks in opened.items():
            seconds = trials[engine].seconds or {}
            for name, network in networks.items():
                begin = clock()
                network.run(OUTPUTS[name], given[name])
                seconds[name] = min(seconds[name], clock() - begin)
    return trials


def quickest(trials: Mapping[Engine, Trial]) -> Engine:
    """The quickest engine that was not passed over."""
    return min((engine for engine, trial in trials.items() if not trial.reason), key=lambda engine: trials[engine].total)


def _agreement(name: str, network: Network, feeds: Feeds, truth: dict[str, FloatArray]) -> float:
    """Decibels between a network's fused crop and the first one's, which is kept in `truth`."""
    crop = fused(feeds, *network.run(OUTPUTS[name], feeds))
    return psnr(crop, truth.setdefault(name, crop), feeds["face"][0, 0] > 0.5)


def made_up(name: str, side: int) -> dict[str, FloatArray]:
    """Inputs of the network `name` at a side: smooth colours, a soft round face, and nobody's identity."""
    rng = np.random.default_rng(0)

    def field(channels: int, low: float, high: float) -> FloatArray:
        # Always channels last for OpenCV, which drops a lone one.
        smooth = cv2.resize(rng.uniform(low, high, (8, 8, channels)), (side, side), interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(smooth.reshape(side, side, channels).transpose(2, 0, 1)[None], np.float32)

    y, x = np.mgrid[:side, :side] / side - 0.5
    face = np.clip((0.32 - np.hypot(x, y)) / 0.05 + 0.5, 0, 1).astype(np.float32)[None, None]
    feeds = {"warped": field(3, 0.2, 0.8), "target": field(3, 0.2, 0.8), "face": face}
    if name == "coarse":
        identity = rng.normal(size=(1, 128)).astype(np.float32)
        return {**feeds, "identity": identity / np.linalg.norm(identity)}
    return {**feeds, "mask": face * field(1, 0.6, 1.0), "delta": field(3, -0.1, 0.1)}


def fused(feeds: Feeds, mask: FloatArray, delta: FloatArray) -> FloatArray:
    """The fused crop (3, S, S) in [0, 1] that a network's answer stands for."""
    target = feeds["target"][0]
    return np.asarray(np.clip(target + mask[0] * (feeds["warped"][0] + delta[0] - target), 0, 1), np.float32)


def psnr(found: FloatArray, truth: FloatArray, inside: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of (3, S, S) images in [0, 1] where `inside` (S, S) is true; at most 120."""
    error = float(np.mean((found[:, inside].astype(np.float64) - truth[:, inside]) ** 2))
    return 10 * float(np.log10(1 / max(error, 1e-12)))
