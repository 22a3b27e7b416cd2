"""Hair and hats: the target's stay, the source's stay behind, and a small network learns to find
them.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from facefusion import FusionPipeline
from facefusion.geometry.mask import outline
from facefusion.perception.coverings import HAIRLINE, Coverings
from facefusion.perception.hair import CROP_SIZE, FADE, ROWS, as_hair
from facefusion.perception.spectacles import Spectacles
from facefusion.training.samples.covering_labels import not_face
from facefusion.training.samples.data import FaceImage, align_faces
from facefusion.training.tasks import hair
from facefusion.training.tasks.hair import HairTask

SKIN, HAT = (200, 160, 140), (40, 50, 110)
#: Where a forehead is in the crops that the networks see, 128 px.
FOREHEAD = (34, 64)


def hatted(mesh: np.ndarray, size: int, brim: float, rng: np.random.Generator) -> np.ndarray:
    """A face of one colour on a grey wall, under a hat down to the row `brim`."""
    image = np.full((size, size, 3), 120, np.float32)
    face = np.zeros((size, size), np.uint8)
    cv2.fillPoly(face, [outline(mesh, 0.05).astype(np.int32)], 1)
    image[face > 0] = SKIN
    image[: int(brim)] = HAT
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def test_what_is_found_is_widened_a_little_and_ends_above_the_mouth() -> None:
    opacity = np.zeros((ROWS.stop, CROP_SIZE), np.float32)
    opacity[:20] = 1
    opacity[:, :10] = 1
    found = as_hair(opacity)
    assert found.shape == (CROP_SIZE, CROP_SIZE) and found.max() <= 1 + 1e-5
    assert found[18, 50] > 0.95 and 0.1 < found[21, 50] < 0.9 and found[26, 50] < 0.01
    assert found[FADE[0] - 5, 4] > 0.95 and not found[FADE[1] + 5 :].any()


def test_a_hat_is_told_from_a_face(make_mesh: Any) -> None:
    mesh, rng = make_mesh((96, 96), 115), np.random.default_rng(0)
    brim = mesh[:, 1].min() + 18
    found = not_face(hatted(mesh, 192, brim, rng), mesh)
    rows, mouth = np.arange(192), mesh[[61, 291], 1].mean()
    middle = found[:, 80:112].mean(1)
    assert (
        middle[rows < brim - 3].min() > 0.9
        and middle[(rows > brim + 3) & (rows < mouth)].max() < 0.1
    )
    assert not found[rows > mouth + 6].any()


def test_coverings_put_hair_and_glasses_together() -> None:
    fringe = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    fringe[:30] = 1
    frame, glass = np.zeros((2, 192, 192), np.float32)
    frame[100:104], glass[104:120] = 1, 1
    alone, clear = (
        Coverings(None, fringe),
        Coverings(Spectacles.from_opacity(frame, 0 * glass), fringe),
    )
    dark = Coverings(Spectacles.from_opacity(frame, glass), fringe)
    for each in (alone, clear, dark):
        assert each.always_keep.shape == (192, 192) and each.occlusion_maps.shape == (192, 192, 2)
        assert (
            each.occlusion_maps[:55, :, 0].min() > 0.99
            and each.occlusion_maps[70:, :, 0].max() == 0
        )
        assert (
            each.always_keep[:90].max() == 0
        )  # where the target's own hair lies is for the networks to see
    assert (
        alone.always_keep.max()
        == alone.occlusion_maps[..., 1].max()
        == clear.occlusion_maps[..., 1].max()
        == 0
    )  # frames are taken off
    assert clear.always_keep[102, 96] == 1 and clear.always_keep[110, 96] == 0
    assert dark.always_keep[110, 96] == 1 and dark.occlusion_maps[110, 96, 1] > 0.99
    bald = Coverings(None, np.zeros_like(fringe))
    assert (
        bald.blocked_by(dark.occlusion_maps)[:55].min() > 0.99
        and bald.blocked_by(dark.occlusion_maps)[110, 96] > 0.99
    )
    assert (
        clear.blocked_by(alone.occlusion_maps)[:55].max() < 0.01
        and clear.blocked_by(alone.occlusion_maps)[102, 96] == 1
    )
    assert alone.nbytes == fringe.nbytes and clear.nbytes == fringe.nbytes + 2 * frame.nbytes
    crop = np.full((192, 192, 3), 90, np.uint8)
    assert alone.without_glasses(crop) is crop


def test_only_hair_over_a_bare_face_is_foreign() -> None:
    own = np.zeros((96, 96), np.float32)
    own[:, 48:] = 1
    occlusion_maps = np.zeros((192, 192, 2), np.float32)
    occlusion_maps[:60, :, 0], occlusion_maps[:, :, 1] = 1, 1
    foreign = Coverings(None, own).source_only_hair(occlusion_maps)
    assert foreign.shape == (192, 192) and foreign[:60, :94].min() == 1
    assert foreign[60:].max() == 0 and foreign[:, 98:].max() == 0


def test_around_the_source_s_hair_the_target_is_kept_a_little_further() -> None:
    occlusion_maps, face = np.zeros((192, 192, 2), np.float32), np.ones((256, 256), np.float32)
    occlusion_maps[:60, :, 0] = 1
    face[:, :128] = 0  # hair beside the face is not cut
    bald, hairy = (Coverings(None, np.full((96, 96), hair, np.float32)) for hair in (0, 1))
    cut = bald.around_hair(occlusion_maps, face)
    assert (
        cut.shape == (192, 192)
        and cut.dtype == np.float32
        and cut.min() >= 0
        and cut.max() <= 1 + 1e-6
    )
    edge, soft = 60 + HAIRLINE, 2 * HAIRLINE  # widened by the radius, with a soft edge
    assert cut[: edge - soft, 96 + soft :].min() > 0.9
    assert cut[edge + soft :].max() < 0.01 and cut[:, : 96 - HAIRLINE - soft].max() < 0.01
    assert 0.5 < cut[edge - 1, 150] < 0.7 and 0.3 < cut[edge, 150] < 0.5
    assert hairy.around_hair(occlusion_maps, face).max() == 0


def test_a_fringe_does_not_travel_onto_a_bare_forehead(
    fakes: Any, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    pipe(source, target)
    open_mask = fakes.coarse_inputs[2]
    assert open_mask[FOREHEAD] > 0.95
    fringe = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    fringe[:32] = 1
    for hairy, forehead in (((source,), 0.0), ((target,), 1.0), ((source, target), 1.0)):
        pipe.cache.clear()
        fakes.hair = {photo.shape[:2]: fringe for photo in hairy}
        pipe(source, target)
        assert fakes.coarse_inputs[2][FOREHEAD] == pytest.approx(forehead, abs=0.05)
        np.testing.assert_allclose(fakes.coarse_inputs[2][70:], open_mask[70:], atol=0.02)


def test_the_hair_network_learns(make_mesh: Any, fit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hair, "VAL_PASTED", 4)
    rng, images = np.random.default_rng(1), []
    for i in range(4):
        mesh = make_mesh((200, 200), 240 - 15 * i)
        top = mesh[:, 1].min()
        images.append(
            FaceImage(
                hatted(mesh, 400, top + (60 if i % 2 else -40), rng), mesh, 0.0, f"{i}.jpg", 1
            )
        )
    faces = align_faces(images)
    task = HairTask(faces, faces)
    assert list(task.train.with_hair) == [1, 3]
    samples = [task.sample(np.random.default_rng(seed)) for seed in range(8)]
    batch = {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}
    assert batch["head"].shape == (8, 64, 96, 3) and batch["hair"].shape == batch[
        "inside"
    ].shape == (8, 64, 96)
    losses = fit(task, batch, 15)
    assert losses[-1] < 0.7 * losses[0]
    figures = task.evaluate(task.net.eval())
    assert set(figures) == {"val_overlap", "pasted_overlap"} and all(
        0 < value <= 1 for value in figures.values()
    )
    found = hair.find_hair(task.net, align_faces(images, 384))
    assert found.shape == (4, CROP_SIZE, CROP_SIZE)
    exact = np.stack([as_hair(label) for label in task.val_labels])
    assert hair.agreement(exact, faces).mean() > 0.75 > hair.agreement(1 - exact, faces).mean()
