"""Export for elsewhere: what is written answers as what serves does. Formats whose package is not
installed are skipped.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from facefusion import FusionPipeline
from facefusion.cli.export import FORMATS
from facefusion.cli.main import main
from facefusion.engines.accuracy import synthetic_inputs
from facefusion.engines.registry import Engine
from facefusion.engines.sessions import make_session
from facefusion.evaluation.pairs import read_pairs
from facefusion.export import formats
from facefusion.export.calibration import record
from facefusion.export.comparison import psnr_by_input
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.models.networks import INT8, INT8_TFLITE, NETWORKS, fusion_networks


def test_the_command_knows_every_format() -> None:
    assert tuple(formats.FORMATS) == FORMATS


def test_onnx_comes_with_its_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--format", "onnx", "--out", str(tmp_path / "o")]) == 0
    entries = json.loads((tmp_path / "o" / "manifest.json").read_text())["networks"]
    assert set(entries) == {"coarse", "refine", "coarse" + INT8, "refine" + INT8}
    out = capsys.readouterr().out
    for entry in entries.values():
        path = tmp_path / "o" / entry["file"]
        assert f"{path}: {path.stat().st_size / 1e6:.2f} MB\n" in out


@pytest.fixture(scope="module")
def tensorrt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the networks for TensorRT, and what the command printed."""
    folder = tmp_path_factory.mktemp("tensorrt")
    with redirect_stdout(StringIO()) as printed:
        assert main(["export", "--format", "tensorrt", "--out", str(folder)]) == 0
    return folder, printed.getvalue()


def test_tensorrt_gets_fixed_shapes_and_the_same_answers(tensorrt: tuple[Path, str]) -> None:
    folder, out = tensorrt
    files = read_manifest(EMBEDDED_WEIGHTS)
    for name, spec in fusion_networks().items():
        session = make_session(files[name].path, 1)
        for side in spec.sides:
            path = folder / f"{name}-{side}.onnx"
            assert f"trtexec --onnx={path} --saveEngine={path.with_suffix('.plan')}" in out
            model = onnx.load(str(path))
            assert model.opset_import[0].version <= 20
            for value in (*model.graph.input, *model.graph.output):
                assert all(dim.dim_value > 0 for dim in value.type.tensor_type.shape.dim)
            feeds = synthetic_inputs(name, side)
            fixed = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(
                NETWORKS[name].output_names, feeds
            )
            for answer, expected in zip(
                fixed, session.run(NETWORKS[name].output_names, feeds), strict=True
            ):
                np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_tensorrt_gets_signed_eight_bits_around_zero(tensorrt: tuple[Path, str]) -> None:
    folder, out = tensorrt
    pairs = read_pairs(formats.EXAMPLES / "pairs.csv", formats.EXAMPLES)
    heard = record(
        FusionPipeline.from_pretrained(engine=Engine.ONNXRUNTIME),
        formats.EXAMPLES,
        pairs[formats.CALIBRATION :],
    )
    for name in fusion_networks():
        feeds = heard[name][-1]  # of photos that the scales were not calibrated on
        side = feeds["warped"].shape[-1]
        path = folder / f"{name}-{side}.int8.onnx"
        assert f"--onnx={path} --saveEngine={path.with_suffix('.plan')} --int8" in out
        model = onnx.load(str(path))
        assert all(
            dim.dim_value > 0
            for value in model.graph.input
            for dim in value.type.tensor_type.shape.dim
        )
        kinds = Counter(node.op_type for node in model.graph.node)
        assert kinds["QuantizeLinear"] > 10 and kinds["DequantizeLinear"] >= kinds["QuantizeLinear"]
        constants = {
            each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer
        }
        zeros = [
            constants[node.input[2]]
            for node in model.graph.node
            if node.op_type.endswith("uantizeLinear")
        ]
        assert zeros and all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
        assert path.stat().st_size < 0.5 * (folder / f"{name}-{side}.onnx").stat().st_size
        eight, whole = (
            onnxruntime.InferenceSession(str(folder / f"{name}-{side}{suffix}.onnx"), providers=["CPUExecutionProvider"])
            .run(NETWORKS[name].output_names, feeds)
            for suffix in (".int8", "")
        )  # fmt: skip
        made = [
            feeds["target"] + mask * (feeds["warped"] + delta - feeds["target"])
            for mask, delta in (eight, whole)
        ]
        assert -10 * np.log10(((made[0] - made[1]) ** 2).mean()) > 40


@pytest.mark.parametrize(
    ("form", "package"), [("tflite", "litert_torch"), ("coreml", "coremltools")]
)
def test_a_format_without_its_package_says_so(
    form: str,
    package: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    assert main(["export", "--format", form, "--out", str(tmp_path)]) == 2
    assert f"{package}. requirements-dev.txt says which one." in capsys.readouterr().err


@pytest.fixture
def one_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves each network its smallest side: each side takes up to 20 s."""
    for name, spec in fusion_networks().items():
        monkeypatch.setitem(NETWORKS, name, replace(spec, sides=spec.sides[:1]))


@pytest.mark.usefixtures("one_side")
def test_tflite_runs_and_matches(tmp_path: Path) -> None:
    pytest.importorskip("litert_torch")
    pytest.importorskip("ai_edge_litert")
    made = list(formats.to_tflite(EMBEDDED_WEIGHTS, formats.CHECKPOINTS, tmp_path))
    assert [path.name for path in made] == ["coarse.tflite", "refine.tflite", "refine.int8.tflite"]
    for path in made[:2]:
        assert _least_agreement(path.stem, path) > 60
    assert made[2].read_bytes() == (EMBEDDED_WEIGHTS / "refine.int8.tflite").read_bytes()


def test_tflite_in_eight_bits_runs_and_nearly_matches() -> None:
    pytest.importorskip("ai_edge_litert")
    file = read_manifest(EMBEDDED_WEIGHTS)["refine" + INT8_TFLITE]
    assert file.path.stat().st_size < 1.7e6
    assert _least_agreement("refine", file.path) > 40


def _least_agreement(name: str, path: Path) -> float:
    """Decibels between a TFLite file's fused crops and those of what it was made from, the least of
    all its sides.
    """
    from facefusion.engines.litert import LiteRtNetwork

    reference, judging = (
        make_session(EMBEDDED_WEIGHTS / f"{name}.onnx", 1),
        [synthetic_inputs(name, n) for n in NETWORKS[name].sides],
    )
    return min(
        psnr_by_input(reference, LiteRtNetwork(path, 1), NETWORKS[name].output_names, judging)
    )


@pytest.mark.usefixtures("one_side")
def test_core_ml_has_the_contract_s_names_and_shapes(tmp_path: Path) -> None:
    coremltools = pytest.importorskip("coremltools")
    made = list(formats.to_coreml(EMBEDDED_WEIGHTS, formats.CHECKPOINTS, tmp_path))
    assert [path.stem for path in made] == [
        f"{name}-{side}" for name, spec in fusion_networks().items() for side in spec.sides
    ]
    for path in made:
        name, side = path.stem.split("-")
        spec = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()
        shapes = {
            given.name: tuple(given.type.multiArrayType.shape) for given in spec.description.input
        }
        assert shapes == formats.shapes(name, int(side))
        assert [answer.name for answer in spec.description.output] == NETWORKS[name].output_names


def test_a_trained_network_is_the_one_that_serves() -> None:
    files = read_manifest(EMBEDDED_WEIGHTS)
    for name in formats.NETS:
        feeds = synthetic_inputs(name, NETWORKS[name].sides[0])
        with torch.no_grad():
            answers = formats.load_trained(name, formats.CHECKPOINTS)(
                **{key: torch.from_numpy(x) for key, x in feeds.items()}
            )
        for answer, expected in zip(
            answers,
            make_session(files[name].path, 1).run(NETWORKS[name].output_names, feeds),
            strict=True,
        ):
            np.testing.assert_allclose(answer.numpy(), expected, atol=1e-4)
