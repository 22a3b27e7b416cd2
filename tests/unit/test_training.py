"""Training is a function of its seed, resumes where it stopped, and its losses measure what they
say.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facefusion.geometry.align import ARCFACE_TEMPLATE, similarity_transform
from facefusion.training.loop import Batch, Schedule, train
from facefusion.training.losses import arcface_crops, gradient_l1, weighted_l1
from facefusion.training.stages import STAGES, _built, schedules
from facefusion.training.tasks.detector import giou_loss
from facefusion.training.tasks.identity import verification_auc


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
    found = schedules()
    assert set(found) == set(STAGES) and found["coarse"].batch == 16
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[coarse]\nsteps = 5\nspeed = 3\n[fine]\nsteps = 1\n")
    with pytest.raises(SystemExit, match=r"fine, coarse\.speed"):
        schedules(wrong)


def test_a_stage_says_what_it_builds_on(tmp_path: Path) -> None:
    args = argparse.Namespace(coarse=None, checkpoints=tmp_path)
    with pytest.raises(SystemExit, match="train coarse first"):
        _built(args, "coarse")
    (tmp_path / "coarse.safetensors").write_bytes(b"x")
    assert _built(args, "coarse") == tmp_path / "coarse.safetensors"
