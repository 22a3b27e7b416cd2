"""Losses of the fusion networks, their answers before any training, and further samples."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from facefusion.geometry import topology
from facefusion.geometry.mask import face_mask
from facefusion.nets.blocks import PatchConv
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.identity import JUDGE_BLOCKS, IdentityNet
from facefusion.nets.refine import EnhancementNet
from facefusion.training.losses import fine_chroma, identity_leak, sampled
from facefusion.training.samples import covering_labels
from facefusion.training.samples.data import FaceImage, align_faces
from facefusion.training.samples.drawn_spectacles import draw_spectacles
from facefusion.training.samples.identity_faces import fuse_faces
from facefusion.training.samples.normals import mesh_normals
from facefusion.training.tasks import spectacles


@pytest.fixture
def images(make_mesh: Any, make_photo: Any) -> list[FaceImage]:
    faces = []
    for i, yaw in enumerate((0.0, 5.0, -8.0)):
        photo = np.roll(make_photo(400, 400), 37 * i, axis=1)
        faces.append(
            FaceImage(photo, make_mesh((200, 200), 240 - 20 * i, yaw=yaw), yaw, f"{i}.jpg", 1)
        )
    return faces


def test_sampled_crops_are_those_of_opencv(make_photo: Any) -> None:
    image = make_photo(128, 128)
    matrix = np.array([[0.8, -0.2, 20.0], [0.2, 0.8, 5.0]])  # crop to image
    expected = cv2.warpAffine(
        image, matrix, (96, 96), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    found = sampled(x, torch.from_numpy(matrix)[None].float(), 96)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected)[4:-4, 4:-4].mean() < 1


def test_the_coarse_residual_reaches_any_colour_at_any_pixel() -> None:
    torch.manual_seed(0)
    net = CoarseFusionModel().eval()
    images = torch.rand(2, 1, 3, 128, 128)
    torch.nn.init.normal_(net.head[1].weight, std=20.0)
    with torch.no_grad():
        _, delta = net(*images, torch.ones(1, 1, 128, 128), torch.rand(1, 128))
    chroma = delta - delta.mean(1, keepdim=True)
    steps = (chroma[..., 1:] - chroma[..., :-1]).abs()
    assert 0.9 < float(delta.abs().max()) <= 1 and float(steps.max()) > 0.5


def test_fine_chroma_penalises_colour_within_a_cheek_and_not_light() -> None:
    across = torch.linspace(-0.3, 0.3, 128).expand(1, 1, 128, 128)
    red, ones = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.ones(1, 1, 128, 128)
    light, drift = across.expand(-1, 3, -1, -1), across * red
    nose = torch.zeros(1, 3, 128, 128)
    nose[..., 56:72, 56:72] = 0.3 * red
    inside = torch.zeros(1, 1, 128, 128)
    inside[..., 32:96, 32:96] = 1
    assert float(fine_chroma(light, ones)) < 1e-6
    assert float(fine_chroma(0.2 * red.expand(1, 3, 128, 128), ones)) < 1e-6
    assert float(fine_chroma(nose, inside)) > 3 * float(fine_chroma(drift, inside)) > 0
    away = ones.clone()
    away[..., 16:, :] = 0
    assert float(fine_chroma(nose, away)) < 1e-5


def test_an_identity_leak_is_measured_against_the_plain_warp() -> None:
    source, target, nobody = torch.eye(3)[:, None]
    no, yes = torch.zeros(1), torch.ones(1)

    def mixed(a: float, b: float) -> torch.Tensor:
        return torch.nn.functional.normalize(a * source + b * target + 0.5 * nobody)

    plain = mixed(1, 0.3)
    assert float(identity_leak(plain, plain, target, source, no)) == 0
    better = mixed(1.2, 0.2)
    assert float(identity_leak(better, plain, target, source, no)) == 0
    leaking = mixed(0.3, 1)
    cosines = [float((leaking - plain) @ person.T) for person in (target, source)]
    gained, lost = cosines[0] - 0.03, -cosines[1] - 0.05
    for no_glasses, expected in ((yes, gained), (no, gained + lost)):
        leak = float(identity_leak(leaking, plain, target, source, no_glasses))
        assert leak == pytest.approx(expected, abs=1e-5)
    moved = leaking.clone().requires_grad_()
    identity_leak(moved, plain, target, source, no).backward()
    assert float(moved.grad @ source.T) < 0 < float(moved.grad @ target.T)


def test_the_identity_changes_the_answer_once_its_weights_are_trained() -> None:
    torch.manual_seed(0)
    net = CoarseFusionModel().eval()
    warped, target = torch.rand(2, 1, 3, 128, 128)
    one, other = torch.nn.functional.normalize(torch.randn(2, 1, 128), dim=-1)

    def apart() -> float:
        with torch.no_grad():
            answers = [
                net.logits(warped, target, torch.ones(1, 1, 128, 128), who)[0]
                for who in (one, other)
            ]
        return float((answers[0] - answers[1]).abs().max())

    assert apart() == 0
    for name, parameter in net.named_parameters():
        if "condition.weight" in name:
            torch.nn.init.normal_(parameter)
    assert apart() > 1e-3


def test_a_convolution_over_patches_is_an_unshuffled_one_by_one() -> None:
    torch.manual_seed(0)
    over = PatchConv(11, 6, 4)
    plain = torch.nn.Sequential(torch.nn.PixelUnshuffle(4), torch.nn.Conv2d(176, 6, 1, bias=False))
    plain[1].load_state_dict(over.state_dict())
    x = torch.rand(2, 11, 32, 48)
    with torch.no_grad():
        assert over(x).shape == (2, 6, 8, 12) and torch.allclose(over(x), plain(x), atol=1e-5)


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
    moved = change - 0.1 * delta
    chroma = moved - moved.mean(1, keepdim=True)
    assert 0.1 < float(moved.abs().max()) <= 0.5 and float(chroma.abs().max()) > 0.05
    assert (
        float(refined[..., :40].abs().max()) == 0
        and float((refined - mask)[..., 40:].abs().max()) > 0.01
    )


def test_normals_are_those_of_a_round_face(images: list[FaceImage]) -> None:
    meshes = align_faces(images).meshes
    normals = mesh_normals(meshes)
    assert normals.shape == (3, 468, 2) and (np.linalg.norm(normals, axis=-1) <= 1.001).all()
    across = meshes[0, :, 0] - meshes[0, :, 0].mean()
    assert np.corrcoef(across, normals[0, :, 0])[0, 1] > 0.5


def test_glasses_are_known_by_name() -> None:
    with Path(covering_labels.__file__).with_name("glasses.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["kind"] for row in rows} <= {"clear", "dark", "other"} and len(rows) > 100
    assert covering_labels.glasses_kinds([rows[0]["file"], "nobody.jpg"]) == [rows[0]["kind"], ""]


def test_drawn_glasses_lie_over_the_eyes_and_their_masks_fit(make_mesh: Any) -> None:
    mesh, image = make_mesh((96, 96), 115, roll=20), np.full((192, 192, 3), 150, np.uint8)
    dark = 0
    for seed in range(20):
        drawn = draw_spectacles(np.random.default_rng(seed), image, mesh, image)
        covered = np.maximum(drawn.frame, drawn.lens)
        changed = np.abs(drawn.image.astype(int) - 150).max(-1) > 60
        assert 0.004 < (drawn.frame > 0.2).mean() < 0.15 and covered.max() > 0.3
        assert not changed[tuple(mesh[list(topology.OUTER_LIPS), 1::-1].astype(int).T)].any()
        for eye in (topology.LEFT_EYE, topology.RIGHT_EYE):
            behind = tuple(mesh[list(eye), 1::-1].mean(0).astype(int))
            dark += covered[behind] > 0.7
            assert (
                drawn.lens[behind] == pytest.approx(drawn.lens.max(), abs=0.02)
                or drawn.frame[behind] > 0
            )
    assert 4 <= dark <= 30


def test_the_spectacles_network_learns_from_drawn_ones(
    images: list[FaceImage], fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectacles, "VAL_DRAWN", 4)
    monkeypatch.setattr(
        spectacles, "glasses_kinds", lambda names: ["clear", "", ""] * (len(names) // 3)
    )
    faces = align_faces(images)
    task = spectacles.SpectaclesTask(faces, faces)
    samples = [task.sample(np.random.default_rng(seed)) for seed in range(8)]
    batch = {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}
    assert batch["eyes"].shape == (8, 88, 144, 3) and batch["opacity"].shape == (8, 2, 88, 144)
    has_glasses = batch["opacity"].flatten(1).max(1).values > 0.5
    assert 3 <= int(has_glasses.sum()) <= 8
    losses = fit(task, batch, 12)
    assert losses[-1] < 0.8 * losses[0]
    figures = task.evaluate(task.net.eval())
    assert 0 < figures["val_overlap"] < 1 and 0 <= figures["real_found"] <= 1


def test_fused_faces_for_the_judge_are_one_face_in_another_photo(images: list[FaceImage]) -> None:
    faces = align_faces(images)
    for seed in range(6):
        image, mesh = fuse_faces(np.random.default_rng(seed), faces, 0)
        others = [i for i in range(len(faces)) if np.array_equal(faces.meshes[i], mesh)]
        assert len(others) == 1
        changed = np.abs(image.astype(int) - faces.crops[others[0]]).max(-1) > 1
        inside = face_mask(mesh, 192) > 0
        assert not changed[~inside].any() and changed[inside].mean() > 0.3


def test_a_larger_identity_network_begins_as_the_smaller_one() -> None:
    torch.manual_seed(0)
    small, large = IdentityNet().eval(), IdentityNet(JUDGE_BLOCKS).eval()
    missing, unknown = large.load_state_dict(small.state_dict(), strict=False)
    assert missing and not unknown
    x = torch.rand(2, 3, 112, 112) * 2 - 1
    with torch.no_grad():
        expected = small(x)
        scale = float(expected.abs().max())
        assert float((large(x) - expected).abs().max()) < 1e-4 * scale
        torch.nn.init.constant_(large.stages[1][-1].body[-1][1].weight, 30.0)
        assert float((large(x) - expected).abs().max()) > 1e-2 * scale
