"""The comparison of engines says what it measured, and why it could not measure the rest."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import engine_ways, engines
from benchmarks.engine_ways import REFERENCE, Opener, openers
from benchmarks.engines import Row, compare, main, record_inputs, report, short_reason, time_ratios
from facefusion.engines.accuracy import synthetic_inputs
from facefusion.evaluation.pairs import DataError, Pair, ValFace
from facefusion.export import calibration as calibrated
from facefusion.models.manifest import EMBEDDED_WEIGHTS, WeightFile, read_manifest
from facefusion.models.networks import fusion_networks

SMALL, TORCH = "ONNX Runtime, INT8 that ships", "torch, fp32"
HERE = {"cpu": "Abacus", "cores": 2, "load": 0.5, "system": "Clay", "python": "3.11.0"}


@pytest.fixture(scope="module")
def files() -> dict[str, WeightFile]:
    return read_manifest(EMBEDDED_WEIGHTS)


def some_ways(name: str, files: dict[str, WeightFile]) -> dict[str, Opener]:
    """The ways that need nothing but onnxruntime and torch."""
    ways = openers(name, files, None)
    return {way: ways[way] for way in (REFERENCE, SMALL, TORCH)}


@pytest.mark.parametrize("name", fusion_networks())
def test_torch_and_int8_are_beside_the_reference(
    name: str, files: dict[str, WeightFile], tmp_path: Path
) -> None:
    feeds = [synthetic_inputs(name, 128 if name == "coarse" else 256)]
    rows = compare(some_ways(name, files), name, tmp_path, feeds, feeds, 2)
    assert not any(row.reason for row in rows.values())
    assert rows[REFERENCE].ratio == 1 and min(row.ratio for row in rows.values()) > 0
    assert rows[TORCH].psnr > 60 and rows[TORCH].least > 60
    assert 30 < rows[SMALL].psnr < rows[TORCH].psnr
    whole = files[name].path.stat().st_size / 1e6
    assert rows[REFERENCE].megabytes == whole and 0 < rows[SMALL].megabytes < 0.5 * whole
    assert rows[TORCH].megabytes == pytest.approx(whole, rel=0.1)


def test_a_package_that_is_missing_is_named(
    files: dict[str, WeightFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in (
        "openvino",
        "nncf",
        "ai_edge_litert.interpreter",
        "ai_edge_quantizer",
        "litert_torch",
    ):
        monkeypatch.setitem(sys.modules, package, None)
    for module in ("openvino", "litert"):
        monkeypatch.delitem(sys.modules, f"facefusion.engines.{module}", raising=False)
    feeds = [synthetic_inputs("coarse", 128)]
    rows = compare(openers("coarse", files, None), "coarse", tmp_path, feeds, feeds, 1)
    assert {way: row.reason for way, row in rows.items() if row.reason} == {
        "OpenVINO, fp32": "openvino is not installed",
        "OpenVINO, INT8 that ships": "openvino is not installed",
        "OpenVINO, INT8 by NNCF, default": "nncf is not installed",
        "OpenVINO, INT8 by NNCF, mixed": "nncf is not installed",
        "LiteRT, fp32": "ai_edge_litert.interpreter is not installed",
        "LiteRT, INT8 by AI Edge Quantizer": "ai_edge_litert.interpreter is not installed",
    }


def test_what_fails_is_a_row_unless_it_is_the_reference(
    files: dict[str, WeightFile], tmp_path: Path
) -> None:
    def fails(folder: Path, calibration: Any) -> Any:
        raise RuntimeError("no such node")

    feeds = [synthetic_inputs("coarse", 128)]
    ways = {REFERENCE: openers("coarse", files, None)[REFERENCE], "abacus": fails}
    rows = compare(ways, "coarse", tmp_path, feeds, feeds, 1)
    assert rows["abacus"].reason == "RuntimeError: no such node" and list(rows) == [
        REFERENCE,
        "abacus",
    ]
    with pytest.raises(RuntimeError, match="no such node"):
        compare({REFERENCE: fails}, "coarse", tmp_path, feeds, feeds, 1)


def test_int8_of_other_weights_is_not_compared(
    files: dict[str, WeightFile], tmp_path: Path
) -> None:
    feeds = [synthetic_inputs("coarse", 128)]
    without = {name: file for name, file in files.items() if name != "coarse_int8"}
    retrained = {**files, "coarse_int8": files["refine_int8"]}
    for changed in (without, retrained):
        rows = compare(some_ways("coarse", changed), "coarse", tmp_path, feeds, feeds, 1)
        assert (
            rows[SMALL].reason
            == "WeightsError: There are no weights of the coarse network for onnxruntime-int8."
        )


def test_reasons_fit_the_table() -> None:
    assert (
        short_reason(ValueError("one | two in /some/folder/coarse.tflite\nand more"))
        == "ValueError: one / two in coarse.tflite"
    )
    assert short_reason(RuntimeError()) == "RuntimeError"
    assert (
        short_reason(ImportError("cannot import name 'x'", name="y"))
        == "ImportError: cannot import name 'x'"
    )
    assert (
        short_reason(ModuleNotFoundError("No module named 'y'", name="y")) == "y is not installed"
    )
    assert len(short_reason(ValueError("x" * 1000))) < 120


def test_times_are_shares_of_the_reference_in_the_same_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter([1.0, 0.5, 2.0, 8.0, 1.0, 0.6])  # the second round met something else
    monkeypatch.setattr(engines, "_seconds", lambda *_: next(seconds))
    networks: Any = {REFERENCE: None, TORCH: None}
    assert time_ratios("coarse", networks, {}, 3) == {REFERENCE: 1.0, TORCH: 0.6}


def test_files_for_litert_are_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []

    def to_tflite(weights: Path, checkpoints: Path, out: Path) -> Iterator[Path]:
        calls.append(out)
        yield from (out / "coarse.tflite", out / "refine.tflite")

    monkeypatch.setattr(engine_ways, "to_tflite", to_tflite)
    made = {"coarse": tmp_path / "coarse.tflite", "refine": tmp_path / "refine.tflite"}
    assert engine_ways.export_tflite(tmp_path) == engine_ways.export_tflite(
        tmp_path
    ) == made and calls == [tmp_path]


def test_nothing_is_judged_by_what_it_was_calibrated_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(pipeline: Any, data: Path, pairs: list[Pair]) -> dict[str, list[Pair]]:
        return {"coarse": pairs, "refine": pairs[:-1]}

    monkeypatch.setattr(calibrated, "record", record)
    monkeypatch.setattr(calibrated.FusionPipeline, "from_pretrained", lambda *a, **k: None)
    monkeypatch.setattr(
        calibrated, "val_faces", lambda data: [ValFace(f"{i}.jpg", 0.0) for i in range(60)]
    )
    calibration, judging = record_inputs(Path("data"), 1000)
    assert (
        len(calibration["coarse"]) == calibrated.CALIBRATION
        and len(judging["coarse"]) == calibrated.JUDGING
    )
    drawn: list[Any] = [*calibration["coarse"], *judging["coarse"]]
    assert len({pair.target for pair in drawn}) == len(drawn)
    calibration, judging = record_inputs(Path("data"), 3)
    assert len(calibration["coarse"]) == len(judging["coarse"]) == 3
    with pytest.raises(DataError, match="Too few"):
        record_inputs(Path("data"), 1)


def test_the_report_has_a_line_for_every_row() -> None:
    rows = {
        REFERENCE: Row(3.61, 120.0, 120.0, 1.0),
        TORCH: Row(3.7, 88.04, 77.06, 2.254),
        "OpenVINO, fp32": Row(reason="openvino is not installed"),
    }
    lines = report(
        {"coarse": rows, "refine": rows}, HERE, ["onnxruntime 9", "no nncf"], 5, 7
    ).splitlines()
    assert (
        lines[0] == "# Engines"
        and "`python -m benchmarks.engines --data DIR --samples 5 --rounds 7`" in lines
    )
    assert "Abacus, 2 cores, load 0.5, Clay, Python 3.11.0; onnxruntime 9, no nncf." in lines
    assert lines[-8:] == [
        "| network | engine | MB | PSNR, dB (least) | time |",
        "|---|---|---|---|---|",
        f"| coarse | {REFERENCE} | 3.61 | the reference | 1.00 |",
        "| coarse | torch, fp32 | 3.70 | 88.0 (77.1) | 2.25 |",
        "| coarse | OpenVINO, fp32 | | openvino is not installed | |",
        f"| refine | {REFERENCE} | 3.61 | the reference | 1.00 |",
        "| refine | torch, fp32 | 3.70 | 88.0 (77.1) | 2.25 |",
        "| refine | OpenVINO, fp32 | | openvino is not installed | |",
    ]
    assert {line.count("|") for line in lines[-8:]} == {6}


def test_the_command_prints_what_it_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {
        "coarse": [synthetic_inputs("coarse", 128)],
        "refine": [synthetic_inputs("refine", 256)],
    }
    monkeypatch.setattr(engines, "record_inputs", lambda data, samples: (given, given))
    monkeypatch.setattr(engines, "openers", lambda name, files, tflite: some_ways(name, files))
    out = tmp_path / "new" / "engines.md"
    assert main(["--data", "data", "--samples", "1", "--rounds", "1", "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert text == capsys.readouterr().out.removesuffix("\n")
    assert (
        len(re.findall(r"^\| (coarse|refine) \| .* \| \d\.\d\d \| .* \| \d+\.\d\d \|$", text, re.M))
        == 6
    )
    assert re.search(r"onnxruntime \d", text) and re.search(r"torch \d", text)


def test_the_command_refuses_what_it_cannot_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (["--samples", "0"], ["--rounds", "0"], []):
        with pytest.raises(SystemExit) as ended:
            main(["--data", str(tmp_path), *wrong])
        assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "1 at the least" in told and "faces.csv cannot be read" in told
