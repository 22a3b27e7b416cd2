"""INT8 for LiteRT: a file that is exact enough is written and entered, another is not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefusion.engines.accuracy import synthetic_inputs
from facefusion.engines.registry import Engine, available
from facefusion.engines.sessions import make_session
from facefusion.export import litert
from facefusion.export.comparison import Cost, psnr_by_input
from facefusion.export.litert import main, resize_inputs
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.models.networks import INT8_TFLITE, NETWORKS


def test_inputs_are_had_at_another_side() -> None:
    feeds = synthetic_inputs("refine", 256)
    small = resize_inputs(feeds, 128)
    assert {key: value.shape for key, value in small.items()} == {
        key: (*value.shape[:2], 128, 128) for key, value in feeds.items()
    }
    for key, value in feeds.items():
        assert (
            small[key].mean() == pytest.approx(value.mean(), abs=1e-4)
            and small[key].dtype == np.float32
        )
        assert resize_inputs(feeds, 256)[key] is value
    coarse = synthetic_inputs("coarse", 128)
    assert resize_inputs(coarse, 64)["identity"] is coarse["identity"]


def test_a_network_agrees_with_itself_and_less_with_its_int8() -> None:
    whole, small = (
        make_session(EMBEDDED_WEIGHTS / f"refine{kind}.onnx", 1) for kind in ("", ".int8")
    )
    judging = [synthetic_inputs("refine", side) for side in (256, 384)]
    assert psnr_by_input(whole, whole, NETWORKS["refine"].output_names, judging) == pytest.approx(
        [120, 120]
    )
    assert all(
        40 < decibels < 80
        for decibels in psnr_by_input(whole, small, NETWORKS["refine"].output_names, judging)
    )


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the weights before there was anything for LiteRT."""
    folder = Path(shutil.copytree(EMBEDDED_WEIGHTS, tmp_path / "weights"))
    (folder / "refine.int8.tflite").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["networks"]["refine" + INT8_TFLITE]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("exact", [True, False])
def test_only_what_is_exact_enough_is_written(
    exact: bool, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ai_edge_litert")

    def quantize(whole: Path, out: Path, name: str, calibration: Any) -> None:
        assert (whole.name, name, calibration) == ("refine.tflite", "refine", heard["refine"])
        shutil.copy(EMBEDDED_WEIGHTS / "refine.int8.tflite", out)

    heard: dict[str, list[Any]] = {"coarse": [], "refine": [synthetic_inputs("refine", 256)]}
    monkeypatch.setattr(litert, "tflite", lambda name, checkpoints, out: out / f"{name}.tflite")
    monkeypatch.setattr(litert, "quantize", quantize)
    monkeypatch.setattr(litert, "record_parts", lambda *a: [heard, heard])
    monkeypatch.setattr(litert, "split_pairs", lambda *a: ([], []))
    costs = Cost(7, {"PSNR, dB": (15, 21.5, 21.25)}, (0.65, 0.65))
    monkeypatch.setattr(litert, "cost", lambda *a: costs)
    monkeypatch.setattr(litert, "ENOUGH", 40.0 if exact else 90.0)
    written = weights.parent / "new" / "litert.md"
    assert main(
        ["--data", "data", "--weights", str(weights), "--limit", "2", "--out", str(written)]
    ) == int(not exact)
    megabytes = f"{(EMBEDDED_WEIGHTS / 'refine.int8.tflite').stat().st_size / 1e6:.2f}"
    assert capsys.readouterr().out.startswith(f"refine: {megabytes} MB, ")
    assert written.exists() == exact
    files = read_manifest(weights)
    assert (Engine.LITERT_INT8 in available(files, "refine")) == exact
    if exact:
        text = written.read_text()
        assert f"| refine | {megabytes} | " in text
        assert "7 reconstructions" in text and "INT8 costs 0.25 dB" in text
        shipped = read_manifest(EMBEDDED_WEIGHTS)["refine" + INT8_TFLITE]
        assert files["refine" + INT8_TFLITE] == replace(
            shipped, path=weights / "refine.int8.tflite"
        )
    else:
        assert not (weights / "refine.int8.tflite").exists()


def test_what_costs_too_much_is_told(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setattr(litert, "QUANTIZED", ())
    monkeypatch.setattr(litert, "record_parts", lambda *a: [{}, {}])
    monkeypatch.setattr(litert, "split_pairs", lambda *a: ([], []))
    costs = Cost(7, {"PSNR, dB": (15, 21.5, 20.25)}, (0.65, 0.65))
    monkeypatch.setattr(litert, "cost", lambda *a: costs)
    assert (
        main(
            [
                "--data",
                "data",
                "--weights",
                str(weights),
                "--limit",
                "2",
                "--out",
                str(weights / "litert.md"),
            ]
        )
        == 1
    )
