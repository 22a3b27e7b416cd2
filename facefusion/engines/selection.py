"""Selects the fastest installed engine for each fusion network by measuring.

ONNX Runtime is always installed. 8-bit integers halve the time on some processors and double it on
others, so every engine is timed; an engine whose outputs differ too much from the reference's (ONNX
Runtime, 32 bits) is rejected, however fast.
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

from facefusion.engines.sessions import Feeds, Network, make_session
from facefusion.errors import WeightsError
from facefusion.machine.child import ChildError, ask
from facefusion.machine.measurements import machine_key, recall, remember
from facefusion.models.manifest import WeightFile, check_contracts
from facefusion.models.networks import INT8, INT8_TFLITE, fusion_networks
from facefusion.types import FloatArray

#: Side in pixels of the largest crop of each network that engines run.
SIDES: Final = {name: spec.largest_side for name, spec in fusion_networks().items()}
#: Output names of each network that engines run.
OUTPUTS: Final = {name: spec.output_names for name, spec in fusion_networks().items()}
#: Least PSNR in dB of an engine's fused crops against the reference's, by whether it computes in 8
#: bits: the loss of INT8 was measured on export (`export.quantize`), so 30 dB only rejects a broken
#: engine.
MIN_PSNR: Final = {False: 40.0, True: 30.0}
#: Environment variable that names the engine to use instead of the fastest.
ENGINE_VARIABLE: Final = "FACEFUSION_ENGINE"
#: Seconds that a package other than ONNX Runtime must save in a network: each takes 50 to 200 MB of
#: memory.
MIN_SAVING_SECONDS: Final = 0.003
#: Timed runs of each engine, of which the fastest counts.
RUNS: Final = 4
#: Time limit in seconds of the comparison in a child process: ten times its time on two idle cores.
TRIAL_SECONDS: Final = 30.0

log = logging.getLogger("facefusion.engines.selection")


class Engine(StrEnum):
    """An inference package for the fusion networks, and its precision."""

    ONNXRUNTIME = "onnxruntime"
    ONNXRUNTIME_INT8 = "onnxruntime-int8"
    OPENVINO = "openvino"
    OPENVINO_INT8 = "openvino-int8"
    LITERT = "litert"
    LITERT_INT8 = "litert-int8"

    @property
    def package(self) -> str:
        """Name of the package to import."""
        return {"litert": "ai_edge_litert"}.get(name := self.value.removesuffix("-int8"), name)

    @property
    def int8(self) -> bool:
        """Whether the engine computes in 8 bits."""
        return self.value.endswith("-int8")


@dataclass(frozen=True)
class Trial:
    """Result of trying an engine on a network.

    Attributes:
        seconds: time at the largest size; infinite if the engine does not run here.
        psnr: PSNR in dB of its fused crop against the reference's.
        reason: reason why it was rejected, or empty.
    """

    seconds: float
    psnr: float
    reason: str = ""


#: Trials of all available engines, by network.
Trials = dict[str, dict[Engine, Trial]]


def available(files: Mapping[str, WeightFile], name: str) -> list[Engine]:
    """Returns the installed engines with weights of the network `name`, the reference first."""
    return [
        engine
        for engine in Engine
        if find_spec(engine.package) is not None and weights(engine, files, name)
    ]


def weights(engine: Engine, files: Mapping[str, WeightFile], name: str) -> Path | None:
    """Returns the file of the network `name` that an engine reads, or None.

    INT8 weights that were quantised from weights other than those in `files` are ignored.
    """
    whole = files[name]
    if engine is Engine.LITERT:
        exported = whole.path.with_suffix(".tflite")  # from `facefusion export --format tflite`
        return exported if exported.is_file() else None
    if not engine.int8:
        return whole.path
    small = files.get(name + (INT8_TFLITE if engine is Engine.LITERT_INT8 else INT8))
    return small.path if small is not None and small.made_from == whole.sha256 else None


def open_network(
    engine: Engine, files: Mapping[str, WeightFile], name: str, threads: int | None = None
) -> Network:
    """Opens the network `name` in an engine, with `threads` threads (all cores by default).

    Raises:
        WeightsError: the engine has no weights of the network or cannot open them, or they belong
            to another network.
    """
    path = weights(engine, files, name)
    if path is None:
        raise WeightsError(f"There are no weights of the {name} network for {engine}.")
    try:
        return _opened(engine, path, name, threads)
    except (WeightsError, ImportError):
        raise
    except Exception as error:  # each package has its own exceptions
        raise WeightsError(f"{engine} cannot open {path.name}: {type(error).__name__}.") from error


def _opened(engine: Engine, path: Path, name: str, threads: int | None) -> Network:
    if engine.package == "openvino":
        from facefusion.engines.openvino import OpenVinoNetwork

        return OpenVinoNetwork(path, threads)
    if engine.package == "ai_edge_litert":
        from facefusion.engines.litert import LiteRtNetwork

        network = LiteRtNetwork(path, threads)
        network.check(name, SIDES[name])
        return network
    session: Network = make_session(path, threads)
    return session


def forced_engines(engine: Engine | str, files: Mapping[str, WeightFile]) -> dict[str, Engine]:
    """Assigns one engine to every network that it has weights of, and the reference to the others.

    Raises:
        ValueError: unknown engine.
        WeightsError: the engine is not installed or has no weights; a network does not match its
            contract.
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
    """Returns the engine of each network: from the environment, or else the fastest.

    The fastest ones are kept on disk; they are measured if there is no entry.

    Raises:
        WeightsError: the engine named by the environment is not available; a network does not match
            its contract.
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
            # Not kept on disk, so that the next start tries again.
            return dict.fromkeys(SIDES, Engine.ONNXRUNTIME)
    remember("engines", key, found)
    return found


def try_apart(files: Mapping[str, WeightFile], threads: int | None = None) -> Trials:
    """Runs `try_engines` in a child process.

    Packages that are not selected then leave neither memory nor signal stacks in this one.

    Raises:
        ChildError: there is no answer; a package crashed or hangs.
    """
    needed = {name: asdict(file) for name, file in files.items() if name.partition("_")[0] in SIDES}
    request = {
        "threads": threads,
        "files": {name: {**each, "path": str(each["path"])} for name, each in needed.items()},
    }
    answer = ask("facefusion.engines.trial", request, TRIAL_SECONDS)
    try:
        return {
            name: {Engine(engine): Trial(*each) for engine, each in answer[name].items()}
            for name in SIDES
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ChildError("it answered something else") from error


def unpacked(request: Any) -> tuple[dict[str, WeightFile], int | None]:
    """Reads files and threads from a request of `try_apart`."""
    files = {
        name: WeightFile(**{**each, "path": Path(each["path"])})
        for name, each in request["files"].items()
    }
    return files, request["threads"]


def answered(trials: Trials) -> dict[str, dict[str, tuple[float, float, str]]]:
    """Converts trials to the answer that `try_apart` reads."""
    return {
        name: {
            engine.value: (trial.seconds, trial.psnr, trial.reason)
            for engine, trial in tried.items()
        }
        for name, tried in trials.items()
    }


def version_of(engine: Engine) -> str:
    """Returns the version of an installed engine's package."""
    return version(engine.package.replace("_", "-"))


def try_engines(
    files: Mapping[str, WeightFile],
    threads: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Trials:
    """Times each network in each available engine, and compares outputs with the reference's.

    The inputs are synthetic crops. The engines are timed in turns, so that other load of the
    machine affects all of them.
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
        except Exception as error:  # a broken optional package must not stop the pipeline
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
    """Returns the fastest engine of each network that was not rejected.

    Packages other than ONNX Runtime must save `MIN_SAVING_SECONDS`.
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
    """Makes inputs of the network `name`: smooth colours, a round face mask, a random identity."""
    rng = np.random.default_rng(0)

    def field(channels: int, low: float, high: float) -> FloatArray:
        # OpenCV drops the axis of a single channel: `reshape` restores it.
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
    """Computes the fused crop (3, S, S) in [0, 1] from a network's outputs."""
    target = feeds["target"][0]
    return np.asarray(
        np.clip(target + mask[0] * (feeds["warped"][0] + delta[0] - target), 0, 1), np.float32
    )


def psnr(found: FloatArray, truth: FloatArray, inside: np.ndarray) -> float:
    """Computes the PSNR in dB, at most 120, of (3, S, S) images in [0, 1] inside a mask (S, S)."""
    error = float(np.mean((found[:, inside].astype(np.float64) - truth[:, inside]) ** 2))
    return 10 * float(np.log10(1 / max(error, 1e-12)))
