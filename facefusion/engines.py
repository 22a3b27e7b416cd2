"""Engines: what runs the fusion networks. ONNX Runtime is always there; each network takes the
quickest that is installed.

On one processor 8-bit integers halve the time, on another they double it, so it is measured, not
believed; an engine whose answers are not the reference's (ONNX Runtime, 32 bits) is passed over,
however quick.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from facefusion.child import ChildError, ask
from facefusion.errors import WeightsError
from facefusion.remembered import machine_key, recall, remember
from facefusion.runtime import (
    INT8,
    INT8_TFLITE,
    Feeds,
    Network,
    WeightFile,
    check_contracts,
    make_session,
)
from facefusion.types import FloatArray

#: Networks that engines run, and the side of the largest crop that each sees.
SIDES: Final = {"coarse": 128, "refine": 512}
OUTPUTS: Final = {"coarse": ["mask", "delta"], "refine": ["refined_mask", "refined_delta"]}
#: Decibels that an engine's fused crops must reach against the reference's: in 32 bits, and in 8,
#: where what is lost against the truth was measured as the networks were made (`export.quantize`)
#: and here only a broken engine is to be found out.
MIN_PSNR: Final = {False: 40.0, True: 30.0}
#: Names the engine to use, instead of the quickest.
ENGINE_VARIABLE: Final = "FACEFUSION_ENGINE"
#: Seconds of a network's time that a package beside ONNX Runtime must save: each takes 50 to 200 MB
#: of memory.
MIN_SAVING_SECONDS: Final = 0.003
#: Timed runs of each engine, of which the quickest counts.
RUNS: Final = 4
#: Seconds that the comparison in a child process may take: ten times what it takes on two idle
#: cores.
TRIAL_SECONDS: Final = 30.0

log = logging.getLogger("facefusion.engines")


class Engine(StrEnum):
    """What runs the fusion networks, and in how many bits."""

    ONNXRUNTIME = "onnxruntime"
    ONNXRUNTIME_INT8 = "onnxruntime-int8"
    OPENVINO = "openvino"
    OPENVINO_INT8 = "openvino-int8"
    LITERT = "litert"
    LITERT_INT8 = "litert-int8"

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
    """What came of trying an engine on a network.

    Attributes:
        seconds: at the largest size; infinite where it does not run here.
        psnr: decibels between its fused crop and the reference's.
        reason: why it was passed over, or empty.
    """

    seconds: float
    psnr: float
    reason: str = ""


#: By network, what came of every engine that has it.
Trials = dict[str, dict[Engine, Trial]]


def available(files: Mapping[str, WeightFile], name: str) -> list[Engine]:
    """The engines that are installed and have weights of the network `name`, the reference first."""
    return [
        engine
        for engine in Engine
        if find_spec(engine.package) is not None and weights(engine, files, name)
    ]


def weights(engine: Engine, files: Mapping[str, WeightFile], name: str) -> Path | None:
    """The file of the network `name` that an engine reads, or None where there is none.

    INT8 weights that were made from other weights than those beside them are as good as absent.
    """
    whole = files[name]
    if engine is Engine.LITERT:
        exported = whole.path.with_suffix(
            ".tflite"
        )  # `facefusion export --format tflite` puts it there
        return exported if exported.is_file() else None
    if not engine.int8:
        return whole.path
    small = files.get(name + (INT8_TFLITE if engine is Engine.LITERT_INT8 else INT8))
    return small.path if small is not None and small.made_from == whole.sha256 else None


def open_network(
    engine: Engine, files: Mapping[str, WeightFile], name: str, threads: int | None = None
) -> Network:
    """Opens the network `name` in an engine, with so many threads (all cores by default).

    Raises:
        WeightsError: the engine has no weights of it, or cannot open them, or they are another
            network's.
    """
    path = weights(engine, files, name)
    if path is None:
        raise WeightsError(f"There are no weights of the {name} network for {engine}.")
    try:
        return _opened(engine, path, name, threads)
    except (WeightsError, ImportError):
        raise
    except Exception as error:  # each package has exceptions of its own
        raise WeightsError(f"{engine} cannot open {path.name}: {type(error).__name__}.") from error


def _opened(engine: Engine, path: Path, name: str, threads: int | None) -> Network:
    if engine.package == "openvino":
        from facefusion.optional.openvino import OpenVinoNetwork

        return OpenVinoNetwork(path, threads)
    if engine.package == "ai_edge_litert":
        from facefusion.optional.litert import LiteRtNetwork

        network = LiteRtNetwork(path, threads)
        network.check(name, SIDES[name])
        return network
    session: Network = make_session(path, threads)
    return session


def forced_engines(engine: Engine | str, files: Mapping[str, WeightFile]) -> dict[str, Engine]:
    """One engine for every network that it has, and the reference for those that it has not.

    Raises:
        ValueError: there is no such engine.
        WeightsError: it is not installed, or has none of the networks; a network is not what the
            pipeline calls.
    """
    check_contracts(files)
    engine = Engine(engine)
    having = [name for name in SIDES if engine in available(files, name)]
    if not having:
        raise WeightsError(f"{engine} is not installed, or has no weights here.")
    return {name: engine if name in having else Engine.ONNXRUNTIME for name in SIDES}


def select_engines(
    files: Mapping[str, WeightFile], threads: int | None = None
) -> dict[str, Engine]:
    """By network, the engine that the environment names, or the quickest, remembered on the disk or
    found now.

    Raises:
        WeightsError: the environment names an engine that is not there; a network is not what the
            pipeline calls.
    """
    engines = {name: available(files, name) for name in SIDES}
    every = [engine for engine in Engine if any(engine in some for some in engines.values())]
    if named := os.environ.get(ENGINE_VARIABLE):
        if named not in every:
            raise WeightsError(
                f"{ENGINE_VARIABLE} is {named!r}; here it can be one of: {', '.join(every)}."
            )
        return forced_engines(named, files)
    check_contracts(files)
    if len(every) == 1:
        return dict.fromkeys(SIDES, every[0])
    hashes = [
        file.sha256 for name, file in sorted(files.items()) if name.partition("_")[0] in SIDES
    ]
    key = machine_key(
        f"{threads} threads", *(f"{each} {version_of(each)}" for each in every), *hashes
    )
    kept = recall("engines", key)
    if isinstance(kept, dict) and all(kept.get(name) in engines[name] for name in SIDES):
        return {name: Engine(kept[name]) for name in SIDES}
    if {engine.package for engine in every} == {Engine.ONNXRUNTIME.package}:
        found = quickest(try_engines(files, threads))
    else:
        try:
            found = quickest(try_apart(files, threads))
        except ChildError as error:
            log.warning("The engines could not be compared, and ONNX Runtime serves: %s.", error)
            return dict.fromkeys(
                SIDES, Engine.ONNXRUNTIME
            )  # not remembered: the next start tries again
    remember("engines", key, found)
    return found


def try_apart(files: Mapping[str, WeightFile], threads: int | None = None) -> Trials:
    """`try_engines` in a child process, so that what is not taken leaves nothing here: neither
    memory nor signal stacks.

    Raises:
        ChildError: there is no answer; a package crashed, or hangs.
    """
    needed = {name: asdict(file) for name, file in files.items() if name.partition("_")[0] in SIDES}
    request = {
        "threads": threads,
        "files": {name: {**each, "path": str(each["path"])} for name, each in needed.items()},
    }
    answer = ask("facefusion.engines_trial", request, TRIAL_SECONDS)
    try:
        return {
            name: {Engine(engine): Trial(*each) for engine, each in answer[name].items()}
            for name in SIDES
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ChildError("it answered something else") from error


def unpacked(request: Any) -> tuple[dict[str, WeightFile], int | None]:
    """The files and threads of a request that `try_apart` made."""
    files = {
        name: WeightFile(**{**each, "path": Path(each["path"])})
        for name, each in request["files"].items()
    }
    return files, request["threads"]


def answered(trials: Trials) -> dict[str, dict[str, tuple[float, float, str]]]:
    """Trials as `try_apart` reads them."""
    return {
        name: {
            engine.value: (trial.seconds, trial.psnr, trial.reason)
            for engine, trial in tried.items()
        }
        for name, tried in trials.items()
    }


def version_of(engine: Engine) -> str:
    """The version of an installed engine's package."""
    return version(engine.package.replace("_", "-"))


def try_engines(
    files: Mapping[str, WeightFile],
    threads: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Trials:
    """Times every network in every available engine on made-up crops, and compares its answers with
    the reference's.

    The engines are timed in turns, so that what else the machine does meets all of them.
    """
    return {name: _try_network(files, name, threads, clock) for name in SIDES}


def _try_network(
    files: Mapping[str, WeightFile], name: str, threads: int | None, clock: Callable[[], float]
) -> dict[Engine, Trial]:
    feeds = synthetic_inputs(name, SIDES[name])
    truth: list[FloatArray] = []
    trials: dict[Engine, Trial] = {}
    opened: dict[Engine, Network] = {}
    for engine in available(files, name):
        try:
            network = open_network(engine, files, name, threads)
            crop = fused(feeds, *network.run(OUTPUTS[name], feeds))
        except (
            Exception
        ) as error:  # an optional package that is broken must not take the product down with it
            if engine is Engine.ONNXRUNTIME:
                raise
            trials[engine] = Trial(
                float("inf"), 0.0, f"it fails: {type(error.__cause__ or error).__name__}"
            )
            continue
        truth = truth or [crop]
        apart = psnr(crop, truth[0], feeds["face"][0, 0] > 0.5)
        reason = (
            ""
            if apart >= MIN_PSNR[engine.int8]
            else f"its answers are {apart:.0f} dB from the reference's"
        )
        trials[engine], opened[engine] = Trial(float("inf"), apart, reason), network
    for _ in range(RUNS):
        for engine, network in opened.items():
            begin = clock()
            network.run(OUTPUTS[name], feeds)
            trials[engine] = replace(
                trials[engine], seconds=min(trials[engine].seconds, clock() - begin)
            )
    return trials


def quickest(trials: Trials) -> dict[str, Engine]:
    """By network, the quickest engine that was not passed over; one of another package only where
    it saves `MIN_SAVING_SECONDS`.
    """

    def cost(engine: Engine, trial: Trial) -> float:
        return trial.seconds + (0 if engine.package == Engine.ONNXRUNTIME else MIN_SAVING_SECONDS)

    return {
        name: min(
            (engine for engine, trial in tried.items() if not trial.reason),
            key=lambda each: cost(each, tried[each]),
        )
        for name, tried in trials.items()
    }


def synthetic_inputs(name: str, side: int) -> dict[str, FloatArray]:
    """Inputs of the network `name` at a side: smooth colours, a soft round face, and nobody's
    identity.
    """
    rng = np.random.default_rng(0)

    def field(channels: int, low: float, high: float) -> FloatArray:
        # Always channels last for OpenCV, which drops a lone one.
        smooth = cv2.resize(
            rng.uniform(low, high, (8, 8, channels)), (side, side), interpolation=cv2.INTER_LINEAR
        )
        return np.ascontiguousarray(
            smooth.reshape(side, side, channels).transpose(2, 0, 1)[None], np.float32
        )

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
    return np.asarray(
        np.clip(target + mask[0] * (feeds["warped"][0] + delta[0] - target), 0, 1), np.float32
    )


def psnr(found: FloatArray, truth: FloatArray, inside: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of (3, S, S) images in [0, 1] where `inside` (S, S) is true;
    at most 120.
    """
    error = float(np.mean((found[:, inside].astype(np.float64) - truth[:, inside]) ** 2))
    return 10 * float(np.log10(1 / max(error, 1e-12)))
