"""Groups of a pair, and the table of figures by group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facefusion.evaluation.case import Case
from facefusion.evaluation.groups import (
    age_group,
    group_lines,
    in_front,
    light,
    pose,
    read_ages,
    skin_tone,
)
from facefusion.evaluation.measures import MEASURES, JudgedFace
from facefusion.evaluation.pairs import Pair
from facefusion.perception.coverings import Coverings
from facefusion.perception.in_front import HiddenShares
from facefusion.perception.spectacles import Spectacles
from facefusion.pipeline.kept import kept
from facefusion.tiers import Tier
from facefusion.types import Kept

BARE = np.zeros((96, 96), np.float32)
EMBEDDING = np.array([1, 0], np.float32)


def _seen(
    mesh: np.ndarray, left: tuple[int, int, int], right: tuple[int, int, int] | None = None
) -> JudgedFace:
    photo = np.full((200, 200, 3), left, np.uint8)
    photo[:, 100:] = left if right is None else right
    return JudgedFace(photo, mesh, EMBEDDING)


@pytest.mark.parametrize(
    ("colour", "name"),
    [  # as scikit-image's CIELAB has it: 72.5, 45.3, 34.9, 23.5, -3.9 and -35.5 degrees
        ((250, 225, 205), "very light"),
        ((200, 160, 135), "light"),
        ((190, 150, 120), "intermediate"),
        ((180, 135, 105), "tan"),
        ((150, 105, 75), "brown"),
        ((110, 75, 50), "dark"),
    ],
)
def test_skin_has_the_tone_of_the_cheeks(
    make_mesh, colour: tuple[int, int, int], name: str
) -> None:
    assert skin_tone(_seen(make_mesh((100, 100), 120), colour)) == name


def test_light_comes_from_where_the_lighter_cheek_is(make_mesh) -> None:
    mesh = make_mesh((100, 100), 120)
    assert light(_seen(mesh, (180, 140, 120))) == "even"
    assert light(_seen(mesh, (200, 160, 140), (120, 90, 80))) == "from one side"
    assert light(_seen(mesh, (120, 90, 80), (200, 160, 140))) == "from one side"
    assert light(_seen(mesh, (40, 30, 25))) == "dark"


@pytest.mark.parametrize(
    ("yaw", "name"),
    [(0, "below 10 degrees"), (-17, "10 to 25 degrees"), (35, "25 degrees and more")],
)
def test_pose_is_how_far_the_face_is_turned(make_mesh, yaw: float, name: str) -> None:
    assert pose(_seen(make_mesh((100, 100), 120, yaw=yaw), (180, 140, 120))) == name


@pytest.mark.parametrize(
    ("age", "name"),
    [(None, "unknown"), (18, "18 to 29"), (44, "30 to 44"), (59, "45 to 59"), (88, "60 and more")],
)
def test_ages(age: int | None, name: str) -> None:
    assert age_group(age) == name


def test_ages_are_read_where_they_are_told(tmp_path: Path) -> None:
    assert read_ages(tmp_path) == {}
    (tmp_path / "faces.csv").write_text(
        "file,split,description\na.jpg,val,\nb.jpg,val,62-year-old man from somewhere\n"
    )
    assert read_ages(tmp_path) == {"b.jpg": 62}


def test_every_pair_is_counted_in_every_division() -> None:
    figures = {measure.key: 0.5 for measure in MEASURES}
    picture = np.zeros((4, 4, 3), np.uint8)

    def case(source: str, tone: str, identity: float | None) -> Case:
        groups = {"skin tone of the source": tone}
        if identity is None:
            return Case(Pair(source, "t.jpg"), Tier.BEST, picture, failure="No.", groups=groups)
        return Case(
            Pair(source, "t.jpg"),
            Tier.BEST,
            picture,
            {**figures, "id_similarity": identity},
            groups=groups,
        )

    cases = [
        case("a.jpg", "tan", 0.4),
        case("b.jpg", "tan", 0.8),
        case("c.jpg", "dark", None),
        case("d.jpg", "tan", None),
    ]
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:5]]
        for line in group_lines(cases, {"a.jpg": 70})
        if line
    }
    assert rows["skin tone of the source: tan"] == ["3", "1", "0.600"]
    assert rows["skin tone of the source: dark"] == ["1", "1", "-"]
    assert rows["age of the source: 60 and more"] == ["1", "0", "0.400"]
    assert rows["age of the source: unknown"] == ["3", "2", "0.800"]
    blind = group_lines([Case(Pair("a.jpg", "t.jpg"), Tier.BEST, picture, failure="No face.")], {})
    assert any("light on the target: unknown | 1 | 1" in line for line in blind)


def test_what_is_in_front_is_named_by_what_hides_most() -> None:
    empty, full = np.zeros((192, 192), np.float32), np.ones((192, 192), np.float32)
    clear, dark = Spectacles(full, empty), Spectacles(full, full)
    for coverings, name in (
        (Coverings(None, BARE), "nothing"),
        (Coverings(None, BARE, beard=full), "beard"),
        (Coverings(None, BARE, beard=full, hidden=HiddenShares(hair=0.2)), "hair"),
        (Coverings(clear, BARE, beard=full), "glasses"),
        (Coverings(dark, BARE), "dark glass"),
        (Coverings(None, BARE, hidden=HiddenShares(thing=0.1)), "thing"),
        (Coverings(None, BARE, hidden=HiddenShares(thing=0.1, mouth=0.4)), "mask or cloth"),
        (Coverings(clear, BARE, hidden=HiddenShares(hand=0.1, mouth=0.4)), "hand"),
    ):
        assert in_front(coverings) == name


def test_what_a_result_keeps_of_the_photo() -> None:
    empty, full = np.zeros((192, 192), np.float32), np.ones((192, 192), np.float32)
    bare = Coverings(None, BARE, mouth=0.5)
    shut = replace(bare, lids=full)
    target = Coverings(
        Spectacles(full, empty),
        BARE,
        lids=full,
        things=full,
        hair_in_front=full,
        beard=full,
        mouth=0.0,
        hidden=HiddenShares(hair=0.3),
    )
    assert (
        kept(bare, target) == kept(shut, target) == tuple(each for each in Kept if each != "eyes")
    )
    assert kept(bare, bare) == kept(replace(bare, beard=full), bare) == ()
    sunglasses = replace(bare, glasses=Spectacles(empty, full))
    narrow = replace(bare, narrow_lids=full)
    for source in (shut, sunglasses, narrow):
        assert kept(source, bare) == kept(source, narrow) == (Kept.EYES,)
    assert kept(shut, shut) == (Kept.LIDS,)
    assert kept(bare, narrow) == ()
    assert Kept.BEARD not in kept(replace(bare, beard=full), target)
    assert Kept.HAIR not in kept(bare, replace(target, hidden=HiddenShares(hair=0.15)))
