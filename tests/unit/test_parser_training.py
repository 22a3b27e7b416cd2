"""Samples of the face parser: labels from teachers, things in front, and a network that learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from facefusion.geometry.topology import LEFT_BROW, LEFT_EYE, OUTER_LIPS
from facefusion.perception.face_parser import FaceParts
from facefusion.perception.face_parts import PARTS, FacePart
from facefusion.perception.spectacles import Spectacles
from facefusion.training.loop import to_input
from facefusion.training.samples import parsed_faces as parsed_faces_module
from facefusion.training.samples import things as things_module
from facefusion.training.samples.cut_hands import CutHands, hand_shape
from facefusion.training.samples.labelled_points import (
    LabelledPoints,
    labelled_points,
)
from facefusion.training.samples.parsed_faces import ParsedFaces, both_splits
from facefusion.training.samples.part_labels import HAIR_OR_CLOTH, IGNORED, beard_kinds, label_parts
from facefusion.training.samples.part_maps import CROP_SIZE, PartMaps
from facefusion.training.samples.things import HELD_OUT, OPAQUE, TRAINING, Things
from facefusion.training.tasks import parser as parser_module
from facefusion.training.tasks.parser import ParserTask, intersection_over_union, point_scores

SKIN, CLOTH, HAIR, MATTE = range(4)


@pytest.fixture
def mesh(make_mesh: Any) -> np.ndarray:
    return np.asarray(make_mesh((128, 128), 150), np.float32)


@pytest.fixture
def maps() -> np.ndarray:
    """Hair above row 60, cloth below row 220, background beside; skin between."""
    found = np.zeros((CROP_SIZE, CROP_SIZE, 4), np.uint8)
    found[:, 30:226, MATTE] = 255
    found[:60, :, HAIR] = found[60:220, :, SKIN] = found[220:, :, CLOTH] = 255
    return found


@pytest.fixture
def crop(make_photo: Any) -> np.ndarray:
    return np.asarray(make_photo(CROP_SIZE, CROP_SIZE), np.uint8)


@pytest.fixture
def faces(mesh: np.ndarray, maps: np.ndarray, crop: np.ndarray) -> ParsedFaces:
    crops = np.stack([np.roll(crop, 40 * i, axis=1) for i in range(3)])
    labels = label_parts(crop, mesh, maps, None, "")
    assert labels is not None
    stacked = np.stack([labels] * 3)
    things = Things(crops, stacked, hands())
    return ParsedFaces(crops, np.stack([mesh] * 3), stacked, np.zeros(3, bool), things)


def hands() -> np.ndarray:
    hand = np.full((1, 224, 224, 4), 200, np.uint8)
    hand[..., 3] = 0
    hand[:, 40:180, 60:160, 3] = 255
    return hand


def at(points: tuple[int, ...], mesh: np.ndarray) -> tuple[int, int]:
    x, y = mesh[list(points), :2].mean(0)
    return round(float(y)), round(float(x))


def test_labels_follow_the_teachers_and_the_mesh(
    crop: np.ndarray, mesh: np.ndarray, maps: np.ndarray
) -> None:
    labels = label_parts(crop, mesh, maps, None, "")
    assert labels is not None and labels.dtype == np.uint8
    assert labels[30, 128] == FacePart.HAIR and labels[240, 128] == FacePart.CLOTH
    assert labels[128, 10] == FacePart.BACKGROUND
    assert labels[at((50,), mesh)] == FacePart.SKIN
    assert labels[at(LEFT_EYE, mesh)] == FacePart.EYES
    assert labels[at(LEFT_BROW, mesh)] == FacePart.BROWS
    assert labels[at(OUTER_LIPS, mesh)] in (FacePart.LIPS, FacePart.MOUTH)


def test_cloth_on_the_head_may_be_white_hair(
    crop: np.ndarray, mesh: np.ndarray, maps: np.ndarray
) -> None:
    maps[:60, :, HAIR], maps[:60, :, CLOTH] = 0, 255
    labels = label_parts(crop, mesh, maps, None, "")
    assert labels is not None and labels[30, 128] == HAIR_OR_CLOTH


def test_what_the_teachers_do_not_see_is_left_out(
    crop: np.ndarray, mesh: np.ndarray, maps: np.ndarray
) -> None:
    maps[100:200, :, SKIN] = 0  # grey photos
    assert label_parts(crop, mesh, maps, None, "") is None


def test_glasses_are_drawn_over_the_eyes(
    crop: np.ndarray, mesh: np.ndarray, maps: np.ndarray
) -> None:
    frame, dark = np.zeros((2, 192, 192), np.float32)
    y, x = at(LEFT_EYE, mesh)
    row, column = round(y * 0.75), round(x * 0.75)
    dark[row - 6 : row + 6, column - 8 : column + 8] = 1
    frame[row - 9 : row - 6, column - 10 : column + 10] = 1
    labels = label_parts(crop, mesh, maps, Spectacles(frame, dark), "")
    assert labels is not None and labels[y, x] == FacePart.DARK_GLASS
    assert (labels == FacePart.FRAME).sum() > 50


def test_a_beard_is_told_from_skin_by_its_colour(mesh: np.ndarray, maps: np.ndarray) -> None:
    crop = np.full((CROP_SIZE, CROP_SIZE, 3), (200, 160, 140), np.uint8)
    crop += np.random.default_rng(0).integers(0, 12, crop.shape).astype(np.uint8)
    low = round(float(mesh[17, 1])) + 6
    crop[low:215, 60:200] = crop[low:215, 60:200] // 4
    labels, shaved, unclear = (
        label_parts(crop, mesh, maps, None, kind) for kind in ("beard", "", "unclear")
    )
    assert labels is not None and shaved is not None and unclear is not None
    place = low + 12, 128
    assert labels[place] == FacePart.BEARD and shaved[place] == FacePart.SKIN
    assert unclear[place] == IGNORED and labels[at((50,), mesh)] == FacePart.SKIN


def test_the_table_of_beards_names_images_once() -> None:
    kinds = beard_kinds(["portraits/none.jpg"])
    assert kinds == [""]
    table = Path(parsed_faces_module.__file__).with_name("beards.csv").read_text("utf-8")
    rows = [line.split(",") for line in table.splitlines()[1:]]
    assert len({name for name, _ in rows}) == len(rows) > 300
    assert {kind for _, kind in rows} == {"beard", "unclear"}


def test_points_labelled_by_eye_are_looked_up_in_the_crop(mesh: np.ndarray) -> None:
    points = labelled_points()
    assert len(points) == 60 and sum(len(each.labels) for each in points.values()) > 350
    probabilities = np.zeros((PARTS, CROP_SIZE, CROP_SIZE), np.float32)
    probabilities[FacePart.SKIN] = 0.5
    probabilities[FacePart.HAIR, 40:50, 60:70] = 1
    half = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    places = np.array([[122, 82], [138, 98], [140, 98], [82, 122], [-9, 900]], np.float32)
    labels = np.array([FacePart.HAIR, FacePart.SKIN, FacePart.SKIN, FacePart.SKIN, FacePart.SKIN])
    shares = LabelledPoints((places + 0.5) / 1000, labels)
    found = shares.found(FaceParts(probabilities, mesh), half, (1000, 1000, 3))
    assert found.tolist() == [FacePart.HAIR, FacePart.HAIR, *[FacePart.SKIN] * 3]
    assert point_scores(labels, found) == {FacePart.SKIN: (4, 0.75), FacePart.HAIR: (1, 0.5)}


def test_held_out_shapes_are_none_of_training() -> None:
    drawn = [{shape for shape, _, _ in kinds if shape} for kinds in (TRAINING, HELD_OUT)]
    assert drawn[0] and drawn[1] and not drawn[0] & drawn[1]


@pytest.mark.parametrize(
    "kind",
    [*TRAINING, *HELD_OUT],
    ids=lambda each: f"{each[0].__name__ if each[0] else each[1].name}",
)
def test_a_thing_is_labelled_where_it_hides_the_face(
    faces: ParsedFaces, mesh: np.ndarray, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(things_module, "SHADOWS", 0)
    shape, part, _ = kind
    things = faces.things
    monkeypatch.setattr(things, "kinds", (kind,))
    monkeypatch.setattr(things, "odds", np.ones(1))
    image, labels = faces.crops[0], faces.labels[0]
    shown = 0
    for seed in range(6):
        put, after = things.put(np.random.default_rng(seed), image, mesh, labels)
        again, _ = things.put(np.random.default_rng(seed), image, mesh, labels)
        assert np.array_equal(put, again)
        assert {*np.unique(after)} <= {*np.unique(labels), int(part)}
        covered = cv2.dilate((after == part).astype(np.uint8), np.ones((13, 13), np.uint8))
        changed = np.abs(put.astype(int) - image).max(-1)
        assert changed[(covered == 0)].max(initial=0) < 255 * OPAQUE
        shown += int(((after == part) & (labels != part)).sum())
    assert shown > 500
    if shape is not None:
        opacity = shape(np.random.default_rng(0), mesh, CROP_SIZE)
        assert opacity.shape == (CROP_SIZE, CROP_SIZE) and 0 <= opacity.min() <= opacity.max() <= 1


def test_samples_are_seeded_and_keep_image_and_labels_together(faces: ParsedFaces) -> None:
    for seed in range(12):
        image, labels = faces.sample(np.random.default_rng(seed))
        again = faces.sample(np.random.default_rng(seed))
        assert np.array_equal(image, again[0]) and np.array_equal(labels, again[1])
        assert image.shape == (CROP_SIZE, CROP_SIZE, 3) and labels.shape == image.shape[:2]
        known = labels[labels < PARTS]
        assert set(np.unique(labels)) <= {*range(PARTS), HAIR_OR_CLOTH, IGNORED} and known.size


def test_the_parser_learns(faces: ParsedFaces, fit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_module, "VAL_SAMPLES", 2)
    monkeypatch.setattr(parser_module, "PICTURED", 2)
    torch.manual_seed(0)
    task = ParserTask(faces, faces)
    samples = [task.sample(np.random.default_rng(seed)) for seed in range(2)]
    batch = {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}
    losses = fit(task, batch, 14)
    assert losses[-1] < 0.8 * losses[0]
    figures = task.evaluate(task.net.eval())
    assert 0 < figures["mean_iou"] < 1
    assert task.picture(task.net).ndim == 3
    answer = task.net(to_input(batch["face"]))
    assert answer.shape == (2, PARTS, CROP_SIZE, CROP_SIZE)
    assert torch.allclose(answer.sum(1), torch.ones(2, CROP_SIZE, CROP_SIZE), atol=1e-4)


def test_unknown_pixels_teach_nothing_and_hair_or_cloth_either(faces: ParsedFaces) -> None:
    task = ParserTask.__new__(ParserTask)
    torch.manual_seed(0)
    task.net, task.weights = parser_module.FaceParserNet().train(), torch.ones(PARTS)
    image = torch.from_numpy(faces.crops[:1])

    def gradient(label: int) -> torch.Tensor:
        labels = torch.full((1, CROP_SIZE, CROP_SIZE), FacePart.SKIN, dtype=torch.uint8)
        labels[:, :64] = label
        task.net.zero_grad()
        loss, _ = task.loss({"face": image, "labels": labels}, 0)
        loss.backward()
        bias = task.net.head[0].bias.grad
        assert bias is not None
        return bias.view(PARTS, -1).sum(1)

    ignored, either = gradient(IGNORED), gradient(HAIR_OR_CLOTH)
    hair, cloth = int(FacePart.HAIR), int(FacePart.CLOTH)
    assert ignored[hair] > 0 and ignored[cloth] > 0  # pushed down as everything but skin
    assert either[hair] < ignored[hair] and either[cloth] < ignored[cloth]


def test_iou_counts_only_pixels_with_a_class() -> None:
    truth = np.array([[0, 1, 1, IGNORED, HAIR_OR_CLOTH]], np.uint8)
    found = np.array([[0, 1, 0, 5, 5]], np.uint8)
    scores = intersection_over_union(found, truth)
    assert scores["background"] == 0.5 and scores["skin"] == 0.5
    assert np.isnan(scores["mouth"])


def test_hands_are_drawn_around_their_landmarks() -> None:
    points = np.zeros((21, 2), np.float32)
    points[0] = 100, 180
    for finger in range(5):
        for joint in range(4):
            points[1 + 4 * finger + joint] = 60 + 20 * finger, 140 - 25 * joint
    mask = hand_shape(points, (224, 224))
    assert mask[150, 100] == 255 and mask[70, 60] == 255 and mask[20, 200] == 0
    assert 0.05 < (mask > 0).mean() < 0.5


def test_both_splits_leave_out_images_with_hands(
    tmp_path: Path, mesh: np.ndarray, maps: np.ndarray, crop: np.ndarray
) -> None:
    from safetensors.torch import save_file

    from facefusion.nets.segmentation import SpectaclesNet

    names = np.array(["a.jpg", "b.jpg", "c.jpg"])
    PartMaps(
        names,
        np.array([False, True, False]),
        np.stack([crop] * 3),
        np.stack([mesh] * 3),
        np.stack([maps] * 3),
    ).save(tmp_path / "maps.npz")
    split = np.array([False, True])
    np.savez(
        tmp_path / "hands.npz",
        hands=np.concatenate([hands()] * 2), names=np.array(["c.jpg", "d.jpg"]), is_val=split,
    )  # fmt: skip
    save_file(SpectaclesNet().state_dict(), str(tmp_path / "spectacles.safetensors"))
    files = {name: tmp_path / f"{name}.npz" for name in ("maps", "hands")}
    train, val = both_splits({**files, "spectacles": tmp_path / "spectacles.safetensors"})
    assert len(train.crops) == len(val.crops) == 1
    assert train.things.kinds == TRAINING and val.things.kinds == HELD_OUT
    assert len(CutHands.load(files["hands"]).names) == 2
