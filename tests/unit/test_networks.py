"""The table of networks: constants elsewhere agree with it, and one entry adds a network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from facefusion import FusionPipeline
from facefusion.engines.registry import Engine
from facefusion.errors import WeightsError
from facefusion.export import formats
from facefusion.export.onnx import export_network
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.fusion.refine import LEAST_SIZE
from facefusion.fusion.sizes import refined_side
from facefusion.models.manifest import EMBEDDED_WEIGHTS, check_contracts, read_manifest
from facefusion.models.networks import (
    INT8,
    INT8_TFLITE,
    NETWORKS,
    NetworkSpec,
    base_name,
    fusion_networks,
    sizes,
)
from facefusion.nets import identity as identity_net
from facefusion.nets import mesh as mesh_net
from facefusion.nets import parser as parser_net
from facefusion.nets.refine import COARSE_SIDE
from facefusion.perception import face_parser, identity, mesh
from facefusion.perception.face_parts import PARTS
from facefusion.tiers import TIERS

#: A network that the product does not have, with two sizes that vary.
EARS = NetworkSpec(
    {"side": "float32[batch, 3, height, 24]"},
    {"ear": "float32[batch, 1]"},
    "FaceFusion ears",
    "side: (N, 3, H, 24) float32 RGB in [0, 1]",
    "ear: (N, 1) float32, the mean of all channels",
    traced={"batch": 2, "height": 16},
)


class EarsNet(nn.Module):
    """Mean of a crop."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, side: Tensor) -> Tensor:
        """(N, 3, H, 24) to (N, 1)."""
        return self.scale * side.mean((1, 2, 3), keepdim=True)[:, :, 0, 0]


def _sides(name: str) -> list[str]:
    """Height and width of a network's first input."""
    return sizes(next(iter(NETWORKS[name].inputs.values())))[2:]


def test_the_sizes_of_perception_are_those_of_the_table() -> None:
    assert _sides("mesh") == [str(mesh.INPUT_SIZE)] * 2 == [str(mesh_net.INPUT_SIZE)] * 2
    assert _sides("identity") == [str(identity.INPUT_SIZE)] * 2
    assert identity.INPUT_SIZE == identity_net.INPUT_SIZE
    assert _sides("parser") == [str(face_parser.CROP_SIZE)] * 2
    assert NETWORKS["parser"].outputs["parts"].startswith(f"float32[1, {PARTS},")
    assert PARTS == parser_net.PARTS


def test_the_sizes_of_fusion_are_those_of_the_table() -> None:
    assert NETWORKS["coarse"].sides == (COARSE_SIZE,) == (COARSE_SIDE,)
    assert _sides("coarse") == [str(COARSE_SIZE)] * 2
    sides = {
        refined_side(crop, spec.refine_size)
        for spec in TIERS.values()
        for crop in range(COARSE_SIZE, spec.detail_size + 1, COARSE_SIZE)
    }
    assert sorted(sides - {0}) == list(NETWORKS["refine"].sides) and min(sides - {0}) == LEAST_SIZE


def test_formats_and_engines_have_the_fusion_networks() -> None:
    assert list(fusion_networks()) == list(formats.NETS) == ["coarse", "refine"]


def test_weights_belong_to_a_network() -> None:
    for name in NETWORKS:
        assert base_name(name) == base_name(name + INT8) == base_name(name + INT8_TFLITE) == name


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "ears", EARS)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the embedded weights."""
    return Path(shutil.copytree(EMBEDDED_WEIGHTS, tmp_path / "weights"))


@pytest.mark.usefixtures("ears")
def test_one_entry_makes_a_network_s_weights_required(weights: Path) -> None:
    with pytest.raises(WeightsError, match="lack: ears"):
        read_manifest(weights)
    export_network("ears", EarsNet(), weights, weights.parent / "checkpoints")
    files = read_manifest(weights)
    assert files["ears"].inputs == EARS.inputs and files["ears"].contract == EARS.description
    check_contracts(files)
    pipeline = FusionPipeline.from_pretrained(weights, engine=Engine.ONNXRUNTIME)
    assert pipeline.notice is None


@pytest.mark.usefixtures("ears")
def test_one_entry_has_a_network_s_weights_checked(weights: Path) -> None:
    export_network("ears", EarsNet(), weights, weights.parent / "checkpoints")
    manifest = json.loads((weights / "manifest.json").read_text())
    manifest["networks"]["ears"] = manifest["networks"]["parser"]
    (weights / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(WeightsError, match="its inputs are face, and should be side"):
        FusionPipeline.from_pretrained(weights, engine=Engine.ONNXRUNTIME)
