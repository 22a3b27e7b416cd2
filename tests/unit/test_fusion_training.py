"""What the fusion networks learn from and how they are judged, and what they answer before they have learned anything."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facefusion.geometry import topology
from facefusion.nets.coarse import COLOUR_CELL, CoarseFusionModel
from facefusion.nets.identity import IdentityNet
from facefusion.nets.mesh import MeshNet
from facefusion.nets.refine import EnhancementNet
from facefusion.training import ablation, coverings, fusing, swaps
from facefusion.training.ablation import VARIANTS
from facefusion.training.coarse import CoarseTask
from facefusion.training.data import FaceImage, align_faces
from facefusion.training.judges import Judges
from facefusion.training.loop import Schedule
from facefusion.training.losses import sampled
from facefusion.training.refine import REFINE_CROP, VIEW, RefineTask
from facefusion.training.swaps import SwapSampler


@pytest.fixture
def images(make_mesh: Any, make_photo: Any) -> list[FaceImage]:
    faces = []
    for i, yaw in enumerate((0.0, 5.0, -8.0)):
        photo = np.roll(make_photo(400, 400), 37 * i, axis=1)
        faces.append(FaceImage(photo, make_mesh((200, 200), 240 - 20 * i, yaw=yaw), yaw, f"{i}.jpg", 1))
    return faces


@pytest.fixture
def judges(tmp_path: Path) -> Judges:
    torch.manual_seed(0)
    for name, net in (("identity", IdentityNet()), ("mesh", MeshNet())):
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, str(tmp_path / f"{name}.safetensors"))
    return Judges(tmp_path / "identity.safetensors", tmp_path / "mesh.safetensors")


@pytest.mark.parametrize(("crop", "view"), [(192, 128), (REFINE_CROP, VIEW)])
def test_samples_are_what_they_say_and_depend_on_the_seed_alone(images: list[FaceImage], crop: int, view: int) -> None:
    sampler = SwapSampler(align_faces(images, crop), view)
    kinds = set()
    for seed in range(12):
        sample = sampler(np.random.default_rng(seed))
        again = sampler(np.random.default_rng(seed))
        for key, value in sample.items():
            np.testing.assert_array_equal(value, again[key])
        for key in ("warped", "target", "truth"):
            assert sample[key].shape == (view, view, 3) and sample[key].dtype == np.uint8
        assert sample["face"].shape == sample["covered"].shape == (view, view)
        assert sample["covered"].min() >= 0 and sample["covered"].max() <= 1
        assert 0.1 < (sample["face"] > 0.5).mean() < 0.5
        assert ((sample["points"] > 0.15 * view) & (sample["points"] < 0.85 * view)).all()
        kinds.add(bool(sample["paired"][0]))
        # Outside the face nothing was swapped: what the network sees there is the truth.
        outside = cv2.dilate((sample["face"] > 0).astype(np.uint8), np.ones((9, 9))) == 0
        if sample["paired"][0]:
            assert np.abs(sample["target"].astype(int) - sample["truth"])[outside].mean() < 2
    assert kinds == {True, False}


def test_sampled_crops_are_those_of_opencv(make_photo: Any) -> None:
    image = make_photo(128, 128)
    matrix = np.array([[0.8, -0.2, 20.0], [0.2, 0.8, 5.0]])  # crop to image
    expected = cv2.warpAffine(image, matrix, (96, 96), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    found = sampled(x, torch.from_numpy(matrix)[None].float(), 96)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected)[4:-4, 4:-4].mean() < 1


def test_the_same_face_has_the_same_expression_and_another_has_not(judges: Judges) -> None:
    torch.manual_seed(1)
    images = torch.rand(2, 3, 128, 128)
    points = torch.tensor([[48.0, 56], [80, 56], [64, 72], [52, 88], [76, 88]]).expand(2, -1, -1)
    assert float(judges.expression_error(images, images, points, jitter=True)) == 0
    assert float(judges.expression_error(images.flip(0), images, points)) > 0
    truth = torch.nn.functional.normalize(torch.rand(2, 128))
    moved = images.clone().requires_grad_()
    judges.similarity(moved, points, truth, jitter=True).sum().backward()
    assert float(moved.grad.abs().sum()) > 0


def test_the_coarse_residual_paints_light_freely_and_colour_only_smoothly() -> None:
    torch.manual_seed(0)
    net = CoarseFusionModel().eval()
    torch.nn.init.normal_(net.head[1].weight, std=1.0)
    with torch.no_grad():
        _, delta = net(torch.rand(1, 3, 128, 128), torch.rand(1, 3, 128, 128), torch.ones(1, 1, 128, 128))
    light = delta.mean(1, keepdim=True)
    colour = delta - light
    steps = [float((part[..., 1:] - part[..., :-1]).abs().max()) for part in (light, colour)]
    assert float(colour.abs().max()) > 0.01 and steps[0] > 0.05
    assert steps[1] <= 2 * float(colour.abs().max()) / COLOUR_CELL + 1e-6


@pytest.mark.parametrize("size", [256, 384])
def test_the_refine_network_begins_with_the_coarse_answer(size: int) -> None:
    torch.manual_seed(0)
    net = EnhancementNet().eval()
    warped, target, delta = torch.rand(3, 1, 3, size, size)
    face = torch.ones(1, 1, size, size)
    face[..., :40] = 0
    mask = torch.rand(1, 1, size, size) * 0.98 + 0.01
    with torch.no_grad():
        refined, change = net(warped, target, face, mask * face, 0.1 * delta)
    assert torch.allclose(refined, mask * face, atol=1e-4) and torch.allclose(change, 0.1 * delta)
    torch.nn.init.normal_(net.head[0].weight, std=0.3)
    with torch.no_grad():
        refined, change = net(warped, target, face, mask * face, 0.1 * delta)
    assert float(refined[..., :40].abs().max()) == 0 and float((refined - mask)[..., 40:].abs().max()) > 0.01


@pytest.mark.parametrize("stage", ["coarse", "refine"])
def test_a_step_teaches_every_part_of_the_network(
    images: list[FaceImage], judges: Judges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(fusing, "VAL_SAMPLES", 6)
    torch.manual_seed(0)
    if stage == "coarse":
        faces = align_faces(images)
        task: Any = CoarseTask(faces, faces, judges)
    else:
        save_file(
            {k: v.contiguous() for k, v in CoarseFusionModel().state_dict().items()}, str(tmp_path / "coarse.safetensors")
        )
        faces = align_faces(images, REFINE_CROP)
        task = RefineTask(faces, faces, judges, tmp_path / "coarse.safetensors")
        torch.nn.init.normal_(task.net.head[0].weight, std=0.01)
    samples = [task.sample(np.random.default_rng(i)) for i in range(6)]
    assert len({float(s["paired"][0]) for s in samples}) == 2
    batch = {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}
    loss, figures = task.loss(batch, 1.0)
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in task.net.parameters())
    assert sum(float(p.grad.abs().sum()) > 0 for p in task.net.parameters()) > 0.9 * len(list(task.net.parameters()))
    assert figures["expr"] > 0 and -1 <= figures["id"] <= 1
    scores = task.evaluate(task.net.eval())
    assert all(np.isfinite(list(scores.values()))) and scores["val_psnr"] > 5


def test_glasses_are_known_by_name_and_lie_over_the_eyes(make_mesh: Any) -> None:
    with Path(coverings.__file__).with_name("glasses.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["kind"] for row in rows} <= {"clear", "dark", "other"} and len(rows) > 100
    assert coverings.glasses_kinds([rows[0]["file"], "nobody.jpg"]) == [rows[0]["kind"], ""]
    mesh = make_mesh((96, 96), 115, roll=20)
    mask = coverings.lenses(mesh, 192)
    for eye in (topology.LEFT_EYE, topology.RIGHT_EYE):
        assert (mask[tuple(mesh[list(eye), 1::-1].astype(int).T)] == 255).all()
    assert not mask[tuple(mesh[list(topology.OUTER_LIPS), 1::-1].astype(int).T)].any()
    assert 0.02 < (mask > 0).mean() < 0.12


def test_real_spectacles_teach_nothing_about_coverings(images: list[FaceImage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swaps, "glasses_kinds", lambda names: ["clear", "dark", ""])
    sampler = SwapSampler(align_faces(images))
    paired, unknown, covered = [], [], []
    for seed in range(40):
        sample = sampler(np.random.default_rng(seed))
        paired.append(bool(sample["paired"][0]))
        unknown.append(float((sample["known"] < 0.5).mean()))
        covered.append(float(sample["covered"].mean()))
    # The bare face alone is a truth, and only unpaired samples leave something open.
    assert any(paired) and all(share == 0 for share, pair in zip(unknown, paired, strict=True) if pair)
    assert max(unknown) > 0.02
    assert sampler.coverings[1].mean() > sampler.coverings[0].mean() + 3 and not sampler.unknown[1].any()


def test_ablations_differ_in_what_they_leave_out(
    images: list[FaceImage], judges: Judges, tmp_path: Path, monkeypatch
) -> None:
    sizes = {name: sum(p.numel() for p in CoarseFusionModel(**options).parameters()) for name, options in VARIANTS.items()}
    assert sorted(sizes.values(), reverse=True) == list(sizes.values()) and len(set(sizes.values())) == len(sizes)

    monkeypatch.setattr(fusing, "VAL_SAMPLES", 6)
    monkeypatch.setattr(ablation, "RUNS", 1)
    faces = align_faces(images)
    schedule = Schedule(steps=1, batch=2, warmup=1, workers=0, evaluate_every=1)
    results = {
        name: ablation.measure_variant(VARIANTS[name], (faces, faces), judges, schedule, tmp_path / str(i))
        for i, name in enumerate(list(VARIANTS)[::3])
    }
    for name, figures in results.items():
        assert 0 < figures["ssim"] < 1 and figures["psnr"] > 5 and figures["ms"] > 0
        assert figures["parameters"] == sizes[name]
    report = ablation.table(results, 1)
    assert all(name in report for name in results) and "(+0.0 %)" in report
