"""The ONNX files that ship compute what the networks that were trained compute, and export keeps
its contract.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from facefusion.export import manifest
from facefusion.export.onnx import CONTRACTS, export_network, export_onnx
from facefusion.models.manifest import EMBEDDED_WEIGHTS, INTERFACE, read_manifest
from facefusion.models.networks import NETWORKS, base_name
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.detector import DetectorNet
from facefusion.nets.eyelids import EyelidsNet
from facefusion.nets.identity import IdentityNet
from facefusion.nets.mesh import MeshNet
from facefusion.nets.parser import FaceParserNet
from facefusion.nets.refine import EnhancementNet

NETS: dict[str, type[nn.Module]] = {
    "detector": DetectorNet,
    "mesh": MeshNet,
    "identity": IdentityNet,
    "parser": FaceParserNet,
    "eyelids": EyelidsNet,
    "coarse": CoarseFusionModel,
    "refine": EnhancementNet,
}
CHECKPOINTS = EMBEDDED_WEIGHTS.parent / "checkpoints"


def inputs(name: str, seed: int) -> list[torch.Tensor]:
    """Inputs in the range of the contract, with the spatial correlation of images."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for key, shape in CONTRACTS[name].inputs.items():
        if key == "identity":
            made.append(nn.functional.normalize(torch.randn(shape, generator=generator)))
            continue
        coarse = torch.rand((*shape[:2], 8, 8), generator=generator)
        x = nn.functional.interpolate(coarse, size=shape[2:], mode="bicubic").clamp(0, 1)
        made.append(x if key in ("warped", "target", "face", "mask") else x * 2 - 1)
    return made


def outputs_of(net: nn.Module, tensors: list[torch.Tensor]) -> list[np.ndarray]:
    with torch.no_grad():
        out = net.eval()(*tensors)
    return [o.numpy() for o in (out if isinstance(out, tuple) else (out,))]


@pytest.mark.parametrize("name", sorted(NETS))
def test_shipped_onnx_matches_the_trained_network(name: str) -> None:
    net = NETS[name]()
    net.load_state_dict(load_file(CHECKPOINTS / f"{name}.safetensors"))
    session = onnxruntime.InferenceSession(
        str(EMBEDDED_WEIGHTS / f"{name}.onnx"), providers=["CPUExecutionProvider"]
    )
    for seed in range(2):
        tensors = inputs(name, seed)
        expected = outputs_of(net, tensors)
        feeds = {i.name: t.numpy() for i, t in zip(session.get_inputs(), tensors, strict=True)}
        found = session.run(None, feeds)
        assert [o.name for o in session.get_outputs()] == list(CONTRACTS[name].outputs)
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            scale = max(1.0, float(np.abs(b).max()))  # embeddings and distances are not of order 1
            most = 3e-3 if CONTRACTS[name].half else 1e-3  # weights rounded to 16 bits
            assert np.abs(a - b).max() <= most * scale


def test_export_writes_files_and_a_manifest_that_serving_accepts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    for name, make in NETS.items():
        export_network(name, make().eval(), tmp_path / "weights", tmp_path / "checkpoints")
    files = read_manifest(tmp_path / "weights")
    assert set(files) == set(NETS)
    entry = json.loads((tmp_path / "weights" / "manifest.json").read_text())["networks"]["mesh"]
    assert entry["parameters"] == sum(p.numel() for p in MeshNet().parameters())
    assert (tmp_path / "checkpoints" / "mesh.safetensors").is_file()


def test_weights_in_half_precision_compute_what_the_network_computes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = MeshNet().eval()
    contract = CONTRACTS["mesh"]
    assert contract.half
    export_onnx(net, contract, tmp_path / "half.onnx")
    export_onnx(net, dataclasses.replace(contract, half=False), tmp_path / "whole.onnx")
    assert (tmp_path / "half.onnx").stat().st_size < 0.55 * (tmp_path / "whole.onnx").stat().st_size
    faces = torch.cat(inputs("mesh", 0) + inputs("mesh", 1))  # two faces at once
    expected = outputs_of(net, [faces])[0]
    for name, most in (("half", 1e-3), ("whole", 1e-5)):
        session = onnxruntime.InferenceSession(
            str(tmp_path / f"{name}.onnx"), providers=["CPUExecutionProvider"]
        )
        assert np.abs(session.run(None, {"input": faces.numpy()})[0] - expected).max() <= most


def test_sizes_keep_the_promise() -> None:
    limits = {
        "detector": 3.0, "mesh": 3.0, "identity": 5.0, "parser": 1.5, "eyelids": 0.2,
        "coarse": 8.0, "refine": 3.6,
    }  # fmt: skip
    for name, limit in limits.items():
        assert (EMBEDDED_WEIGHTS / f"{name}.onnx").stat().st_size <= limit * 1e6
    assert sum(f.stat().st_size for f in EMBEDDED_WEIGHTS.iterdir()) <= 28.5e6


def test_fused_crop_is_the_target_wherever_the_face_mask_is_zero() -> None:
    torch.manual_seed(1)
    warped, target, face, identity = inputs("coarse", 3)
    face[..., :64] = 0
    mask, delta = (
        torch.from_numpy(o)
        for o in outputs_of(CoarseFusionModel(), [warped, target, face, identity])
    )
    assert float(mask[..., :64].abs().max()) == 0
    assert float(mask[..., 64:].max()) > 0.5
    assert float(delta.abs().max()) <= 1


def test_the_manifest_describes_the_files_that_are_there() -> None:
    described = json.loads((EMBEDDED_WEIGHTS / "manifest.json").read_text())
    assert described["interface"] == INTERFACE and set(described["networks"]) >= set(NETS) == set(
        NETWORKS
    )
    for name, entry in described["networks"].items():
        spec = NETWORKS[base_name(name)]
        for found, wanted in ((entry["inputs"], spec.inputs), (entry["outputs"], spec.outputs)):
            assert list(found.items()) == list(wanted.items())
        description = {key: text for key, text in entry["contract"].items() if key != "precision"}
        assert description == spec.description
    checkpoints = EMBEDDED_WEIGHTS.parent / "checkpoints"
    assert (
        set(described["checkpoints"])
        == {path.stem for path in checkpoints.glob("*.safetensors")}
        >= set(NETS)
    )
    for entry in described["checkpoints"].values():
        assert (
            entry["sha256"]
            == hashlib.sha256((checkpoints / entry["file"]).read_bytes()).hexdigest()
        )


def test_an_old_manifest_is_described_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(EMBEDDED_WEIGHTS, tmp_path / "weights")
    path = tmp_path / "weights" / "manifest.json"
    before = json.loads(path.read_text())
    bare = {name: {**entry, "sha256": "old"} for name, entry in before["networks"].items()}
    for entry in bare.values():
        if entry["file"].endswith(".onnx"):  # others cannot say it of themselves
            del entry["inputs"], entry["outputs"]
    path.write_text(json.dumps({"networks": bare}))
    monkeypatch.setattr(sys, "argv", ["manifest", "--weights", str(tmp_path / "weights")])
    manifest.main()
    assert json.loads(path.read_text()) == before
