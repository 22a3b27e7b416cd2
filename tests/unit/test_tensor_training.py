"""Training on tensors: packed faces, samples as the pipeline makes them, steps, and resuming."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    rescale_transform,
)
from facefusion.geometry.mask import face_mask
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.identity import JUDGE_BLOCKS, IdentityNet
from facefusion.nets.mesh import MeshNet
from facefusion.nets.parser import FaceParserNet
from facefusion.training.samples.data import FaceImage
from facefusion.training.tensors import command, discriminators, pack, validation
from facefusion.training.tensors.faces import ALWAYS_KEEP, COLUMNS, PackedFaces
from facefusion.training.tensors.loss_networks import LossFiles, LossNetworks
from facefusion.training.tensors.objective import Weights
from facefusion.training.tensors.odds import DEFAULT_ODDS
from facefusion.training.tensors.sampler import TensorSampler
from facefusion.training.tensors.stages import FusionStage
from facefusion.training.tensors.teacher import Program
from facefusion.training.tensors.trainer import Files, Material, Settings, Training
from facefusion.training.tensors.views import Views, placed

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks of random weights, in a folder of checkpoints."""
    path = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    nets = {
        "identity": IdentityNet(),
        "judge": IdentityNet(JUDGE_BLOCKS),
        "mesh": MeshNet(),
        "parser": FaceParserNet(),
        "coarse": CoarseFusionModel(),
    }
    for name, net in nets.items():
        weights = {key: value.contiguous() for key, value in net.state_dict().items()}
        save_file(weights, path / f"{name}.safetensors")
    return path


@pytest.fixture
def packed(
    folder: Path, tmp_path: Path, make_mesh: Any, make_photo: Any, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A packed file of three training faces and two for validation."""
    turns = {"train": (0.0, 9.0, -20.0), "val": (4.0, -3.0)}

    def load(root: Path, split: str) -> list[FaceImage]:
        return [
            FaceImage(
                np.roll(make_photo(400, 400), 50 * i, axis=1),
                make_mesh((200, 205), 240 - 15 * i, yaw=turn),
                turn,
                f"{split}{i}.jpg",
                1,
            )
            for i, turn in enumerate(turns[split])
        ]

    monkeypatch.setattr(pack, "load_faces", load)
    out = tmp_path / "pack.npz"
    arguments = ["--data", str(tmp_path), "--out", str(out), "--checkpoints", str(folder)]
    assert pack.main(arguments) == 0
    return out


def test_packed_faces_are_the_aligned_faces(packed: Path, make_mesh: Any, make_photo: Any) -> None:
    faces = PackedFaces.load(packed, "train", CPU, (256,), threads=1)
    mesh = make_mesh((200, 205), 225, yaw=9.0)
    matrix = rescale_transform(mesh_crop_transform(mesh, FUSION_FACE_SHARE, 128), 2)
    crop = crop_photo(np.roll(make_photo(400, 400), 50, axis=1), matrix, 256)
    found = faces.crops[256][1].permute(1, 2, 0).numpy()
    assert np.abs(found.astype(float) - crop).mean() < 2
    points = mesh[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(faces.meshes[1, :, :2].numpy() * 256 - 0.5 - points).max() < 0.05
    mask = face_mask(points.astype(np.float32), 256)
    assert np.abs(faces.face[1, 0].numpy() / 255 - mask).max() < 0.02
    assert faces.names == ["train0.jpg", "train1.jpg", "train2.jpg"]


def test_packed_files_of_other_versions_are_refused(packed: Path, tmp_path: Path) -> None:
    with np.load(packed) as file:
        columns = {name: file[name] for name in file.files}
    assert columns.keys() == COLUMNS
    columns["without_glasses"] = columns.pop("bare")
    np.savez(tmp_path / "old.npz", **columns)
    with pytest.raises(SystemExit, match=r"^old\.npz has no bare\. Please pack the faces again"):
        PackedFaces.load(tmp_path / "old.npz", "train", CPU, (256,))
    with pytest.raises(SystemExit, match=r"there is no .*none\.npz\. Please pack the faces first"):
        PackedFaces.load(tmp_path / "none.npz", "train", CPU, (256,))


@pytest.mark.parametrize("view", [128, 256])
def test_samples_are_paired_and_unpaired(packed: Path, view: int) -> None:
    faces = PackedFaces.load(packed, "train", CPU, (256,), threads=1)
    torch.manual_seed(4)
    batch = TensorSampler(faces, view)(4)
    for name in ("warped", "target", "truth"):
        assert batch[name].shape == (4, 3, view, view)
        assert 0 <= float(batch[name].min()) <= float(batch[name].max()) <= 1
    assert torch.equal(batch["source"][:2], batch["index"][:2])
    assert (batch["source"][2:] != batch["index"][2:]).all()
    # Unpaired targets are unchanged photos, and outside of the face so are paired ones.
    assert torch.equal(batch["target"][2:], batch["truth"][2:])
    difference = (batch["target"] - batch["truth"])[:2].abs().amax(1, keepdim=True)
    assert float(difference[:, :, :8].max()) < 1e-6
    assert float(difference.max()) > 0.02


def test_dark_glasses_are_no_truth_and_what_was_detected_does_not_change(packed: Path) -> None:
    faces = PackedFaces.load(packed, "train", CPU, (256,), threads=1)
    maps = faces.maps.clone()
    maps[1, ALWAYS_KEEP, 50:54] = 255
    faces = replace(faces, eyes_hidden=torch.tensor([True, False, False]), maps=maps)
    torch.manual_seed(2)
    batch = TensorSampler(faces, 128, replace(DEFAULT_ODDS, detected=1.0))(48)
    assert set(batch["index"][:24].tolist()) == {1, 2} and 0 in batch["index"][24:]
    kept = batch["index"] == 1
    lowest = batch["face"][:, 0, 40:64, 62:66].amax(2).amin(1)
    assert (lowest[kept] < 0.1).all() and (lowest[~kept] > 0.5).any()


def test_the_same_face_has_the_same_expression_and_another_has_not(folder: Path) -> None:
    files = LossFiles(folder / "judge.safetensors", folder / "mesh.safetensors")
    networks = LossNetworks(files, CPU)
    torch.manual_seed(1)
    images = torch.rand(2, 3, 128, 128)
    points = torch.tensor([[48.0, 56], [80, 56], [64, 72], [52, 88], [76, 88]]).expand(2, -1, -1)
    same = networks.expression_error(images, images, points, jitter=True)
    other = networks.expression_error(images.flip(0), images, points, jitter=False)
    assert float(same) == 0 < float(other)
    moved = images.clone().requires_grad_()
    (seen,) = networks.embed(moved, points, jitter=True)
    assert torch.allclose(seen.norm(dim=1), torch.ones(2))
    assert not torch.allclose(seen, networks.embed(images, points)[0])
    (seen * torch.rand(2, 128)).sum().backward()
    assert float(moved.grad.abs().sum()) > 0


def test_points_follow_turned_and_mirrored_views() -> None:
    torch.manual_seed(1)
    views = Views.drawn(6, 0.5, CPU)
    assert set(views.sign.tolist()) == {1.0, -1.0}
    points = torch.rand(6, 5, 2) * 0.4 + 0.3
    seen = views.points(points)
    # Positions are sampled with their view: at a point's place in the view lies the point itself.
    steps = (torch.arange(64) + 0.5) / 64
    field = torch.stack(torch.meshgrid(steps, steps, indexing="xy")).expand(6, 2, 64, 64)
    shown = placed(field, views.grid(64), outside="border")
    for row in range(6):
        order = [1, 0, 2, 4, 3] if views.sign[row] < 0 else [0, 1, 2, 3, 4]
        at = placed(shown[row : row + 1], seen[row][None, None])
        assert torch.allclose(at[0, :, 0].T, points[row][order], atol=0.02)


class _Features(nn.Module):
    """Stands for EfficientNet-Lite0: features of the same shapes, of pooled colours."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.channels = (16, *discriminators.CHANNELS)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [
            functional.avg_pool2d(images, 2 ** (i + 1)).mean(1, keepdim=True).expand(-1, c, -1, -1)
            for i, c in enumerate(self.channels)
        ]


@pytest.fixture
def make_training(
    packed: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setattr("facefusion.training.tensors.loss_networks.Lite0", _Features)
    monkeypatch.setattr(validation, "VAL_BATCH", 2)
    monkeypatch.setattr(validation, "VAL_BATCHES", 1)
    monkeypatch.setattr(validation, "PICTURED", 3)

    def make(
        stage: str, views: tuple[tuple[int, int], ...], out: str = "", **settings: Any
    ) -> Training:
        networks = LossFiles(
            folder / "judge.safetensors", folder / "mesh.safetensors", folder / "none"
        )
        material = Material.load(packed, networks, [view for view, _ in views], CPU)
        files = Files(folder, tmp_path / (out or stage))
        return Training(Settings(stage, views, 1e-3, **settings), files, material)

    return make


@pytest.mark.parametrize("stage", ["coarse", "refine", "joint"])
def test_a_step_changes_the_networks_of_its_stage_alone(make_training: Any, stage: str) -> None:
    training = make_training(stage, ((128 if stage == "coarse" else 256, 2),))
    before = {
        name: [p.detach().clone() for p in net.parameters()]
        for name, net in training.state.stage.parts().items()
    }
    training.state.set(1e-3, 0.0, 1.0)
    training.steps[0]()
    figures = dict(zip(training.steps[0].names, training.steps[0].figures.tolist(), strict=True))
    assert all(np.isfinite(value) for value in figures.values())
    assert ("agreement" in figures) == (stage == "joint")
    for name, net in training.state.stage.parts().items():
        changed = any(
            not torch.equal(a, b) for a, b in zip(before[name], net.parameters(), strict=True)
        )
        assert changed == (name in training.state.stage.trained_parts())


def test_training_resumes_where_it_was_killed(
    make_training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_training("coarse", ((128, 2),), "whole", steps=4)
    whole.run()
    assert whole.step == 4
    picture = cv2.imread(str(tmp_path / "whole" / "state.jpg"))
    assert picture.shape[1] == 3 * 5 * 128
    rows = (tmp_path / "whole" / "log.csv").read_text().splitlines()
    assert len(rows) == 3 and {"ssim", "psnr", "id", "realism"} <= set(rows[0].split(","))

    killed = make_training("coarse", ((128, 2),), "killed", steps=4, save_every=0)
    step, count = killed.steps[0]._run, iter(range(3))

    def run() -> torch.Tensor:
        if next(count, None) is None:
            raise KeyboardInterrupt
        return step()

    monkeypatch.setattr(killed.steps[0], "_run", run)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    again = make_training("coarse", ((128, 2),), "killed", steps=4)
    again.run()
    assert again.step == 4 and again.spent > 0
    for name, value in whole.state.averaged.state_dict().items():
        assert torch.equal(value, again.state.averaged.state_dict()[name]), name
    stage = FusionStage("coarse")
    stage.load(tmp_path / "killed")
    weights = dict(whole.state.averaged.state_dict())
    assert all(torch.equal(value, weights[name]) for name, value in stage.state_dict().items())


def test_training_ends_after_its_time(make_training: Any) -> None:
    training = make_training("coarse", ((128, 2),), seconds=0.5)
    training.run()
    assert training.step >= 1 and training.spent >= 0.5
    training.run()
    assert training.spent < 60  # finished: a further run does nothing


def test_new_networks_are_not_those_of_the_folder(folder: Path) -> None:
    torch.manual_seed(5)
    loaded, new = FusionStage("coarse"), FusionStage("coarse")
    loaded.load(folder)
    new.load(folder, new=True)
    first = load_file(folder / "coarse.safetensors")["stem.0.0.weight"]
    assert torch.equal(loaded.net.state_dict()["stem.0.0.weight"], first)
    assert not torch.equal(new.net.state_dict()["stem.0.0.weight"], first)
    with pytest.raises(SystemExit, match="train coarse first"):
        FusionStage("refine").load(folder / "nowhere", new=True)


def test_a_step_whose_loss_is_not_finite_is_left_out(
    make_training: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_training("coarse", ((128, 2),))
    objective = training.steps[0].objective
    monkeypatch.setattr(
        objective, "total", lambda losses, ramp: sum(losses.values()) * float("nan")
    )
    before = [p.detach().clone() for p in training.state.stage.parameters()]
    training.state.set(1e-3, 0.0, 1.0)
    training.steps[0]()
    for a, b in zip(before, training.state.stage.parameters(), strict=True):
        assert torch.equal(a, b)


def test_weights_are_changed_by_name() -> None:
    assert Weights.parsed("identity=7,light=8.5") == Weights(identity=7, light=8.5)
    with pytest.raises(TypeError, match="likeness"):
        Weights.parsed("likeness=1")


def test_the_teacher_runs_in_torch_as_in_onnx(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    arrays = {
        "a": generator.normal(size=(8, 3, 3, 3)),
        "bias": generator.normal(size=8),
        "b": generator.normal(size=(8, 1, 3, 3)),
        "low": np.array(0.0),
        "high": np.array(6.0),
    }
    initial = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in arrays.items()]
    conv = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "group": 1}
    nodes = [
        helper.make_node("Conv", ["x", "a", "bias"], ["1"], **conv),
        helper.make_node("Clip", ["1", "low", "high"], ["2"]),
        helper.make_node("Conv", ["2", "b"], ["3"], **(conv | {"strides": [1, 1], "group": 8})),
        helper.make_node("Add", ["2", "3"], ["4"]),
        helper.make_node("Relu", ["4"], ["y"]),
    ]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "net", shapes[:1], shapes[1:], initial)
    onnx.save(helper.make_model(graph), tmp_path / "net.onnx")
    Program.from_onnx(tmp_path / "net.onnx").save(tmp_path / "net.pt")
    program = Program.load(tmp_path / "net.pt")
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    inputs = ((images + 1) / 2 - program.mean) / program.deviation
    weights = {k: torch.from_numpy(v.astype(np.float32)) for k, v in arrays.items()}
    x = functional.relu6(functional.conv2d(inputs, weights["a"], weights["bias"], 2, 1))
    wanted = functional.relu(x + functional.conv2d(x, weights["b"], None, 1, 1, groups=8))
    assert torch.allclose(program(images), wanted.flatten(1), atol=1e-5)


def test_an_unknown_operation_of_the_teacher_is_named(tmp_path: Path) -> None:
    shapes = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node("Tanh", ["x"], ["y"])], "net", shapes[:1], shapes[1:]
    )
    onnx.save(helper.make_model(graph), tmp_path / "net.onnx")
    with pytest.raises(SystemExit, match="Tanh"):
        Program.from_onnx(tmp_path / "net.onnx")


def test_it_trains_where_only_torch_numpy_opencv_and_safetensors_are_installed(
    packed: Path, folder: Path, tmp_path: Path
) -> None:
    code = """
import importlib.metadata, re, sys
installed = importlib.metadata.packages_distributions()
allowed, waiting = set(), ["torch", "numpy", "opencv-python-headless", "opencv-python", "safetensors"]
while waiting:
    name = waiting.pop()
    if name in allowed:
        continue
    allowed.add(name)
    try:
        needed = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        continue
    waiting += [re.split("[^A-Za-z0-9_.-]", each)[0] for each in needed if "extra ==" not in each]
allowed = {re.sub("[-_.]+", "-", each).lower() for each in allowed}
finders = list(sys.meta_path)
class Installed:
    find_distributions = staticmethod(importlib.metadata.MetadataPathFinder.find_distributions)
    def find_spec(self, name, path=None, target=None):
        owners = installed.get(name.split(".")[0], ())
        if owners and not allowed & {re.sub("[-_.]+", "-", each).lower() for each in owners}:
            return None
        found = (each.find_spec(name, path, target) for each in finders)
        return next((spec for spec in found if spec is not None), None)
sys.meta_path[:] = [Installed()]
from facefusion.training.tensors import command, validation
validation.VAL_BATCHES, validation.VAL_BATCH, validation.PICTURED = 1, 2, 3
sys.exit(command.main(sys.argv[1:]))
"""
    options = ["coarse", "--pack", packed, "--checkpoints", folder, "--start", folder]
    options += ["--out", tmp_path / "out", "--steps", "1", "--views", "128x2", "--device", "cpu"]
    # One thread: where other tests run beside this one, two would mostly wait for each other.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *map(str, options)]
    subprocess.run(command, check=True, env=environment)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "checkpoint.pt",
        "coarse.safetensors",
        "discriminators.pt",
        "log.csv",
        "state.jpg",
    ]


def test_the_length_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["coarse", "--pack", "x.npz", "--out", "out"])
    assert "--seconds or --steps" in capsys.readouterr().err
