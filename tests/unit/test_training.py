"""Training depends on its seed alone and resumes exactly; a stage is one entry; losses are right."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from facefusion.geometry.align import ARCFACE_TEMPLATE, similarity_transform
from facefusion.nets.eyelids import EyelidsNet
from facefusion.training import __main__ as commands
from facefusion.training.command import Paths, main, needed_file, read_schedules, run_stage
from facefusion.training.loop import Batch, Schedule, train
from facefusion.training.losses import arcface_crops, gradient_l1, weighted_l1
from facefusion.training.pictures import tiled
from facefusion.training.samples.data import align_faces, load_faces
from facefusion.training.stages import STAGES, TEACHER, Inputs, Stage
from facefusion.training.tasks.detector import DetectorTask, giou_loss
from facefusion.training.tasks.eyelids import EyelidsTask
from facefusion.training.tasks.identity import verification_auc
from facefusion.training.tasks.mesh import MeshTask
from facefusion.training.tasks.spectacles import SpectaclesTask

ROOT = Path(__file__).resolve().parents[2]


class LineTask:
    """Learns y = 2x + 1; small enough to run a loop in a test."""

    name = "line"

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.net: nn.Module = nn.Sequential(
            nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1)
        )

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        x = rng.normal(size=(1, 4, 4)).astype(np.float32)
        return {"x": x, "y": 2 * x + 1}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        loss = (self.net(batch["x"]) - batch["y"]).abs().mean()
        return loss, {"loss": float(loss.detach())}

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        x = torch.linspace(-1, 1, 16).view(1, 1, 4, 4)
        with torch.no_grad():
            return {"error": float((net(x) - 2 * x - 1).abs().mean())}

    def picture(self, net: nn.Module) -> np.ndarray:
        return np.zeros((8, 8, 3), np.uint8)


def run(folder: Path, steps: int, total: int) -> dict[str, Tensor]:
    """Trains `steps` of a schedule of `total` steps, stopping as a killed process would after its
    last checkpoint.
    """
    task, averaged = LineTask(), LineTask().net
    schedule = Schedule(
        steps=total,
        batch=8,
        rate=1e-2,
        warmup=5,
        workers=0,
        checkpoint_minutes=0,
        evaluate_every=20,
    )
    if steps < total:
        plain = task.sample
        left = iter(range(steps * schedule.batch))

        def sample(rng: np.random.Generator) -> dict[str, np.ndarray]:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return plain(rng)

        task.sample = sample  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            train(task, schedule, folder, averaged)
        return {}
    return {k: v.clone() for k, v in train(task, schedule, folder, averaged).state_dict().items()}


def test_training_is_deterministic_and_resumes_exactly(tmp_path: Path) -> None:
    whole = run(tmp_path / "a", 60, 60)
    run(tmp_path / "b", 25, 60)
    resumed = run(tmp_path / "b", 60, 60)
    assert whole.keys() == resumed.keys()
    for key, value in whole.items():
        assert torch.equal(value, resumed[key]), key
    assert (tmp_path / "b" / "state.png").is_file()
    rows = (tmp_path / "a" / "log.csv").read_text().splitlines()
    assert rows[0].startswith("step,") and len(rows) == 4


def test_training_learns(tmp_path: Path) -> None:
    task = LineTask()
    before = task.evaluate(task.net.eval())["error"]
    net = train(
        task,
        Schedule(steps=300, batch=8, rate=3e-2, workers=0, evaluate_every=300),
        tmp_path,
        LineTask().net,
    )
    assert task.evaluate(net)["error"] < 0.25 * before


def test_giou_is_zero_for_equal_boxes_and_grows_when_they_part() -> None:
    box = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    loss, iou = giou_loss(box, box)
    assert float(loss) == pytest.approx(0, abs=1e-6) and float(iou) == pytest.approx(1)
    half = torch.tensor(
        [[1.0, 2.0, 1.0, 4.0]]
    )  # half as wide: IoU is 0.5 and the hull is the larger box
    loss, iou = giou_loss(half, box)
    assert float(iou) == pytest.approx(0.5) and float(loss) == pytest.approx(0.5)


def test_weighted_losses_ignore_what_has_no_weight() -> None:
    truth = torch.rand(1, 3, 16, 16)
    found = truth.clone()
    found[..., :8] += 1
    weight = torch.ones(1, 1, 16, 16)
    assert float(weighted_l1(found, truth, weight)) == pytest.approx(0.5)
    weight[..., :8] = 0
    assert float(weighted_l1(found, truth, weight)) == 0
    assert float(gradient_l1(truth + 0.3, truth, torch.ones(1, 1, 16, 16))) == pytest.approx(
        0, abs=1e-6
    )


def test_differentiable_arcface_crop_agrees_with_opencv() -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.resize(
        rng.uniform(0, 1, (9, 9, 3)).astype(np.float32), (128, 128), interpolation=cv2.INTER_CUBIC
    )
    points = (
        (ARCFACE_TEMPLATE - 56) @ np.array([[0.9, 0.12], [-0.12, 0.9]])
        + [66, 61]
        + rng.normal(0, 1.5, (5, 2))
    )
    matrix = similarity_transform(points, ARCFACE_TEMPLATE)
    expected = cv2.warpAffine(smooth, matrix, (112, 112), borderMode=cv2.BORDER_REFLECT_101)
    image = torch.from_numpy(smooth).permute(2, 0, 1)[None]
    found = arcface_crops(
        image, torch.from_numpy(points)[None].float(), torch.from_numpy(ARCFACE_TEMPLATE)
    )
    assert np.abs(found[0].permute(1, 2, 0).numpy() - expected).mean() < 0.002


def test_verification_auc_is_one_for_perfect_and_half_for_random_embeddings() -> None:
    rng = np.random.default_rng(0)
    references = rng.normal(size=(200, 16))
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    assert verification_auc(references, references) == 1
    others = rng.normal(size=(200, 16))
    assert (
        abs(
            verification_auc(references, others / np.linalg.norm(others, axis=1, keepdims=True))
            - 0.5
        )
        < 0.06
    )


def test_every_stage_has_a_schedule_and_what_does_not_exist_is_named(tmp_path: Path) -> None:
    found = read_schedules()
    assert set(found) == set(STAGES) and found["judge"].batch == 24
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[mesh]\nsteps = 5\nspeed = 3\n[fine]\nsteps = 1\n")
    with pytest.raises(SystemExit, match=r"fine, mesh\.speed"):
        read_schedules(wrong)


def test_stages_come_after_those_that_they_need() -> None:
    names = list(STAGES)
    for name, stage in STAGES.items():
        assert all(names.index(need) < names.index(name) for need in stage.needs if need in STAGES)


def test_a_stage_names_the_file_that_it_lacks(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path)
    with pytest.raises(SystemExit, match="train identity first, or name its file with --identity"):
        needed_file("judge", "identity", paths)
    (tmp_path / "identity.safetensors").write_bytes(b"x")
    assert needed_file("judge", "identity", paths) == tmp_path / "identity.safetensors"
    with pytest.raises(SystemExit, match="identity needs a file: give --teacher, MobileFaceNet"):
        needed_file("identity", TEACHER, paths)
    nowhere = replace(paths, given={TEACHER: tmp_path / "teacher.onnx"})
    with pytest.raises(SystemExit, match=r"there is no .*teacher\.onnx"):
        needed_file("identity", TEACHER, nowhere)


@pytest.fixture
def data(tmp_path: Path, make_mesh: Any, make_photo: Any) -> Path:
    """A data folder of three images, one of them for validation."""
    folder = tmp_path / "data"
    folder.mkdir()
    names, splits = ["ä.png", "b.png", "c.png"], ["train", "train", "val"]
    rows = ["file,split,yaw_deg,faces_found"]
    for name, split in zip(names, splits, strict=True):
        (folder / name).write_bytes(cv2.imencode(".png", make_photo(300, 300))[1].tobytes())
        rows.append(f"{name},{split},0,1")
    (folder / "faces.csv").write_text("\n".join(rows), encoding="utf-8")
    meshes = np.stack([make_mesh((150, 150), 180)] * len(names))
    np.savez(folder / "mesh468.npz", files=np.array(names), mesh=meshes)
    return folder


class BrightnessTask(LineTask):
    """Learns the brightness of a face's image; small enough to run the command in a test."""

    name = "brightness"

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.levels = [float(face.image.mean()) / 255 for face in inputs.train]
        for path in inputs.files.values():
            self.net.load_state_dict(load_file(path))

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        level = self.levels[int(rng.integers(len(self.levels)))]
        x = rng.normal(size=(1, 4, 4)).astype(np.float32)
        return {"x": x, "y": x + np.float32(level)}


def test_a_stage_is_one_entry_of_the_table(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = []

    def make(inputs: Inputs) -> tuple[Any, nn.Module]:
        seeds.append(torch.initial_seed())
        return BrightnessTask(inputs), LineTask().net

    monkeypatch.setitem(STAGES, "brightness", Stage(make, ships=False))
    monkeypatch.setitem(STAGES, "contrast", Stage(make, needs=("brightness",), ships=False))
    schedules = tmp_path / "schedules.toml"
    table = "steps = 5\nbatch = 2\nworkers = 0\nevaluate_every = 5\n"
    schedules.write_text(f"[brightness]\n{table}[contrast]\n{table}")
    checkpoints = tmp_path / "checkpoints"

    def run_command(stage: str, *options: str) -> int:
        folders = ("--checkpoints", str(checkpoints), "--run", str(tmp_path / "runs" / stage))
        required = (stage, "--data", str(data), "--schedules", str(schedules))
        return main([*required, *folders, *options])

    with pytest.raises(SystemExit, match="train brightness first, or name its file"):
        run_command("contrast")
    assert run_command("brightness", "--steps", "3") == 0
    assert "step 3: error" in capsys.readouterr().out
    saved = load_file(checkpoints / "brightness.safetensors")
    assert saved.keys() == LineTask().net.state_dict().keys()
    assert saved["0.weight"].dtype == torch.float16
    log = (tmp_path / "runs" / "brightness" / "log.csv").read_text().splitlines()
    assert len(log) == 2 and log[1].startswith("3,")

    moved = (checkpoints / "brightness.safetensors").rename(tmp_path / "moved.safetensors")
    assert run_command("contrast", "--brightness", str(moved), "--seed", "7") == 0
    assert seeds == [0, 7]  # initial weights depend on the schedule's seed
    assert [file.name for file in checkpoints.iterdir()] == ["contrast.safetensors"]
    with pytest.raises(SystemExit, match=r"schedules\.toml has no schedule for eyelids"):
        run_command("eyelids")


class LidsTask(LineTask):
    """Trains the eyelids network on random eyes."""

    def __init__(self) -> None:
        self.net = EyelidsNet()

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {"eyes": rng.normal(size=(3, 32, 48)).astype(np.float32)}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        return self.net.logits(batch["eyes"]).abs().mean(), {}

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        return {}


def test_a_stage_exports_its_network_and_goes_on_from_its_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, "eyelids", Stage(lambda inputs: (LidsTask(), EyelidsNet())))
    weights, checkpoints = tmp_path / "weights", tmp_path / "checkpoints"
    paths = Paths(data, weights, checkpoints, tmp_path / "run")
    run_stage("eyelids", Schedule(steps=2, batch=2, workers=0, evaluate_every=2), paths)
    assert sorted(file.name for file in weights.iterdir()) == ["eyelids.onnx", "manifest.json"]
    assert [file.name for file in checkpoints.iterdir()] == ["eyelids.safetensors"]
    trained = load_file(checkpoints / "eyelids.safetensors")
    next_run = replace(paths, start_from=checkpoints / "eyelids.safetensors", run=tmp_path / "next")
    schedule = Schedule(steps=1, batch=2, rate=0, workers=0, evaluate_every=1, seed=1)
    run_stage("eyelids", schedule, next_run)
    again = load_file(checkpoints / "eyelids.safetensors")
    assert again.keys() == trained.keys() == EyelidsNet().state_dict().keys()
    assert all(
        torch.equal(again[name], trained[name]) for name, _ in EyelidsNet().named_parameters()
    )


def test_the_help_names_every_command_and_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in (*STAGES, *commands.COMMANDS, "all", "coarse", "refine", "joint"):
        assert re.search(rf"\b{name}\b", shown), name
        with pytest.raises(SystemExit) as stopped:
            commands.main([name, "--help"])
        assert stopped.value.code == 0 and f"{name}" in capsys.readouterr().out


def test_a_split_without_images_is_named(data: Path, tmp_path: Path) -> None:
    table = (data / "faces.csv").read_text(encoding="utf-8")
    (data / "faces.csv").write_text(table.replace("val", "train"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r'eyelids needs 1 or more images with the split "val"'):
        main(["eyelids", "--data", str(data)])


def test_a_stage_with_too_few_images_says_what_it_needs(
    data: Path,
) -> None:
    images = load_faces(data, "train")
    faces = align_faces(images)
    pairs = [replace(image, faces_found=2) for image in images]
    for build, sentence in (
        (lambda: MeshTask(faces, faces), "mesh needs 56 or more training images, .* has 2"),
        (lambda: DetectorTask(pairs, pairs), "detector needs 1 or more .* exactly one face"),
        (lambda: SpectaclesTask(faces, faces), "spectacles needs 1 or more images with glasses"),
        (lambda: EyelidsTask(images, images), "eyelids needs 1 or more .* with a shut eye"),
    ):
        with pytest.raises(SystemExit, match=sentence):
            build()


def test_the_data_folder_is_read_as_utf_8_everywhere(data: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from facefusion.training.samples.data import *; "
        "print(ascii(load_faces(Path(sys.argv[1]), 'train')[0].name))"
    )
    # Python reports a file that is opened with the encoding of the machine.
    strict = (
        "-X",
        "warn_default_encoding",
        "-W",
        "error::EncodingWarning:" + load_faces.__module__,
    )
    command = (sys.executable, *strict, "-c", code, str(data))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [ascii("ä.png")]


def test_tiles_fill_rows_and_the_last_row_ends_in_black() -> None:
    tiles = [np.full((2, 3, 3), 40 * (i + 1), np.uint8) for i in range(5)]
    picture = tiled(tiles, 2)
    assert picture.shape == (6, 6, 3)
    assert picture[::2, ::3, 0].tolist() == [[40, 80], [120, 160], [200, 0]]
    assert tiled(tiles[:1], 3).shape == (2, 9, 3)
