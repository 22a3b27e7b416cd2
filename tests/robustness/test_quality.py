"""Photos that will disappoint: each doubt on a photo that was spoilt in that way, none on the good
one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.geometry.mask import fill_points
from facefusion.geometry.topology import LEFT_EYE, OVAL, RIGHT_EYE
from facefusion.perception import quality
from facefusion.perception.in_front import HiddenShares
from facefusion.perception.quality import Doubt
from facefusion.types import Face

Doubts = Callable[[np.ndarray, Face], list[Doubt]]


@pytest.fixture(scope="module")
def face(pipeline: FusionPipeline, astronaut: np.ndarray) -> Face:
    return pipeline.find_faces(astronaut)[0]


@pytest.fixture(scope="module")
def doubts(pipeline: FusionPipeline) -> Doubts:
    return lambda photo, face: quality.doubts(photo, face, pipeline.find_coverings(photo, face))


def _covered(photo: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    share = cv2.GaussianBlur(mask, (0, 0), 1)[..., None] / 255
    return (photo * (1 - share) + np.array(colour) * share).astype(np.uint8)


def sunglasses(photo: np.ndarray, face: Face) -> np.ndarray:
    mask = np.zeros(photo.shape[:2], np.uint8)
    for eye in (LEFT_EYE, RIGHT_EYE):
        points = face.mesh[list(eye), :2]
        x, y = points.mean(0)
        width = float(np.ptp(points[:, 0]))
        cv2.ellipse(
            mask, (round(x), round(y)), (round(width), round(0.8 * width)), 0, 0, 360, 255, -1
        )
    return _covered(photo, mask, (12, 12, 14))


def cloth(photo: np.ndarray, face: Face) -> np.ndarray:
    mask = np.zeros(photo.shape[:2], np.uint8)
    fill_points(mask, face.mesh[list(OVAL), :2], 255)
    mask[: int(face.mesh[5, 1])] = 0
    return _covered(photo, mask, (90, 150, 215))


def board(photo: np.ndarray, face: Face) -> np.ndarray:
    """Holds a board in front of one cheek."""
    mask = np.zeros(photo.shape[:2], np.uint8)
    (x, y), (_, bottom) = face.mesh[50, :2].astype(int), face.mesh[152, :2].astype(int)
    cv2.rectangle(mask, (x - 25, y), (x + 25, bottom + 20), 255, -1)
    return _covered(photo, mask, (40, 190, 60))


SPOILT: dict[Doubt, Callable[[np.ndarray, Face], np.ndarray]] = {
    Doubt.DARK: lambda photo, face: (photo * 0.12).astype(np.uint8),
    Doubt.BRIGHT: lambda photo, face: np.clip(photo * 2.2 + 60, 0, 255).astype(np.uint8),
    Doubt.BLURRED: lambda photo, face: np.asarray(cv2.GaussianBlur(photo, (0, 0), 4), np.uint8),
    Doubt.EYES_COVERED: sunglasses,
    Doubt.MOUTH_COVERED: cloth,
    Doubt.THING: board,
}


def test_a_good_photo_is_not_doubted(
    pipeline: FusionPipeline, doubts: Doubts, astronaut: np.ndarray, group: np.ndarray, face: Face
) -> None:
    assert doubts(astronaut, face) == []
    assert not {Doubt.DARK, Doubt.BRIGHT, Doubt.BLURRED} & {
        d for f in pipeline.find_faces(group) for d in doubts(group, f)
    }


@pytest.mark.parametrize("doubt", SPOILT)
def test_a_spoilt_photo(doubts: Doubts, astronaut: np.ndarray, face: Face, doubt: Doubt) -> None:
    assert doubt in doubts(SPOILT[doubt](astronaut, face), face)


@pytest.mark.parametrize("name", ["hand", "thing", "hair", "mouth"])
def test_what_hides_much_of_a_face_is_named(
    pipeline: FusionPipeline, astronaut: np.ndarray, face: Face, name: str
) -> None:
    coverings = pipeline.find_coverings(astronaut, face)
    named = {"mouth": Doubt.MOUTH_COVERED}.get(name) or Doubt(name)
    for share, told in ((0.4, [named]), (0.01, [])):
        hidden = replace(coverings, hidden=HiddenShares(**{name: share}))
        assert quality.doubts(astronaut, face, hidden) == told


def test_shut_eyes_are_told(pipeline: FusionPipeline, astronaut: np.ndarray, face: Face) -> None:
    coverings = pipeline.find_coverings(astronaut, face)
    lids = np.ones((192, 192), np.float32)
    shut, narrow = replace(coverings, lids=lids), replace(coverings, narrow_lids=lids)
    for each in (shut, narrow):
        assert quality.doubts(astronaut, face, each) == [Doubt.EYES_SHUT]
    assert quality.doubts(astronaut, face, shut, target=True) == [Doubt.EYES_SHUT]
    assert quality.doubts(astronaut, face, narrow, target=True) == []  # such eyes are replaced


@pytest.mark.parametrize("doubt", SPOILT)
def test_the_face_in_a_spoilt_photo_is_still_found(
    pipeline: FusionPipeline, doubts: Doubts, astronaut: np.ndarray, face: Face, doubt: Doubt
) -> None:
    photo = SPOILT[doubt](astronaut, face)
    assert doubt in doubts(photo, pipeline.find_faces(photo)[0])


def test_small_and_turned(doubts: Doubts, astronaut: np.ndarray, face: Face) -> None:
    half = np.asarray(
        cv2.resize(astronaut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8
    )
    small = Face(face.detection, face.mesh / 2, face.yaw, face.pitch, face.roll)
    assert doubts(half, small) == [Doubt.SMALL]
    assert doubts(astronaut, Face(face.detection, face.mesh, -40, 0, 0)) == [Doubt.TURNED]
    for pitch in (-25, 40):
        assert doubts(astronaut, Face(face.detection, face.mesh, 0, pitch, 0)) == [Doubt.TILTED]


def test_a_face_at_the_edge_of_its_photo(doubts: Doubts, astronaut: np.ndarray, face: Face) -> None:
    moved = Face(
        face.detection,
        face.mesh - np.array([230, 60, 0], np.float32),
        face.yaw,
        face.pitch,
        face.roll,
    )
    assert isinstance(doubts(np.ascontiguousarray(astronaut[60:, 230:]), moved), list)
