"""Networks that are others than the pipeline calls: one sentence that says which and how, instead
of a traceback.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from facefusion import FusionPipeline
from facefusion.cli.main import main
from facefusion.engines.registry import Engine, open_network
from facefusion.engines.sessions import make_session
from facefusion.errors import WeightsError
from facefusion.models.contracts import check, declared
from facefusion.models.hub import Found
from facefusion.models.hub_name import HubName
from facefusion.models.manifest import EMBEDDED_WEIGHTS, check_contracts, read_manifest
from facefusion.models.networks import INT8, INT8_TFLITE, NETWORKS, Tensors, base_name

ONNX_NETWORKS = [*NETWORKS, "coarse" + INT8, "refine" + INT8]


def tensors(described: Mapping[str, str]) -> list[onnx.ValueInfoProto]:
    """Tensors as `NETWORKS` describes them; only the types of the tests."""
    types = {
        "float32": TensorProto.FLOAT,
        "float16": TensorProto.FLOAT16,
        "int64": TensorProto.INT64,
    }
    made = []
    for name, tensor in described.items():
        kind, _, sizes = tensor.rstrip("]").partition("[")
        shape = (
            [int(size) if size.isdigit() else size for size in sizes.split(", ")] if sizes else []
        )
        made.append(helper.make_tensor_value_info(name, types[kind], shape))
    return made


def contract(name: str) -> tuple[Tensors, Tensors]:
    """Inputs and outputs of a network of the table."""
    return NETWORKS[name].inputs, NETWORKS[name].outputs


def network(inputs: Mapping[str, str], outputs: Mapping[str, str]) -> bytes:
    """An ONNX file of these inputs and outputs, which computes nothing of any use."""
    nodes = [helper.make_node("Identity", [next(iter(inputs))], [name]) for name in outputs]
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [2], [1.0, 2.0])
    graph = helper.make_graph(nodes, "graph", tensors(inputs), tensors(outputs), [weight])
    return bytes(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
        ).SerializeToString()
    )


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the embedded weights."""
    return Path(shutil.copytree(EMBEDDED_WEIGHTS, tmp_path / "weights"))


def put(weights: Path, name: str, content: bytes, **entry: Any) -> Path:
    """Puts another file in a network's place, with its hash in the manifest."""
    manifest = json.loads((weights / "manifest.json").read_text())
    networks = manifest["networks"]
    path = weights / networks[name]["file"]
    path.write_bytes(content)
    networks[name] |= {"sha256": hashlib.sha256(content).hexdigest(), **entry}
    for small in (name + INT8, name + INT8_TFLITE):
        if small in networks:  # or the INT8 files would count as absent
            networks[small]["made_from"] = networks[name]["sha256"]
    (weights / "manifest.json").write_text(json.dumps(manifest))
    return path


def sentence(weights: Path, **options: Any) -> str:
    """What a pipeline says of weights that it does not take."""
    with pytest.raises(WeightsError) as told:
        FusionPipeline.from_pretrained(weights, **options)
    words = str(told.value)
    assert "\n" not in words and words.endswith(".") and words.count(". ") == 0
    return words


def test_the_networks_that_serve_are_those_of_the_contracts() -> None:
    files = read_manifest(EMBEDDED_WEIGHTS)
    check_contracts(files)
    assert set(ONNX_NETWORKS) == {name for name in files if not name.endswith(INT8_TFLITE)}
    for name in ONNX_NETWORKS:
        inputs, outputs = declared(files[name].path.read_bytes())
        session = make_session(files[name].path, 1)
        assert inputs == files[name].inputs
        assert inputs == {
            each.name: f"float32[{', '.join(map(str, each.shape))}]"
            for each in session.get_inputs()
        }
        assert list(outputs) == [each.name for each in session.get_outputs()]


@pytest.mark.parametrize("name", ONNX_NETWORKS)
@pytest.mark.parametrize("engine", [None, Engine.ONNXRUNTIME])
def test_another_network_in_its_place_is_told(
    weights: Path, name: str, engine: Engine | None
) -> None:
    other = "parser" if name != "parser" else "mesh"
    put(weights, name, network(*contract(other)))
    told = sentence(weights, engine=engine)
    inputs = [", ".join(NETWORKS[each].inputs) for each in (other, base_name(name))]
    assert told.startswith(f"The {name} network (") and "does not fit this pipeline" in told
    assert f"its inputs are {inputs[0]}, and should be {inputs[1]}." in told


@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensor: tensor.replace("float32", "float16"), "is float16["),
        (lambda tensor: tensor.replace("float32", "int64"), "is int64["),
        (lambda tensor: tensor.replace("3, ", "4, ").replace("1, 1,", "1, 2,"), "4, "),
        (lambda tensor: tensor[:-1] + ", 7]", ", 7]"),
        (lambda tensor: "float32", "is float32[]"),
    ],
    ids=["half", "whole-numbers", "channels", "rank", "scalar"],
)
def test_a_tensor_that_differs_is_named(
    tmp_path: Path, name: str, change: Callable[[str], str], told: str
) -> None:
    inputs, outputs = contract(name)
    first = next(iter(inputs))
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(network({**inputs, first: change(inputs[first])}, outputs))
    with pytest.raises(
        WeightsError, match=rf"^The {name} network .*its input {first} is "
    ) as caught:
        check(name, path, {}, {})
    assert told in str(caught.value) and str(caught.value).endswith(
        f"and should be {inputs[first]}."
    )


@pytest.mark.parametrize("name", list(NETWORKS))
def test_what_takes_more_sizes_is_taken_and_fewer_not(tmp_path: Path, name: str) -> None:
    inputs, outputs = contract(name)
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(
        network(
            {key: value.replace("128, 128", "side, side") for key, value in inputs.items()}, outputs
        )
    )
    check(name, path, {}, {})
    fixed = {key: re.sub("size|batch|height", "64", value) for key, value in inputs.items()}
    path.write_bytes(network(fixed, outputs))
    if fixed == inputs:
        check(name, path, {}, {})
    else:
        with pytest.raises(WeightsError, match="its input"):
            check(name, path, {}, {})


@pytest.mark.parametrize("name", list(NETWORKS))
def test_outputs_that_differ_are_told(weights: Path, name: str) -> None:
    inputs, outputs = contract(name)
    put(weights, name, network(inputs, {f"my_{key}": value for key, value in outputs.items()}))
    assert (
        f"its outputs are {', '.join(f'my_{key}' for key in outputs)}, and should be"
        in sentence(weights)
    )


def test_a_manifest_that_describes_another_file_is_told(weights: Path) -> None:
    mesh = (weights / "mesh.onnx").read_bytes()
    put(weights, "mesh", mesh, inputs={"input": "float32[batch, 3, 256, 256]"})
    assert (
        "is not as its manifest says: its input input is float32[batch, 3, 192, 192]"
        in sentence(weights)
    )
    put(weights, "mesh", mesh, inputs={})
    check_contracts(read_manifest(weights))


@pytest.mark.parametrize("inputs", [None, ["input"], "input", 7])
def test_a_manifest_with_other_types_is_told(weights: Path, inputs: Any) -> None:
    put(weights, "mesh", (weights / "mesh.onnx").read_bytes(), inputs=inputs)
    with pytest.raises(WeightsError, match=r"manifest in .* cannot be read"):
        FusionPipeline.from_pretrained(weights)


@pytest.mark.parametrize("name", ["detector", "mesh", "coarse"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut", "zeros", "endless", "json"])
def test_what_is_no_onnx_file_is_told(weights: Path, name: str, damage: str) -> None:
    whole = (weights / f"{name}.onnx").read_bytes()
    put(weights, name, {
        "empty": b"", "text": b"a network", "cut": whole[: len(whole) // 2], "zeros": bytes(1000),
        "endless": b"\xff" * 1000, "json": b'{"graph": 1}',
    }[damage])  # fmt: skip
    assert sentence(weights) == f"The {name} network ({name}.onnx) is no ONNX file."


def test_a_file_that_onnx_runtime_refuses_is_told(weights: Path) -> None:
    inputs, outputs = contract("mesh")
    model = onnx.load_from_string(network(inputs, outputs))
    model.graph.node[0].op_type = "NoSuchOperator"
    put(weights, "mesh", model.SerializeToString())
    assert sentence(weights, engine=Engine.ONNXRUNTIME).startswith(
        "ONNX Runtime cannot open mesh.onnx: "
    )


def test_weights_that_are_listed_as_inputs_are_none(tmp_path: Path) -> None:
    model = onnx.load_from_string(network(*contract("mesh")))
    model.graph.input.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT, [2]))
    path = tmp_path / "mesh.onnx"
    path.write_bytes(model.SerializeToString())
    check("mesh", path, {}, {})


def test_the_command_line_ends_with_the_sentence(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(weights, "parser", network(*contract("mesh")))
    photo = str(EMBEDDED_WEIGHTS.parent / "examples" / "portrait-1.jpg")
    out = tmp_path / "out.png"
    code = main(
        ["fuse", photo, photo, "--out", str(out), "--i-have-consent", "--weights", str(weights)]
    )
    assert code == 2 and not out.exists()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(
        "facefusion: The parser network (parser.onnx) does not fit this pipeline: "
    )


def test_from_the_hub_the_embedded_networks_serve(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(weights, "coarse", network(*contract("mesh")))
    found = Found(read_manifest(weights), HubName("someone/faces", "0" * 40))
    monkeypatch.setattr("facefusion.pipeline.loading.resolve", lambda *_: found)
    pipeline = FusionPipeline.from_pretrained("someone/faces", engine=Engine.ONNXRUNTIME)
    assert pipeline.notice is not None and "built-in ones serve instead" in pipeline.notice


@pytest.mark.parametrize("content", ["another", "text", "empty"])
def test_a_file_of_litert_is_checked_too(weights: Path, content: str) -> None:
    pytest.importorskip("ai_edge_litert")
    refine = (weights / "refine.int8.tflite").read_bytes()
    put(
        weights,
        "refine" + INT8_TFLITE,
        {"another": refine, "text": b"a network" * 100, "empty": b""}[content],
    )
    files = read_manifest(weights)
    if content == "another":  # the refine network for the coarse one
        files = {
            **files,
            "coarse" + INT8_TFLITE: files["refine" + INT8_TFLITE],
            "coarse": files["refine"],
        }
        with pytest.raises(
            WeightsError, match="coarse network for LiteRT has no signature for a side of 128"
        ):
            open_network(Engine.LITERT_INT8, files, "coarse", 1)
        return
    with pytest.raises(WeightsError, match=r"litert-int8 cannot open refine\.int8\.tflite: \w+\."):
        open_network(Engine.LITERT_INT8, files, "refine", 1)
