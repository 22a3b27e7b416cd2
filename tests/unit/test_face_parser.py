"""The parts of a face: what is in front of it, its beard, its mouth, and what follows from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks import ghosting
from facefusion import FusionPipeline
from facefusion.errors import FaceCutError, FaceHiddenError
from facefusion.geometry.mask import fill_points, lips_mask, outline
from facefusion.geometry.topology import LEFT_EYE, OUTER_LIPS, RIGHT_EYE
from facefusion.images.reading import read_photo
from facefusion.page.pictures import steps
from facefusion.perception.checks import MAX_OUTSIDE, check_coverings
from facefusion.perception.coverings import coverings_of
from facefusion.perception.face_parser import CROP_SIZE, FaceParts
from facefusion.perception.face_parts import FACE, IN_FRONT, PARTS, FacePart
from facefusion.perception.in_front import (
    CLOSED,
    INNER_EDGES,
    HiddenShares,
    beard,
    behind,
    mouth_opening,
    stays_closed,
    things,
)

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def mesh(make_mesh: Any) -> np.ndarray:
    return np.asarray(make_mesh((128, 128), 150), np.float32)


def parsed(mesh: np.ndarray, *parts: tuple[FacePart, np.ndarray], sure: float = 1.0) -> FaceParts:
    """Skin inside of the outline, background elsewhere, and the polygons of other parts over it."""
    labels = np.full((CROP_SIZE, CROP_SIZE), FacePart.BACKGROUND, np.uint8)
    for part, points in ((FacePart.SKIN, outline(mesh)), *parts):
        inside = np.zeros_like(labels)
        fill_points(inside, points, 255)
        labels[inside > 127] = part
    probabilities = np.full((PARTS, CROP_SIZE, CROP_SIZE), (1 - sure) / (PARTS - 1), np.float32)
    np.put_along_axis(probabilities, labels[None].astype(int), sure, axis=0)
    return FaceParts(probabilities, mesh)


def square(x: float, y: float, half: float) -> np.ndarray:
    return np.array(
        [[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half]]
    )


def lips(mesh: np.ndarray) -> tuple[FacePart, np.ndarray]:
    return FacePart.LIPS, mesh[list(OUTER_LIPS), :2]


def test_every_part_is_of_the_face_in_front_of_it_or_background() -> None:
    assert {*FACE, *IN_FRONT, FacePart.BACKGROUND} == set(FacePart)
    assert not {*FACE} & {*IN_FRONT}


@pytest.mark.parametrize("part", [FacePart.CLOTH, FacePart.HAND, FacePart.THING])
def test_a_thing_over_the_face_is_found_with_its_edge(mesh: np.ndarray, part: FacePart) -> None:
    found = things(parsed(mesh, (part, square(128, 140, 20))))
    assert found is not None and found[140, 128] == 1
    assert found[140, 128 + 21] > 0.5 and found[140, 128 + 28] == 0


def test_what_is_small_doubtful_or_beside_the_face_is_no_thing(mesh: np.ndarray) -> None:
    assert things(parsed(mesh)) is None
    assert things(parsed(mesh, (FacePart.THING, square(128, 140, 2)))) is None
    assert things(parsed(mesh, (FacePart.THING, square(128, 140, 20)), sure=0.7)) is None
    assert things(parsed(mesh, (FacePart.THING, square(12, 240, 9)))) is None
    assert things(parsed(mesh, (FacePart.HAIR, square(128, 140, 20)))) is None


def test_what_may_be_hair_or_cloth_is_cloth_beside_certain_cloth(mesh: np.ndarray) -> None:
    def found(cloth: float) -> np.ndarray | None:
        scarf = parsed(mesh, (FacePart.CLOTH, square(128, 100, 20)))
        doubtful = np.s_[120:150, 108:148]
        scarf.probabilities[(slice(None), *doubtful)] = 0
        for part, share in ((FacePart.CLOTH, cloth), (FacePart.HAIR, 0.6)):
            scarf.probabilities[(part, *doubtful)] = share
        return things(scarf)

    at = (135, 128)
    whole, hair = found(0.25), found(0.05)
    assert whole is not None and whole[at] == 1 and hair is not None and hair[at] == 0


def jaw(mesh: np.ndarray) -> tuple[FacePart, np.ndarray]:
    """A full beard: the face's outline below the nose."""
    low = mesh[[98, 327], 1].mean() + 6
    points = outline(mesh)
    return FacePart.BEARD, np.asarray(np.maximum(points, [0, low]), np.float32)


def test_a_full_beard_counts_with_the_mouth_inside_and_a_goatee_does_not(mesh: np.ndarray) -> None:
    found = beard(parsed(mesh, jaw(mesh), lips(mesh)))
    x, y = mesh[list(OUTER_LIPS), :2].mean(0)
    assert found is not None and found[round(float(y)), round(float(x))] > 0.99
    assert found[round(float(mesh[5, 1])), round(float(x))] == 0  # the nose
    assert beard(parsed(mesh)) is None
    assert beard(parsed(mesh, (FacePart.BEARD, square(x, mesh[17, 1] + 8, 7)))) is None


def test_shares_of_the_face_that_are_hidden(mesh: np.ndarray) -> None:
    bare = HiddenShares.of(parsed(mesh))
    assert bare == HiddenShares()
    face = float(parsed(mesh).face().sum())
    hidden = HiddenShares.of(parsed(mesh, (FacePart.HAND, square(128, 128, 20))))
    assert hidden.hand == pytest.approx(41 * 41 / face, rel=0.05)
    assert hidden.whole == pytest.approx(hidden.hand) and hidden.thing == hidden.hair == 0
    low = mesh[[98, 327], 1].mean()
    masked = HiddenShares.of(
        parsed(mesh, (FacePart.CLOTH, np.array([[0, low], [255, low], [255, 255], [0, 255]])))
    )
    assert masked.mouth > 0.95 and masked.whole < 0.6


def test_an_open_mouth_and_a_closed_one(mesh: np.ndarray) -> None:
    closed = mouth_opening(parsed(mesh, lips(mesh)))
    x, y = mesh[list(OUTER_LIPS), :2].mean(0)
    opened = mouth_opening(parsed(mesh, lips(mesh), (FacePart.MOUTH, square(x, y, 8))))
    assert closed is not None and closed < 0.01 and opened is not None and opened > 0.2
    for gap, is_closed in ((1, True), (12, False)):  # dark lips, and parted ones without teeth
        parted = mesh.copy()
        parted[list(INNER_EDGES), 1] = y - gap, y + gap
        opening = mouth_opening(parsed(parted, lips(mesh), (FacePart.MOUTH, square(x, y, 5.5))))
        assert opening is not None and (opening < CLOSED) is is_closed
    assert mouth_opening(parsed(mesh)) is None  # behind a mask
    assert stays_closed(opened, closed)
    assert not stays_closed(closed, closed) and not stays_closed(opened, opened)
    assert not stays_closed(None, closed) and not stays_closed(opened, None)


def test_the_coverings_of_a_target_are_kept_and_those_of_a_source_are_not_carried(
    mesh: np.ndarray,
) -> None:
    hand = FacePart.HAND, square(128, 110, 15)
    found = coverings_of(parsed(mesh, hand, jaw(mesh)), None)
    bare = coverings_of(parsed(mesh), None)
    at_hand, at_beard = (82, 96), (round(float(mesh[17, 1] + 8) * 0.75), 96)  # of 192
    assert found.in_front[at_hand] == found.always_keep[at_hand] == 1
    assert found.beard is not None and found.beard[at_beard] > 0.9
    assert found.always_keep[at_beard] == 0 and found.everything[at_beard] > 0.9
    maps = found.occlusion_maps
    assert maps[at_hand][1] == 1 and maps[at_beard][1] == 0  # a source's beard is carried
    assert bare.blocked_by(maps)[at_hand] == 1
    assert found.nbytes > bare.nbytes and bare.things is None and bare.beard is None


def test_hair_over_the_face_is_kept_and_not_carried(mesh: np.ndarray) -> None:
    curtain = FacePart.HAIR, square(105, 150, 25)  # over a cheek, below the forehead's hair
    found, bare = coverings_of(parsed(mesh, curtain), None), coverings_of(parsed(mesh), None)
    at_hair, beside = (112, 79), (112, 130)  # of 192
    assert found.in_front[at_hair] == found.always_keep[at_hair] == 1
    assert found.always_keep[beside] == 0 and bare.hair_in_front is None
    assert bare.blocked_by(found.occlusion_maps)[at_hair] == 1
    doubtful = coverings_of(parsed(mesh, curtain, sure=0.25), None)
    assert doubtful.hair_in_front is None


def test_between_hair_and_cloth_there_is_no_skin(mesh: np.ndarray) -> None:
    mixed = parsed(mesh, (FacePart.HAIR, square(105, 150, 25)), sure=0.3)
    mixed.probabilities[FacePart.CLOTH, 140:160, 95:115] = 0.5
    found, at, beside = coverings_of(mixed, None), (112, 79), (96, 79)  # of 192
    assert found.things is None and found.in_front[at] > 0.9 and found.in_front[beside] == 0


def test_beyond_the_photos_edge_there_is_nothing_of_a_face(
    pipeline: FusionPipeline, mesh: np.ndarray
) -> None:
    outside = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    outside[:, : round(float(mesh[33, 0]))] = 1  # up to an outer corner of the eyes
    slightly = HiddenShares.of(replace(parsed(mesh), outside=outside)).outside
    outside[:, : round(float(mesh[133, 0]))] = 1  # up to the inner one
    cut = coverings_of(replace(parsed(mesh), outside=outside), None)
    assert slightly < MAX_OUTSIDE < cut.hidden.outside < 0.5
    assert HiddenShares.of(parsed(mesh)).outside == 0
    assert cut.occlusion_maps[96, 40, 1] == 1 and cut.in_front[96, 40] == 0
    edge = round(float(mesh[133, 0]) * 0.75)
    assert cut.occlusion_maps[96, edge + 4, 1] > 0.8 and cut.occlusion_maps[96, edge + 15, 1] == 0
    check_coverings(cut, "target")  # as it is
    with pytest.raises(FaceCutError):
        check_coverings(cut, "source")


def test_background_inside_of_the_outline_is_found(mesh: np.ndarray) -> None:
    def past(x: float, half: float) -> FaceParts:
        return parsed(mesh, (FacePart.BACKGROUND, square(x, 150, half)))

    cheek = float(outline(mesh)[:, 0].min())
    assert behind(parsed(mesh)) is None and behind(past(cheek, 2)) is None
    found = coverings_of(past(cheek, 12), None)
    assert found.background is not None and found.background.shape == (192, 192)
    x = round(0.75 * cheek)
    assert found.background[112, x + 5] == 1 and found.background[112, x + 20] == 0
    assert found.background[112, x - 30] == 0  # far from the face nothing is asked
    assert found.not_skin[112, x + 5] == 1
    assert found.occlusion_maps.max() == 0  # the target's face changes there


def test_a_source_whose_mouth_is_cut_off_is_refused(pipeline: FusionPipeline) -> None:
    photo = read_photo(EXAMPLES / "portrait-1.jpg", "target")
    face = pipeline.find_faces(photo)[0]
    parser = pipeline.networks.coverings.parser
    assert parser(photo, face.mesh).outside is None
    cut = photo[: round(float(face.mesh[13, 1]))]
    parts = parser(cut, face.mesh)
    assert parts.outside is not None and parts.outside[-1].min() == 1
    np.testing.assert_array_equal(parts.of(FacePart.BACKGROUND)[parts.outside > 0], np.float32(1))
    with pytest.raises(FaceCutError) as refused:
        check_coverings(pipeline.find_coverings(cut, face), "source")
    assert "whole face" in str(refused.value)


def rims(mesh: np.ndarray, *eyes: tuple[int, ...], sure: float) -> FaceParts:
    """Thin rims around eyes, of which the parser is not sure."""
    bare = parsed(mesh)
    drawn = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    for eye in eyes:
        x, y = mesh[list(eye), :2].mean(0)
        cv2.circle(drawn, (round(float(x)), round(float(y))), 20, 1, 2)
    bare.probabilities[:] = np.where(drawn > 0, bare.probabilities * (1 - sure), bare.probabilities)
    bare.probabilities[FacePart.FRAME] += drawn * np.float32(sure)
    return bare


def test_doubtful_rims_around_both_eyes_are_glasses(mesh: np.ndarray) -> None:
    found = coverings_of(rims(mesh, LEFT_EYE, RIGHT_EYE, sure=0.4), None).glasses
    assert found is not None and found.thin and not found.hides_eyes
    x, y = mesh[list(LEFT_EYE), :2].mean(0)
    crop = np.full((CROP_SIZE, CROP_SIZE, 3), 170, np.uint8)
    cv2.circle(crop, (round(float(x)), round(float(y))), 20, (20, 20, 20), 2)
    assert found.without_frame(crop).min() > 120
    assert coverings_of(rims(mesh, LEFT_EYE, sure=0.4), None).glasses is None
    assert coverings_of(rims(mesh, LEFT_EYE, RIGHT_EYE, sure=0.15), None).glasses is None


def test_dark_glass_and_frames_make_glasses(mesh: np.ndarray) -> None:
    eyes = [mesh[list(eye), :2].mean(0) for eye in (LEFT_EYE, RIGHT_EYE)]
    lenses = [(FacePart.DARK_GLASS, square(x, y, 16)) for x, y in eyes]
    dark = coverings_of(parsed(mesh, *lenses), None).glasses
    assert dark is not None and dark.hides_eyes
    rims = [(FacePart.FRAME, square(x, y, 16)) for x, y in eyes]
    inside = [(FacePart.SKIN, square(x, y, 12)) for x, y in eyes]
    clear = coverings_of(parsed(mesh, *rims, *inside), None).glasses
    assert clear is not None and not clear.hides_eyes
    assert coverings_of(parsed(mesh), None).glasses is None


@pytest.mark.parametrize("kind", ghosting.KINDS)
def test_a_thing_in_front_of_the_target_stays_as_it_is(pipeline: FusionPipeline, kind: str) -> None:
    """Of the first three composites of a kind at most one is off, and none by a ghost."""
    changes = [
        target.change(pipeline(source, target.photo, face=target.face(pipeline), tier="best").image)
        for name, source, target in ghosting.composites(pipeline, 15, seed=1)
        if name == kind
    ]
    assert len(changes) == 3
    assert np.median(changes) < 2 and max(changes) < 12


def test_closed_lips_stay_closed_when_the_source_shows_its_teeth(pipeline: FusionPipeline) -> None:
    smile = read_photo(EXAMPLES / "ready" / "face-1.jpg", "source")
    closed = read_photo(EXAMPLES / "ready" / "target-4.jpg", "target")
    faces = [pipeline.find_faces(photo)[0] for photo in (smile, closed)]
    mouths = [
        pipeline.find_coverings(photo, face).mouth
        for photo, face in zip((smile, closed), faces, strict=True)
    ]
    assert stays_closed(*mouths) and not stays_closed(*mouths[::-1])
    result = pipeline(smile, closed, tier="best").image
    for x, y in faces[1].mesh[[81, 13, 311], :2].round().astype(int):
        place = np.s_[y - 2 : y + 3, x - 2 : x + 3]
        assert np.abs(result[place].astype(int) - closed[place]).max() <= 2
    made = pipeline.find_coverings(result, pipeline.find_faces(result)[0]).mouth
    assert made is not None and made < CLOSED


def test_a_face_behind_a_board_is_refused(pipeline: FusionPipeline) -> None:
    photo = read_photo(EXAMPLES / "portrait-1.jpg", "target")
    source = read_photo(EXAMPLES / "portrait-3.jpg", "source")
    face = pipeline.find_faces(photo)[0]
    hidden = photo.copy()
    mask = np.zeros(photo.shape[:2], np.uint8)
    fill_points(mask, outline(face.mesh, 0.1), 1)
    mask[: round(float(face.mesh[[70, 300], 1].mean()))] = 0  # the forehead is seen
    hidden[mask > 0] = (40, 120, 60)
    with pytest.raises(FaceHiddenError) as refused:
        pipeline(source, hidden, face=face)
    assert refused.value.photo == "target" and "in front of it" in str(refused.value)


def test_lips_are_masked_with_a_soft_edge(mesh: np.ndarray) -> None:
    mask = lips_mask(mesh, CROP_SIZE)
    x, y = mesh[list(OUTER_LIPS), :2].mean(0)
    assert mask[round(float(y)), round(float(x))] > 0.9 and mask[round(float(y)) + 40].max() == 0
    assert cv2.countNonZero(((mask > 0.05) & (mask < 0.95)).astype(np.uint8)) > 50


def test_how_it_works_tints_what_covers_each_face(pipeline: FusionPipeline) -> None:
    photo = read_photo(EXAMPLES / "portrait-1.jpg", "target")
    source = read_photo(EXAMPLES / "portrait-3.jpg", "source")
    mesh = pipeline.find_faces(photo)[0].mesh
    masked = photo.copy()
    mask = np.zeros(photo.shape[:2], np.uint8)
    fill_points(mask, outline(mesh), 1)
    mask[: round(float(mesh[5, 1]))] = 0
    masked[mask > 0] = (200, 205, 210)
    result = pipeline(source, masked, tier="fast")
    tiles = steps(masked, result, result.image, "AI")
    side = tiles["found"].shape[0]
    mouth, cheek = np.s_[int(0.66 * side), side // 2], np.s_[int(0.45 * side), int(0.45 * side)]
    assert bluer(tiles["target_covered"], mouth) > bluer(tiles["found"], mouth) + 40
    for tile in (tiles["target_covered"][cheek], tiles["source_covered"][mouth]):
        assert int(tile[2]) < int(tile[0])  # skin


def bluer(tile: np.ndarray, place: tuple[int, int]) -> int:
    return int(tile[place][2]) - int(tile[place][0])
