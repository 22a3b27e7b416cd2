"""Times the fusion networks in every available engine and checks what they compute.

8-bit integers halve the time on some processors and double it on others, so every engine is timed.
They are used only where they save much, because of their rounding errors. An engine whose outputs
differ too much from the reference's (ONNX Runtime, 32 bits) is rejected, however fast.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from facefusion.engines.accuracy import MIN_PSNR, fused, psnr, synthetic_inputs
from facefusion.engines.registry import ENGINES, REFERENCE, available, open_network
from facefusion.engines.sessions import Feeds, Network
from facefusion.machine.child import ChildError, ask
from facefusion.models.manifest import WeightFile
from facefusion.models.networks import NETWORKS, base_name, fusion_networks
from facefusion.types import FloatArray

#: Seconds that a package other than ONNX Runtime must save in a network: each takes 50 to 200 MB of
#: memory.
MIN_SAVING_SECONDS: Final = 0.003
#: Largest time of 8 bits as a share of the shortest in 32 bits: their rounding errors take results
#: farther from real faces (docs/engines.md). A ratio does not depend on the machine's load.
INT8_SHARE: Final = 0.4
#: Timed runs of each engine, of which the fastest counts.
RUNS: Final = 4
#: Time limit in seconds of the comparison in a child process: ten times its time on two idle cores.
CHILD_SECONDS: Final = 30.0


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


#: Trials of all available engines, by network and engine.
Trials = dict[str, dict[str, Trial]]


def try_engines(
    files: Mapping[str, WeightFile],
    threads: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Trials:
    """Times each network in each available engine, and compares outputs with the reference's.

    The inputs are synthetic crops. The engines are timed in turns, so that other load of the
    machine affects all of them.
    """
    return {name: _try_network(files, name, threads, clock) for name in fusion_networks()}


def _try_network(
    files: Mapping[str, WeightFile], name: str, threads: int | None, clock: Callable[[], float]
) -> dict[str, Trial]:
    spec = NETWORKS[name]
    feeds = synthetic_inputs(name, spec.largest_side)
    reference: FloatArray | None = None
    trials: dict[str, Trial] = {}
    opened: dict[str, Network] = {}
    for engine in available(files, name):
        try:
            network = open_network(engine, files, name, threads)
            crop = fused(feeds, *network.run(spec.output_names, feeds))
        except Exception as error:  # a broken optional package must not stop the pipeline
            if engine == REFERENCE:
                raise
            cause = type(error.__cause__ or error).__name__
            trials[engine] = Trial(math.inf, 0.0, f"it fails: {cause}")
            continue
        if reference is None:
            reference = crop
        trials[engine] = _checked(engine, crop, reference, feeds)
        opened[engine] = network
    for _ in range(RUNS):
        for engine, network in opened.items():
            begin = clock()
            network.run(spec.output_names, feeds)
            seconds = min(trials[engine].seconds, clock() - begin)
            trials[engine] = replace(trials[engine], seconds=seconds)
    return trials


def _checked(engine: str, crop: FloatArray, reference: FloatArray, feeds: Feeds) -> Trial:
    """Compares an engine's fused crop with the reference's; the time is not measured yet."""
    decibels = psnr(crop, reference, feeds["face"][0, 0] > 0.5)
    wrong = decibels < MIN_PSNR[ENGINES[engine].int8]
    reason = f"its answers are {decibels:.0f} dB from the reference's" if wrong else ""
    return Trial(math.inf, decibels, reason)


def preferred(trials: Trials) -> dict[str, str]:
    """Returns the engine of each network: the fastest of those that were not rejected.

    Packages other than ONNX Runtime must save `MIN_SAVING_SECONDS`, and 8 bits take at most
    `INT8_SHARE` of the shortest time in 32 bits.
    """
    return {name: _preferred(tried) for name, tried in trials.items()}


def _preferred(tried: Mapping[str, Trial]) -> str:
    """Returns the preferred engine of one network's trials."""
    usable = {engine: trial for engine, trial in tried.items() if not trial.reason}
    exact = [trial.seconds for engine, trial in usable.items() if not ENGINES[engine].int8]

    def cost(engine: str) -> float:
        other = ENGINES[engine].package != ENGINES[REFERENCE].package
        return usable[engine].seconds + (MIN_SAVING_SECONDS if other else 0)

    limit = INT8_SHARE * min(exact, default=math.inf)
    return min(
        (each for each in usable if not ENGINES[each].int8 or usable[each].seconds <= limit),
        key=cost,
    )


def try_in_child(files: Mapping[str, WeightFile], threads: int | None = None) -> Trials:
    """Runs `try_engines` in a child process (`facefusion.engines.trial`).

    Packages that are not selected then leave neither memory nor signal stacks in this one. The
    child knows the engines of `registry.py`, and none that this process added to the table.

    Raises:
        ChildError: there is no answer; a package crashed or hangs.
    """
    answer = ask("facefusion.engines.trial", _encode_request(files, threads), CHILD_SECONDS)
    try:
        return {name: _decode_trials(answer[name]) for name in fusion_networks()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ChildError("it answered something else") from error


def _encode_request(files: Mapping[str, WeightFile], threads: int | None) -> dict[str, Any]:
    """Converts the fusion networks' files and the threads to JSON values."""
    needed = {
        name: {**asdict(file), "path": str(file.path)}
        for name, file in files.items()
        if base_name(name) in fusion_networks()
    }
    return {"threads": threads, "files": needed}


def decode_request(request: Any) -> tuple[dict[str, WeightFile], int | None]:
    """Reads files and threads from a request of `try_in_child`."""
    files = {
        name: WeightFile(**{**file, "path": Path(file["path"])})
        for name, file in request["files"].items()
    }
    return files, request["threads"]


def encode_trials(trials: Trials) -> dict[str, dict[str, tuple[float, float, str]]]:
    """Converts trials to the answer that `try_in_child` reads."""
    return {
        name: {engine: (trial.seconds, trial.psnr, trial.reason) for engine, trial in tried.items()}
        for name, tried in trials.items()
    }


def _decode_trials(answer: Any) -> dict[str, Trial]:
    """Reads one network's trials from an answer of `encode_trials`.

    Raises:
        KeyError, TypeError, AttributeError: it is something else, or names an unknown engine.
    """
    unknown = answer.keys() - ENGINES.keys()
    if unknown:
        raise KeyError(*unknown)
    return {engine: Trial(*values) for engine, values in answer.items()}
