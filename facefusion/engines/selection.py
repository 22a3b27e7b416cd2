"""Selects the engine of each fusion network: the named one, or the preferred one on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Final

from facefusion.engines.registry import ENGINES, REFERENCE, available
from facefusion.engines.trials import (
    INT8_SHARE,
    MIN_SAVING_SECONDS,
    Trials,
    preferred,
    try_engines,
    try_in_child,
)
from facefusion.errors import WeightsError
from facefusion.machine.child import ChildError
from facefusion.machine.measurements import load_measurement, machine_key, save_measurement
from facefusion.models.manifest import WeightFile, check_contracts
from facefusion.models.networks import base_name, fusion_networks

#: Environment variable that names the engine to use instead of the preferred one.
ENGINE_VARIABLE: Final = "FACEFUSION_ENGINE"

log = logging.getLogger("facefusion.engines.selection")


def forced_engines(engine: str, files: Mapping[str, WeightFile]) -> dict[str, str]:
    """Assigns one engine to every network that it has weights of, and the reference to the others.

    Raises:
        ValueError: unknown engine.
        WeightsError: the engine is not installed or has no weights; a network does not match its
            contract.
    """
    check_contracts(files)
    if engine not in ENGINES:
        raise ValueError(f"there is no engine {engine!r}; there are: {', '.join(ENGINES)}")
    names = list(fusion_networks())
    supported = [name for name in names if engine in available(files, name)]
    if not supported:
        raise WeightsError(f"{engine} is not installed, or has no weights here.")
    return {name: engine if name in supported else REFERENCE for name in names}


def select_engines(files: Mapping[str, WeightFile], threads: int | None = None) -> dict[str, str]:
    """Returns the engine of each network: from the environment, or else the preferred one.

    The choice is kept on disk; the engines are tried if there is no entry.

    Raises:
        WeightsError: the engine named by the environment is not available; a network does not match
            its contract.
    """
    usable = {name: available(files, name) for name in fusion_networks()}
    engines = [each for each in ENGINES if any(each in some for some in usable.values())]
    if named := os.environ.get(ENGINE_VARIABLE):
        if named not in engines:
            raise WeightsError(
                f"{ENGINE_VARIABLE} is {named!r}; here it can be one of: {', '.join(engines)}."
            )
        return forced_engines(named, files)
    check_contracts(files)
    if len(engines) == 1:
        return dict.fromkeys(usable, engines[0])
    key = _measurement_key(files, threads, engines)
    kept = load_measurement("engines", key)
    if isinstance(kept, dict) and all(kept.get(name) in usable[name] for name in usable):
        return {name: kept[name] for name in usable}
    try:
        found = preferred(_measured(files, threads, engines))
    except ChildError as error:
        log.warning("The engines could not be compared, and ONNX Runtime serves: %s.", error)
        # Not kept on disk, so that the next start tries again.
        return dict.fromkeys(usable, REFERENCE)
    save_measurement("engines", key, found)
    return found


def _measurement_key(
    files: Mapping[str, WeightFile], threads: int | None, engines: Sequence[str]
) -> str:
    """Returns the key of the measurements: machine, rule of the choice, versions and weights."""
    versions = [f"{engine} {ENGINES[engine].version}" for engine in engines]
    hashes = [
        file.sha256 for name, file in sorted(files.items()) if base_name(name) in fusion_networks()
    ]
    rule = f"saving {MIN_SAVING_SECONDS} s, INT8 at {INT8_SHARE}"
    return machine_key(f"{threads} threads", rule, *versions, *hashes)


def _measured(
    files: Mapping[str, WeightFile], threads: int | None, engines: Sequence[str]
) -> Trials:
    """Tries the engines, in a child process if other packages than ONNX Runtime are among them."""
    if {ENGINES[engine].package for engine in engines} == {ENGINES[REFERENCE].package}:
        return try_engines(files, threads)
    return try_in_child(files, threads)
