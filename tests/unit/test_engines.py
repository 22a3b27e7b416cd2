"""Which engine runs the fusion networks: the quickest whose answers are the reference's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefusion import FusionPipeline, engines, remembered
from facefusion.cli import engines as bench_engines
from facefusion.cli.main import main
from facefusion.engines import (
    OUTPUTS,
    SIDES,
    Engine,
    Trial,
    available,
    known_engine,
    made_up,
    open_network,
    quickest,
    try_engines,
)
from facefusion.errors import WeightsError
from facefusion.runtime import EMBEDDED_WEIGHTS, INT8, WeightFile, read_manifest

ORT, ORT8 = Engine.ONNXRUNTIME, Engine.ONNXRUNTIME_INT8


@pytest.fixture
def files() -> dict[str, WeightFile]:
    return read_manifest(EMBEDDED_WEIGHTS)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remembered.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.delenv(engines.ENGINE_VARIABLE, raising=False)


@pytest.fixture
def only_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: True if name == "onnxruntime" else None)


def test_every_installed_engine_is_tried_and_agrees(files: dict[str, WeightFile]) -> None:
    trials = try_engines(files)
    assert list(trials) == available(files) and {ORT, ORT8} <= set(trials)
    for engine, trial in trials.items():
        assert trial.reason == "" and trial.seconds is not None and set(trial.seconds) == set(SIDES)
        assert trial.psnr >= engines.PARITY[engine.int8]
    assert trials[ORT].psnr == pytest.approx(120)
    assert trials[quickest(trials)].total == min(trial.total for trial in trials.values())


@pytest.mark.usefixtures("only_onnxruntime")
def test_onnxruntime_alone_is_enough(files: dict[str, WeightFile]) -> None:
    assert available(files) == [ORT, ORT8]


@pytest.mark.usefixtures("only_onnxruntime")
def test_int8_of_an_older_network_is_not_used(files: dict[str, WeightFile]) -> None:
    older = {**files, "refine" + INT8: dataclasses.replace(files["refine" + INT8], made_from="another")}
    assert available(older) == [ORT]
    assert available({name: file for name, file in files.items() if not name.endswith(INT8)}) == [ORT]


@pytest.mark.usefixtures("cache")
def test_what_is_quickest_is_found_once(files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch) -> None:
    found = Trial({"coarse": 0.01, "refine": 0.1}, 120)
    quick = Trial({"coarse": 0.01, "refine": 0.05}, 44)
    asked: list[Any] = []
    monkeypatch.setattr(engines, "try_engines", lambda *a: (asked.append(a), {ORT: found, ORT8: quick})[1])
    assert known_engine(files) is known_engine(files) is ORT8 and len(asked) == 1
    assert known_engine(files, 1) is ORT8 and len(asked) == 2
    retrained = {**files, "coarse": dataclasses.replace(files["coarse"], sha256="new")}
    retrained["coarse" + INT8] = dataclasses.replace(files["coarse" + INT8], made_from="new")
    assert known_engine(retrained) is ORT8 and len(asked) == 3


@pytest.mark.usefixtures("cache")
def test_the_environment_may_name_the_engine(files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "try_engines", lambda *a: pytest.fail("nothing is to be tried"))
    for engine in (ORT, ORT8):
        monkeypatch.setenv(engines.ENGINE_VARIABLE, engine.value)
        assert known_engine(files) is engine
    monkeypatch.setenv(engines.ENGINE_VARIABLE, "abacus")
    with pytest.raises(WeightsError, match=r"'abacus'.*onnxruntime, onnxruntime-int8"):
        known_engine(files)


class _Wrong:
    """An engine that is quick and wrong."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def run(self, outputs: list[str], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [answer + 0.3 for answer in self._network.run(outputs, feeds)]


@pytest.mark.usefixtures("only_onnxruntime")
def test_an_engine_that_is_wrong_or_fails_is_passed_over(
    files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(engine: Engine, *rest: Any) -> Any:
        return _Wrong(open_network(engine, *rest)) if engine is ORT8 else open_network(engine, *rest)

    monkeypatch.setattr(engines, "open_network", broken)
    trials = try_engines(files)
    assert "dB from the reference's" in trials[ORT8].reason and quickest(trials) is ORT

    def failing(engine: Engine, *rest: Any) -> Any:
        if engine is ORT8:
            raise ImportError("a library is missing")
        return open_network(engine, *rest)

    monkeypatch.setattr(engines, "open_network", failing)
    trials = try_engines(files)
    assert trials[ORT8].reason == "it fails: ImportError" and quickest(trials) is ORT
    monkeypatch.setattr(engines, "open_network", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        try_engines(files)


@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize("name", SIDES)
def test_an_engine_takes_every_size_of_a_network(files: dict[str, WeightFile], engine: Engine, name: str) -> None:
    if engine not in available(files):
        pytest.skip(f"{engine} is not installed")
    network = open_network(engine, files, name, 1)
    for side in {SIDES[name], 128 if name == "coarse" else 256}:
        mask, delta = network.run(OUTPUTS[name], made_up(name, side))
        assert mask.shape == (1, 1, side, side) and delta.shape == (1, 3, side, side)
        assert mask.dtype == delta.dtype == np.float32 and mask.min() >= 0 and mask.max() <= 1.001


def test_the_pipeline_takes_the_engine_it_is_told(guest: np.ndarray, astronaut: np.ndarray) -> None:
    whole, small = (FusionPipeline.from_pretrained(engine=engine)(guest, astronaut, tier="best") for engine in (ORT, ORT8))
    apart = np.abs(whole.image.astype(int) - small.image)
    assert 0 < apart.max() < 40 and apart.mean() < 0.1
    with pytest.raises(ValueError, match="abacus"):
        FusionPipeline.from_pretrained(engine="abacus")


@pytest.mark.usefixtures("only_onnxruntime")
def test_bench_shows_every_engine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    trials = {ORT: Trial({"coarse": 0.01, "refine": 0.1}, 120), ORT8: Trial(None, 0.0, "it fails: ImportError")}
    monkeypatch.setattr(bench_engines, "try_engines", lambda files, threads: trials)
    assert main(["bench", "--engines"]) == 0
    out = capsys.readouterr().out
    assert "| onnxruntime | 10.0 | 100.0 | 110.0 | 120.0 |  |" in out
    assert "| onnxruntime-int8 | - | - | - | - | it fails: ImportError |" in out
    assert "| openvino | - | - | - | - | not installed, or without weights |" in out
    assert out.endswith("The pipeline takes onnxruntime.\n")
