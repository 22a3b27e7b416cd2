"""Shut eyes: they are told from open ones, and stay shut."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from facefusion import FusionPipeline
from facefusion.geometry.mask import fill_points
from facefusion.geometry.topology import LEFT_EYE, RIGHT_EYE
from facefusion.perception.coverings import Coverings
from facefusion.perception.eyelids import CORNERS, EyelidsFinder, eye_crops, lids, nearly_shut
from facefusion.training.samples.data import FaceImage
from facefusion.training.tasks import eyelids
from facefusion.training.tasks.eyelids import EyelidsTask, shut_eyes
from facefusion.types import Photo


def test_both_eyes_lie_in_their_crops_with_the_outer_corner_on_the_left(make_mesh: Any) -> None:
    mesh = make_mesh((300, 250), 220, roll=20)
    photo = np.zeros((500, 600, 3), np.uint8)
    for (a, b), outer, inner in zip(CORNERS, (0, 1), (1, 0), strict=True):
        for channel, corner in ((0, (a, b)[outer]), (1, (a, b)[inner])):
            x, y = np.round(mesh[corner, :2]).astype(int)
            photo[y - 3 : y + 4, x - 3 : x + 4, channel] = 255
    crops = eye_crops(photo, mesh)
    assert crops.shape == (2, 32, 48, 3)
    for crop in crops:
        for channel, column in ((0, 24 - 14.4), (1, 24 + 14.4)):
            rows, columns = np.nonzero(crop[..., channel] > 100)
            assert abs(rows.mean() - 15.5) < 1.5 and abs(columns.mean() + 0.5 - column) < 1.5


def test_lids_cover_shut_eyes_and_little_else(make_mesh: Any) -> None:
    mesh = make_mesh((96, 96), 115)
    assert lids(mesh, np.array([0.4, 0.1], np.float32), 192) is None
    both = lids(mesh, np.array([0.9, 0.95], np.float32), 192)
    one = lids(mesh, np.array([0.1, 0.9], np.float32), 192)
    weak = lids(mesh, np.array([0.1, 0.65], np.float32), 192)
    assert both is not None and one is not None and weak is not None
    for points, seen in ((LEFT_EYE, (both,)), (RIGHT_EYE, (both, one))):
        eye = np.zeros((192, 192), np.uint8)
        fill_points(eye, mesh[list(points)], 1)
        assert all(found[eye > 0].min() > 0.4 and found[eye > 0].mean() > 0.9 for found in seen)
    assert 0.004 < one.mean() < 0.02 and one.mean() == pytest.approx(both.mean() / 2, rel=0.1)
    assert weak.max() == pytest.approx(one.max() / 2, abs=0.05)
    assert one[:, :80].max() == 0 and both[:60].max() == 0 and both[115:].max() == 0


def test_shut_eyes_stay_and_are_not_transferred() -> None:
    shut = np.zeros((192, 192), np.float32)
    shut[90:100, 60:80] = 1
    worn = Coverings(None, np.zeros((96, 96), np.float32), shut)
    np.testing.assert_array_equal(worn.always_keep, shut)
    np.testing.assert_array_equal(worn.blocked_by(np.zeros((192, 192, 2), np.float32)), shut)
    assert worn.nbytes == shut.nbytes + 96 * 96 * 4
    hidden = worn.occlusion_maps
    assert hidden[..., 0].max() == 0
    open_eyes = Coverings(None, np.zeros((96, 96), np.float32))
    np.testing.assert_array_equal(open_eyes.blocked_by(hidden), shut)


def closed(photo: Photo, mesh: np.ndarray) -> Photo:
    """The photo with skin over its eyes, and lashes."""
    mask, lashes = (np.zeros(photo.shape[:2], np.uint8) for _ in range(2))
    for points in (LEFT_EYE, RIGHT_EYE):
        eye = mesh[list(points), :2]
        fill_points(mask, eye.mean(0) + (eye - eye.mean(0)) * [1.3, 2.2], 255)
        width = float(np.ptp(eye[:, 0]))
        centre = tuple(np.round(eye.mean(0) + [0, 0.02 * width]).astype(int).tolist())
        cv2.ellipse(
            lashes,
            centre,
            (round(width / 2), round(0.22 * width)),
            0,
            15,
            165,
            255,
            max(2, round(0.07 * width)),
        )
    skin = cv2.inpaint(photo, mask, 5, cv2.INPAINT_TELEA)
    alpha = cv2.GaussianBlur(lashes, (0, 0), 0.8)[..., None] / 255
    return np.asarray(skin * (1 - alpha) + 25 * alpha, np.uint8)


def test_the_network_that_ships_tells_shut_from_open(
    pipeline: FusionPipeline, astronaut: Photo, group: Photo
) -> None:
    eyes = pipeline.networks.coverings.eyelids
    large = cv2.resize(astronaut, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    face = pipeline.find_faces(large)[0]
    assert eyes(large, face.mesh).max() < 0.2
    assert eyes(closed(large, face.mesh), face.mesh).min() > 0.5
    # Of these six people one looks down, one laughs with narrow eyes, and one has hers closed.
    shut = [
        eyes(group, face.mesh) > 0.5
        for face in sorted(pipeline.find_faces(group), key=lambda face: face.mesh[1, 0])
    ]
    assert (
        [each.all() for each in shut]
        == [each.any() for each in shut]
        == [True, False, False, True, False, True]
    )
    small = cv2.resize(large, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)
    assert (
        eyes(closed(small, face.mesh * 0.15), face.mesh * 0.15).max() == 0
    )  # too small to be told


@pytest.mark.parametrize(
    ("shut", "narrow"),
    [((0.33, 0.33), True), ((0.7, 0.2), True), ((0.9, 0.03), False), ((0.3, 0.3), False)],
)
def test_eyes_are_nearly_shut_together(shut: tuple[float, float], narrow: bool) -> None:
    assert nearly_shut(np.array(shut, np.float32)) == narrow


@pytest.mark.parametrize(
    ("who", "shut", "stay"),
    [("target", 1.0, True), ("source", 1.0, True), ("target", 0.35, False), ("source", 0.35, True)],
)
def test_whose_eyes_are_shown(
    who: str,
    shut: float,
    stay: bool,
    pipeline: FusionPipeline,
    guest: Photo,
    astronaut: Photo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whose = guest if who == "source" else astronaut
    face = pipeline.find_faces(astronaut)[0]
    eyes = np.zeros(astronaut.shape[:2], np.uint8)
    for points in (LEFT_EYE, RIGHT_EYE):
        fill_points(eyes, face.mesh[list(points)], 1)
    changed = {}
    for own in (0.0, shut):
        monkeypatch.setattr(
            EyelidsFinder,
            "__call__",
            lambda self, photo, mesh, own=own: np.full(
                2, own if np.array_equal(photo, whose) else 0, np.float32
            ),
        )
        pipeline.cache.clear()
        result = pipeline(guest, astronaut, tier="best")
        changed[own] = np.abs(result.image.astype(int) - astronaut).mean(2)
    pipeline.cache.clear()
    share = changed[shut][eyes > 0].mean() / changed[0.0][eyes > 0].mean()
    assert share < 0.25 if stay else share == pytest.approx(1)
    far = cv2.dilate(eyes, np.ones((31, 31), np.uint8)) == 0
    assert changed[shut][far].mean() == pytest.approx(changed[0.0][far].mean(), rel=0.1)


def test_labels_name_eyes_of_the_training_images() -> None:
    labels = shut_eyes(["sfhq/0864.jpg", "sfhq/0860.jpg", "nobody.jpg"])
    assert labels.tolist() == [[1, 1], [0, 0], [0, 0]]


def test_the_eyelids_network_learns(
    make_mesh: Any, fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, faces = np.random.default_rng(1), []
    for i in range(6):
        mesh = make_mesh((150, 150), 180)
        image = np.full((300, 300, 3), (200, 160, 140), np.uint8)
        for points in (LEFT_EYE, RIGHT_EYE):
            fill_points(plane := np.zeros((300, 300), np.uint8), mesh[list(points)], 255)
            image[plane > 127] = (180, 130, 120) if i % 2 else (250, 250, 250)
            if not i % 2:
                cv2.circle(
                    image,
                    tuple(np.round(mesh[list(points), :2].mean(0)).astype(int).tolist()),
                    5,
                    (60, 40, 20),
                    -1,
                )
        noisy = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
        faces.append(FaceImage(noisy, mesh, 0.0, f"{i}.jpg", 1))
    monkeypatch.setattr(
        eyelids, "shut_eyes", lambda names: np.array([[int(name[0]) % 2] * 2 for name in names])
    )
    task = EyelidsTask(faces, faces)
    assert len(task.shut) == len(task.open) == 6
    samples = [task.sample(np.random.default_rng(seed)) for seed in range(32)]
    batch = {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}
    assert batch["eyes"].shape == (32, 32, 48, 3) and batch["shut"].shape == (32, 1)
    assert 0.1 < float(batch["shut"].mean()) < 0.6
    losses = fit(task, batch, 25)
    assert losses[-1] < 0.5 * losses[0]
    assert task.evaluate(task.net.train()) == {
        "val_shut_found": pytest.approx(1, abs=0.2),
        "val_open_called_shut": 0,
    }
    assert task.picture(task.net).shape[2] == 3
    monkeypatch.setattr(eyelids, "shut_eyes", lambda names: np.zeros((len(names), 2), int))
    with pytest.raises(SystemExit, match=r"shut_eyes\.csv"):
        EyelidsTask(faces, faces)
