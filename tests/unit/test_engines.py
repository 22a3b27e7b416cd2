"""Which engine runs the fusion networks: the quickest whose answers are the reference's."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.cli import engines as bench_engines
from facefusion.cli.main import main
from facefusion.engines import registry, selection
from facefusion.engines import trials as engine_trials
from facefusion.engines.accuracy import MIN_PSNR, synthetic_inputs
from facefusion.engines.registry import ENGINES, Engine, EngineSpec, available, open_network
from facefusion.engines.selection import forced_engines, select_engines
from facefusion.engines.sessions import Feeds, Network, make_session
from facefusion.engines.trials import (
    INT8_SHARE,
    MIN_SAVING_SECONDS,
    Trial,
    preferred,
    try_engines,
)
from facefusion.errors import WeightsError
from facefusion.machine import measurements
from facefusion.machine.child import ChildError
from facefusion.models.manifest import EMBEDDED_WEIGHTS, WeightFile, read_manifest
from facefusion.models.networks import INT8, INT8_TFLITE, NETWORKS, fusion_networks
from facefusion.types import FloatArray

ORT, ORT8 = Engine.ONNXRUNTIME, Engine.ONNXRUNTIME_INT8
BOTH = dict.fromkeys(fusion_networks(), ORT8)


@pytest.fixture
def files() -> dict[str, WeightFile]:
    return read_manifest(EMBEDDED_WEIGHTS)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(measurements.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.delenv(selection.ENGINE_VARIABLE, raising=False)


@pytest.fixture
def only_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: True if name == "onnxruntime" else None)


def test_every_installed_engine_is_tried_and_agrees(files: dict[str, WeightFile]) -> None:
    trials = try_engines(files)
    assert list(trials) == list(fusion_networks())
    for name, tried in trials.items():
        assert list(tried) == available(files, name) and {ORT, ORT8} <= set(tried)
        for engine, trial in tried.items():
            assert (
                trial.reason == ""
                and 0 < trial.seconds < 10
                and trial.psnr >= MIN_PSNR[ENGINES[engine].int8]
            )
        assert tried[ORT].psnr == pytest.approx(120)
        chosen = preferred(trials)[name]
        exact = [trial.seconds for engine, trial in tried.items() if not ENGINES[engine].int8]
        assert tried[chosen].seconds <= min(exact) + MIN_SAVING_SECONDS
        assert not ENGINES[chosen].int8 or tried[chosen].seconds <= INT8_SHARE * min(exact)


def test_another_package_must_be_worth_its_memory() -> None:
    trials = {
        "coarse": {ORT: Trial(0.004, 120), Engine.OPENVINO: Trial(0.0015, 120)},
        "refine": {ORT: Trial(0.030, 120), Engine.OPENVINO: Trial(0.020, 120)},
    }
    assert preferred(trials) == {"coarse": ORT, "refine": Engine.OPENVINO}


def test_8_bits_must_be_worth_their_errors() -> None:
    trials = {
        "coarse": {
            ORT: Trial(0.017, 120),
            ORT8: Trial(0.010, 44),
            Engine.OPENVINO: Trial(0.016, 120),
        },
        "refine": {
            ORT: Trial(0.091, 120),
            ORT8: Trial(0.056, 44),
            Engine.LITERT_INT8: Trial(0.028, 44),
        },
    }
    assert preferred(trials) == {"coarse": ORT, "refine": Engine.LITERT_INT8}
    slower = {
        name: {each: Trial(9 * t.seconds, t.psnr) for each, t in tried.items()}
        for name, tried in trials.items()
    }
    assert preferred(slower)["refine"] == Engine.LITERT_INT8  # a busy machine
    assert preferred(slower)["coarse"] == Engine.OPENVINO


@pytest.mark.usefixtures("only_onnxruntime")
def test_onnxruntime_alone_is_enough(files: dict[str, WeightFile]) -> None:
    assert all(available(files, name) == [ORT, ORT8] for name in fusion_networks())


def test_int8_of_an_older_network_is_not_used(
    files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: True)  # as if everything were installed
    assert {ORT8, Engine.OPENVINO_INT8} <= set(available(files, "coarse"))
    assert {ORT8, Engine.OPENVINO_INT8, Engine.LITERT_INT8} <= set(available(files, "refine"))
    for suffix, lost in ((INT8, {ORT8, Engine.OPENVINO_INT8}), (INT8_TFLITE, {Engine.LITERT_INT8})):
        name = "refine" + suffix
        older = {**files, name: dataclasses.replace(files[name], made_from="another")}
        without = {each: file for each, file in files.items() if each != name}
        for changed in (older, without):
            assert set(available(files, "refine")) - set(available(changed, "refine")) == lost
            with pytest.raises(WeightsError, match="no weights of the refine network"):
                open_network(min(lost), changed, "refine")


def test_exported_files_beside_the_weights_are_an_engine(
    files: dict[str, WeightFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: True)
    moved = {
        name: dataclasses.replace(file, path=tmp_path / file.path.name)
        for name, file in files.items()
    }
    assert Engine.LITERT not in available(moved, "coarse")
    (tmp_path / "coarse.tflite").write_bytes(b"a network")
    assert Engine.LITERT in available(moved, "coarse") and Engine.LITERT not in available(
        moved, "refine"
    )


@pytest.mark.usefixtures("cache")
def test_what_is_quickest_is_found_once(
    files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = Trial(0.5, 120), Trial(0.1, 44)
    asked: list[Any] = []
    trials = {"coarse": {ORT: quick, ORT8: slow}, "refine": {ORT: slow, ORT8: quick}}
    monkeypatch.setattr(selection, "try_in_child", lambda *a: (asked.append(a), trials)[1])
    monkeypatch.setattr(registry, "find_spec", lambda name: True)
    monkeypatch.setattr(registry, "version", lambda distribution: "1")
    found = {"coarse": ORT, "refine": ORT8}
    assert select_engines(files) == select_engines(files) == found and len(asked) == 1
    assert all(engine in ENGINES for engine in select_engines(files).values())
    assert select_engines(files, 1) == found and len(asked) == 2
    retrained = {**files, "coarse": dataclasses.replace(files["coarse"], sha256="new")}
    retrained["coarse" + INT8] = dataclasses.replace(files["coarse" + INT8], made_from="new")
    assert select_engines(retrained) == found and len(asked) == 3


@pytest.mark.usefixtures("cache", "only_onnxruntime")
def test_what_is_remembered_in_another_form_is_measured_anew(
    files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        selection,
        "try_engines",
        lambda *a: {name: {ORT8: Trial(0.1, 50)} for name in fusion_networks()},
    )
    for kept in (
        "onnxruntime",
        {"coarse": "onnxruntime"},
        {"coarse": "onnxruntime", "refine": "abacus"},
        None,
        [1],
    ):
        monkeypatch.setattr(selection, "load_measurement", lambda name, key, kept=kept: kept)
        assert select_engines(files) == BOTH


def test_a_child_process_compares_the_engines_and_what_is_not_taken_is_not_imported(
    tmp_path: Path,
) -> None:
    code = """
import json, sys
from facefusion.engines.registry import available
from facefusion.engines.trials import preferred, try_in_child
from facefusion.models.networks import fusion_networks
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
files = read_manifest(EMBEDDED_WEIGHTS)
trials = try_in_child(files, 1)
assert {name: list(tried) for name, tried in trials.items()} == {name: available(files, name) for name in fusion_networks()}
assert all(trial.reason == "" and trial.psnr > 30 for tried in trials.values() for trial in tried.values())
assert not {"openvino", "ai_edge_litert"} & set(sys.modules)
print(*sorted(preferred(trials)))
"""
    # Elsewhere, and with a module there that must not be taken for NumPy.
    (tmp_path / "numpy.py").write_text("raise SystemExit('the current directory is on the path')")
    command, root = [sys.executable, "-P", "-c", code], str(EMBEDDED_WEIGHTS.parent)
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stdout.split(), done.returncode) == (sorted(fusion_networks()), 0), done.stderr


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("answer", [{}, [], {"coarse": {}, "refine": {"abacus": [1, 2, ""]}}, None])
def test_without_the_child_the_reference_serves_and_the_next_start_tries_again(
    files: dict[str, WeightFile],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: Any,
) -> None:
    def ask(*request: Any) -> Any:
        asked.append(request)
        if answer is None:
            raise ChildError("it ended with code -11")
        return answer

    asked: list[Any] = []
    monkeypatch.setattr(engine_trials, "ask", ask)
    monkeypatch.setattr(registry, "find_spec", lambda name: True)
    monkeypatch.setattr(registry, "version", lambda distribution: "1")
    for _ in range(2):
        assert select_engines(files) == dict.fromkeys(fusion_networks(), ORT)
    assert len(asked) == 2 and caplog.text.count("ONNX Runtime serves") == 2


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_a_signal_after_models_of_openvino_were_dropped_is_handled() -> None:
    code = """
import os, signal, sys
from facefusion.engines.registry import Engine, open_network
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
files = read_manifest(EMBEDDED_WEIGHTS)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
opened = [open_network(Engine.OPENVINO, files, name, 1) for name in ("coarse", "refine")]
while opened:
    del opened[0]
os.kill(os.getpid(), signal.SIGTERM)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=EMBEDDED_WEIGHTS.parent).returncode == 7


@pytest.mark.usefixtures("cache")
def test_the_environment_may_name_the_engine(
    files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "try_engines", lambda *a: pytest.fail("nothing is to be tried"))
    for engine in (ORT, ORT8):
        monkeypatch.setenv(selection.ENGINE_VARIABLE, engine.value)
        assert select_engines(files) == dict.fromkeys(fusion_networks(), engine)
    monkeypatch.setenv(selection.ENGINE_VARIABLE, "abacus")
    with pytest.raises(WeightsError, match=r"'abacus'.*onnxruntime, onnxruntime-int8"):
        select_engines(files)


def test_an_engine_that_lacks_a_network_leaves_it_to_the_reference(
    files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: True)
    assert forced_engines("litert-int8", files) == {"coarse": ORT, "refine": Engine.LITERT_INT8}
    monkeypatch.setattr(registry, "find_spec", lambda name: True if name == "onnxruntime" else None)
    with pytest.raises(WeightsError, match="litert-int8 is not installed"):
        forced_engines("litert-int8", files)


class _Network:
    """A network that answers the same inputs from memory, and so is the quickest.

    Args:
        network: answers what is new.
        error: added to all answers.
    """

    def __init__(self, network: Network, error: float) -> None:
        self._network = network
        self._error = error
        self._feeds: Feeds = {}
        self._answers: list[FloatArray] = []

    def run(self, outputs: list[str], feeds: Feeds, /) -> list[FloatArray]:
        if feeds is not self._feeds:
            self._answers = [each + self._error for each in self._network.run(outputs, feeds)]
            self._feeds = feeds
        return self._answers


def made_up_engine(opened: list[str], error: float = 0.0) -> EngineSpec:
    """An engine that the product does not have; notes the networks that it opens."""

    def open_abacus(path: Path, name: str, threads: int | None) -> Network:
        opened.append(name)
        return _Network(make_session(path, threads), error)

    return EngineSpec(
        "onnxruntime", "onnxruntime", lambda files, name: files[name].path, open_abacus
    )


@pytest.mark.usefixtures("cache", "only_onnxruntime")
def test_one_entry_adds_an_engine(
    files: dict[str, WeightFile],
    monkeypatch: pytest.MonkeyPatch,
    guest: np.ndarray,
    astronaut: np.ndarray,
) -> None:
    reference = FusionPipeline.from_pretrained(engine=ORT)(guest, astronaut, tier="best")
    opened: list[str] = []
    monkeypatch.setitem(ENGINES, "abacus", made_up_engine(opened))
    assert select_engines(files) == dict.fromkeys(fusion_networks(), "abacus")
    assert opened == list(fusion_networks())
    pipeline = FusionPipeline.from_pretrained()  # the choice is on disk
    assert opened == 2 * list(fusion_networks())
    result = pipeline(guest, astronaut, tier="best")
    assert (result.image == reference.image).all()
    monkeypatch.setenv(selection.ENGINE_VARIABLE, "abacus")
    assert select_engines(files) == dict.fromkeys(fusion_networks(), "abacus")
    assert forced_engines("abacus", files) == select_engines(files)


@pytest.mark.usefixtures("cache", "only_onnxruntime")
def test_an_engine_that_is_wrong_is_rejected(
    files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "abacus", made_up_engine([], error=0.3))
    trials = try_engines(files)
    assert all("dB from the reference's" in tried["abacus"].reason for tried in trials.values())
    assert "abacus" not in select_engines(files).values()


@pytest.mark.usefixtures("only_onnxruntime")
def test_an_engine_that_fails_is_rejected_unless_it_is_the_reference(
    files: dict[str, WeightFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, name: str, threads: int | None) -> Network:
        raise ImportError("a library is missing")

    monkeypatch.setitem(ENGINES, ORT8, dataclasses.replace(ENGINES[ORT8], open=fail))
    trials = try_engines(files)
    assert preferred(trials) == dict.fromkeys(fusion_networks(), ORT)
    assert all(tried[ORT8].reason == "it fails: ImportError" for tried in trials.values())
    monkeypatch.setitem(ENGINES, ORT, dataclasses.replace(ENGINES[ORT], open=fail))
    with pytest.raises(ImportError):
        try_engines(files)


def test_every_engine_has_an_entry_and_the_reference_is_the_first() -> None:
    assert list(ENGINES) == list(Engine) and next(iter(ENGINES)) == registry.REFERENCE
    for engine, spec in ENGINES.items():
        assert spec.int8 == engine.endswith("-int8")


@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize("name", fusion_networks())
def test_an_engine_takes_every_size_of_a_network(
    files: dict[str, WeightFile], engine: Engine, name: str
) -> None:
    if engine not in available(files, name):
        pytest.skip(f"{engine} is not installed, or has no weights of {name}")
    network = open_network(engine, files, name, 1)
    for side in {NETWORKS[name].largest_side, *((128,) if name == "coarse" else (256, 384))}:
        mask, delta = network.run(NETWORKS[name].output_names, synthetic_inputs(name, side))
        assert mask.shape == (1, 1, side, side) and delta.shape == (1, 3, side, side)
        assert mask.dtype == delta.dtype == np.float32 and mask.min() >= 0 and mask.max() <= 1.001


def test_the_pipeline_takes_the_engine_it_is_told(guest: np.ndarray, astronaut: np.ndarray) -> None:
    whole, small = (
        FusionPipeline.from_pretrained(engine=engine)(guest, astronaut, tier="best")
        for engine in (ORT, ORT8)
    )
    apart = np.abs(whole.image.astype(int) - small.image)
    assert 0 < apart.max() < 40 and apart.mean() < 0.1
    with pytest.raises(ValueError, match="abacus"):
        FusionPipeline.from_pretrained(engine="abacus")


@pytest.mark.usefixtures("only_onnxruntime")
def test_bench_shows_every_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = {ORT: Trial(0.01, 120), ORT8: Trial(float("inf"), 0.0, "it fails: ImportError")}
    monkeypatch.setattr(
        bench_engines,
        "try_engines",
        lambda files, threads: {"coarse": tried, "refine": {ORT: tried[ORT]}},
    )
    assert main(["bench", "--engines"]) == 0
    out = capsys.readouterr().out
    absent = "- | not installed, or without weights"
    assert "| engine | coarse | dB | refine | dB |" in out
    assert "| onnxruntime | 10.0 | 120.0 | 10.0 | 120.0 |" in out
    assert f"| onnxruntime-int8 | - | it fails: ImportError | {absent} |" in out
    assert f"| openvino | {absent} | {absent} |" in out
    assert out.endswith("The pipeline takes onnxruntime for coarse, onnxruntime for refine.\n")
