"""Judges of geometry and identity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from facefusion import FusionPipeline
from facefusion.evaluation import judges, mediapipe_mesh
from facefusion.evaluation.judges import MobileFaceNet, OwnMesh, choose_judges
from facefusion.evaluation.pairs import DataError
from facefusion.geometry.topology import eye_distance

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def test_missing_judges_are_replaced_by_our_own_and_named(
    pipe: FusionPipeline, fakes, make_photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "missing_packages", lambda: ["some-package"])
    chosen = choose_judges(pipe, None)
    assert isinstance(chosen.mesh, OwnMesh)
    assert chosen.identity == pipe.networks.identity
    assert chosen.dimensions is None
    assert "own" in chosen.mesh_name and "own" in chosen.identity_name
    assert len(chosen.warnings) == 2 and "some-package" in chosen.warnings[0]
    assert all("judges itself is lenient" in warning for warning in chosen.warnings)
    np.testing.assert_array_equal(chosen.mesh(make_photo(300, 240)), fakes.faces[300, 240])
    assert chosen.mesh(make_photo(90, 90)) is None


def tiny_network(path: Path, size: int = 112) -> Path:
    """An ONNX file whose embedding is the mean of each channel."""
    float32 = onnx.TensorProto.FLOAT
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["x"], ["m"]),
        onnx.helper.make_node("Flatten", ["m"], ["y"]),
    ]
    ends = [("x", [1, 3, size, size]), ("y", [1, 3])]
    inputs, outputs = (
        [onnx.helper.make_tensor_value_info(name, float32, shape)] for name, shape in ends
    )
    graph = onnx.helper.make_graph(nodes, "mean", inputs, outputs)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9
    )
    onnx.save(model, str(path))
    return path


def test_the_identity_judge_sees_imagenet_units_and_answers_in_unit_length(
    tmp_path: Path, make_mesh
) -> None:
    judge = MobileFaceNet(tiny_network(tmp_path / "net.onnx"))
    assert judge.dimensions == 3
    colour = np.array([200, 90, 30])
    photo = np.full((200, 200, 3), colour, np.uint8)
    expected = (colour / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    found = judge(photo, make_mesh((100, 100), 90))
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-4)


def test_a_file_that_is_no_identity_judge_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    tiny_network(tmp_path / "large.onnx", 128)
    for name, reason in (
        ("none.onnx", "no file"),
        ("text.onnx", "not a network"),
        ("large.onnx", "does not take"),
    ):
        with pytest.raises(DataError, match=reason):
            MobileFaceNet(tmp_path / name)


def test_mediapipe_agrees_with_our_own_mesh(pipeline: FusionPipeline) -> None:
    if mediapipe_mesh.missing_packages():
        pytest.skip("the packages of the MediaPipe judge are not installed")
    photo = np.asarray(Image.open(EXAMPLES / "portrait-1.jpg").convert("RGB"))
    judge = mediapipe_mesh.MediaPipeMesh()
    found, own = judge(photo), OwnMesh(pipeline)(photo)
    assert found is not None and own is not None
    assert np.linalg.norm((found - own)[:, :2], axis=1).mean() < 0.06 * eye_distance(own)
    assert judge(np.full((300, 200, 3), 128, np.uint8)) is None
