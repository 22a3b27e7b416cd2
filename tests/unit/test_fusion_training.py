"""Samples and losses of the fusion networks, and their answers before any training."""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facefusion.geometry import topology
from facefusion.geometry.mask import face_mask
from facefusion.nets.blocks import PatchConv
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.identity import JUDGE_BLOCKS, IdentityNet
from facefusion.nets.mesh import MeshNet
from facefusion.nets.parser import FaceParserNet
from facefusion.nets.refine import EnhancementNet
from facefusion.perception.coverings import Coverings
from facefusion.perception.spectacles import Spectacles
from facefusion.training.adversary import Adversary
from facefusion.training.loop import Schedule
from facefusion.training.loss_networks import LossNetworks
from facefusion.training.losses import LOSS_NETWORKS, fine_chroma, identity_leak, sampled
from facefusion.training.samples import covered_faces, covering_labels
from facefusion.training.samples.data import FaceImage, align_faces
from facefusion.training.samples.drawn_spectacles import draw_spectacles
from facefusion.training.samples.identity_faces import fuse_faces
from facefusion.training.samples.relighting import Lamps, mesh_normals
from facefusion.training.samples.swap_odds import SwapOdds
from facefusion.training.samples.swaps import SwapSampler
from facefusion.training.studies import ablation
from facefusion.training.studies.ablation import VARIANTS
from facefusion.training.tasks import fusion, spectacles
from facefusion.training.tasks.coarse import CoarseTask
from facefusion.training.tasks.fusion import Weights
from facefusion.training.tasks.refine import REFINE_CROP, VIEW, ProgressiveTask, progressive


@pytest.fixture
def images(make_mesh: Any, make_photo: Any) -> list[FaceImage]:
    faces = []
    for i, yaw in enumerate((0.0, 5.0, -8.0)):
        photo = np.roll(make_photo(400, 400), 37 * i, axis=1)
        faces.append(
            FaceImage(photo, make_mesh((200, 200), 240 - 20 * i, yaw=yaw), yaw, f"{i}.jpg", 1)
        )
    return faces


@pytest.fixture
def networks(tmp_path: Path) -> LossNetworks:
    torch.manual_seed(0)
    nets = (IdentityNet(), IdentityNet(JUDGE_BLOCKS), MeshNet(), FaceParserNet())
    for name, net in zip(LOSS_NETWORKS, nets, strict=True):
        save_file(
            {key: value.contiguous() for key, value in net.state_dict().items()},
            str(tmp_path / f"{name}.safetensors"),
        )
    return LossNetworks.from_folder(tmp_path)


@pytest.mark.parametrize(("crop", "view"), [(192, 128), (REFINE_CROP, VIEW)])
def test_samples_have_the_shapes_they_document_and_depend_on_the_seed_alone(
    images: list[FaceImage], crop: int, view: int
) -> None:
    sampler = SwapSampler(align_faces(images, crop), [bare()] * len(images), view)
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
    expected = cv2.warpAffine(
        image, matrix, (96, 96), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    found = sampled(x, torch.from_numpy(matrix)[None].float(), 96)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected)[4:-4, 4:-4].mean() < 1


def test_the_same_face_has_the_same_expression_and_another_has_not(networks: LossNetworks) -> None:
    torch.manual_seed(1)
    images = torch.rand(2, 3, 128, 128)
    points = torch.tensor([[48.0, 56], [80, 56], [64, 72], [52, 88], [76, 88]]).expand(2, -1, -1)
    assert float(networks.expression_error(images, images, points, jitter=True)) == 0
    assert float(networks.expression_error(images.flip(0), images, points)) > 0
    moved = images.clone().requires_grad_()
    seen = networks.embed_images(moved, points, jitter=True)
    assert torch.allclose(seen.norm(dim=1), torch.ones(2))
    assert not torch.allclose(seen, networks.embed_images(images, points))
    (seen * torch.rand(2, 128)).sum().backward()
    assert float(moved.grad.abs().sum()) > 0


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


@pytest.mark.parametrize("stage", ["coarse", "refine", "joint"])
def test_a_step_trains_every_part_of_the_network(
    images: list[FaceImage],
    networks: LossNetworks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    monkeypatch.setattr(fusion, "VAL_SAMPLES", 6)
    torch.manual_seed(0)
    if stage == "coarse":
        faces = align_faces(images)
        task: Any = CoarseTask(faces, faces, networks)
    else:
        save_file(
            {k: v.contiguous() for k, v in CoarseFusionModel().state_dict().items()},
            str(tmp_path / "coarse.safetensors"),
        )
        faces = align_faces(images, REFINE_CROP)
        net = progressive(tmp_path / "coarse.safetensors", None)
        torch.nn.init.normal_(net.refine.head[0].weight, std=0.01)
        task = ProgressiveTask(net, faces, faces, networks, frozen=stage == "refine")
    before = {key: value.clone() for key, value in task.net.state_dict().items()}
    samples = [task.sample(np.random.default_rng(i)) for i in range(6)]
    assert len({float(s["paired"][0]) for s in samples}) == 2
    batch = {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}
    task.net.train()
    loss, figures = task.loss(batch, 1.0)
    loss.backward()
    learning = [p for p in task.net.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learning)
    assert sum(float(p.grad.abs().sum()) > 0 for p in learning) > 0.9 * len(learning)
    if stage == "refine":  # the coarse network stays as it is, with the averages of its BatchNorm
        assert all(
            torch.equal(value, before[key])
            for key, value in task.net.state_dict().items()
            if key.startswith("coarse")
        )
    further = {"discriminator", "coarse_distance"} if stage == "joint" else {"discriminator"}
    assert set(figures) == {field.name for field in fields(Weights)} | further
    assert figures["expression"] > 0 and 0 <= figures["identity"] <= 2
    assert 0 < figures["discriminator"] < 4
    scores = task.evaluate(task.net.eval())
    assert all(np.isfinite(list(scores.values()))) and scores["val_psnr"] > 5


def test_the_discriminator_learns_and_its_state_is_restored() -> None:
    torch.manual_seed(0)
    adversary, weight = Adversary(), torch.ones(4, 1, 64, 64)
    real = torch.nn.functional.interpolate(torch.rand(4, 3, 8, 8), size=64, mode="bilinear")
    fused = (real + 0.2 * torch.randn_like(real)).clamp(0, 1)
    first = adversary.train_step(real, fused, weight)
    for _ in range(30):
        last = adversary.train_step(real, fused, weight)
    assert last < 0.7 * first
    assert adversary.generator_loss(fused, weight) > adversary.generator_loss(real, weight)
    assert not any(p.requires_grad for p in adversary.net.parameters())
    again = Adversary()
    again.restore(adversary.state())
    assert again.train_step(real, fused, weight) == adversary.train_step(real, fused, weight)


def test_a_lamp_lights_the_side_it_stands_on(images: list[FaceImage]) -> None:
    faces = align_faces(images)
    normals = mesh_normals(faces.meshes)
    assert normals.shape == (3, 468, 2) and (np.linalg.norm(normals, axis=-1) <= 1.001).all()
    across = faces.meshes[0, :, 0] - faces.meshes[0, :, 0].mean()
    assert np.corrcoef(across, normals[0, :, 0])[0, 1] > 0.5  # a face is round
    grey = np.full((192, 192, 3), 120, np.uint8)
    lamps, slopes, gains = Lamps(faces), [], []
    for seed in range(12):
        lit = lamps(np.random.default_rng(seed), 0)(grey).astype(float)
        inside = lit[60:140, 60:140].mean(-1)
        slopes.append(abs(inside[:, -10:].mean() - inside[:, :10].mean()))
        gains.append(inside.mean() / 120)
    assert max(slopes) > 25 and 0.7 < np.mean(gains) < 1.5


def test_glasses_are_known_by_name() -> None:
    with Path(covering_labels.__file__).with_name("glasses.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["kind"] for row in rows} <= {"clear", "dark", "other"} and len(rows) > 100
    assert covering_labels.glasses_kinds([rows[0]["file"], "nobody.jpg"]) == [rows[0]["kind"], ""]


def bare(glasses: Spectacles | None = None) -> Coverings:
    """No hair, and these glasses."""
    return Coverings(glasses, np.zeros((96, 96), np.float32))


def bars(dark: float) -> Spectacles:
    """A frame of two bars over the eyes, with glass of some opacity between them."""
    frame, glass = np.zeros((2, 192, 192), np.float32)
    frame[76:79, 50:142] = frame[100:103, 50:142] = 1
    glass[79:100, 50:142] = dark
    return Spectacles.from_opacity(frame, glass)


@pytest.mark.parametrize(("crop", "view"), [(192, 128), (REFINE_CROP, VIEW)])
def test_detected_glasses_are_excluded_and_sources_are_warped_without_theirs(
    images: list[FaceImage], monkeypatch: pytest.MonkeyPatch, crop: int, view: int
) -> None:
    monkeypatch.setattr(covered_faces, "glasses_kinds", lambda names: ["clear", "dark", ""])
    faces = align_faces(images, crop)
    coverings = [bare(bars(0)), bare(bars(1)), bare()]
    sampler = SwapSampler(faces, coverings, view, SwapOdds(detected=1.0))
    changed = [
        float(np.abs(without.astype(int) - crop).mean())
        for without, crop in zip(sampler.covered_faces.without_glasses, faces.crops, strict=True)
    ]
    assert changed[0] > 0 and changed[1:] == [0, 0]  # sunglasses cannot be removed
    samples = [sampler(np.random.default_rng(seed)) for seed in range(40)]
    assert {int(s["source"][0]) for s in samples if s["paired"][0]} == {
        0,
        2,
    }  # sunglasses are no truth
    # Wherever glasses were detected nothing may change.
    barred = [
        s
        for s in samples
        if (s["face"][int(0.36 * view) : int(0.62 * view), view // 2] < 0.1).any()
    ]
    assert 10 < len(barred) < 40
    assert not any(
        bool(s["no_glasses"][0]) for s in samples if not s["paired"][0] and s["source"][0] != 2
    )


def test_detected_hair_is_neither_transferred_nor_changed(images: list[FaceImage]) -> None:
    fringe = np.zeros((96, 96), np.float32)
    fringe[:32] = 1
    coverings = [Coverings(None, fringe), bare(), bare()]
    sampler = SwapSampler(align_faces(images), coverings, odds=SwapOdds(detected=1.0))
    brows, hidden = int(0.28 * 128), 0
    for seed in range(40):
        sample = sampler(np.random.default_rng(seed))
        covered = bool(sample["face"][brows, 60:68].max() < 0.1)
        hidden += covered
        assert not covered or sample["covered"][brows, 60:68].min() > 0.9
        if not sample["paired"][0] and sample["source"][0] == 0:
            assert covered
        assert sample["face"][80, 64] > 0.9 or covered  # the rest of the face may change
    assert 5 < hidden < 35


def test_drawn_glasses_lie_over_the_eyes_and_their_masks_fit(make_mesh: Any) -> None:
    mesh, image = make_mesh((96, 96), 115, roll=20), np.full((192, 192, 3), 150, np.uint8)
    dark = 0
    for seed in range(20):
        drawn = draw_spectacles(np.random.default_rng(seed), image, mesh, image)
        changed = np.abs(drawn.image.astype(int) - 150).max(-1) > 60
        assert 0.004 < (drawn.frame > 0.2).mean() < 0.15 and drawn.covered.max() > 0.3
        assert not changed[tuple(mesh[list(topology.OUTER_LIPS), 1::-1].astype(int).T)].any()
        for eye in (topology.LEFT_EYE, topology.RIGHT_EYE):
            behind = tuple(mesh[list(eye), 1::-1].mean(0).astype(int))
            dark += drawn.covered[behind] > 0.7
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


def test_ablations_differ_in_what_they_leave_out(
    images: list[FaceImage], networks: LossNetworks, tmp_path: Path, monkeypatch
) -> None:
    sizes = {
        name: sum(p.numel() for p in CoarseFusionModel(**options).parameters())
        for name, options in VARIANTS.items()
    }
    assert sorted(sizes.values(), reverse=True) == list(sizes.values()) and len(
        set(sizes.values())
    ) == len(sizes)

    monkeypatch.setattr(fusion, "VAL_SAMPLES", 6)
    monkeypatch.setattr(ablation, "RUNS", 1)
    faces = align_faces(images)
    schedule = Schedule(steps=1, batch=2, warmup=1, workers=0, evaluate_every=1)
    results = {
        name: ablation.measure_variant(
            VARIANTS[name], (faces, faces), networks, schedule, tmp_path / str(i)
        )
        for i, name in enumerate(list(VARIANTS)[::3])
    }
    for name, figures in results.items():
        assert 0 < figures["ssim"] < 1 and figures["psnr"] > 5 and figures["ms"] > 0
        assert figures["parameters"] == sizes[name]
    report = ablation.table(results, 1)
    assert all(name in report for name in results) and "(+0.0 %)" in report


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
