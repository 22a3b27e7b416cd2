"""The seconds that the page shows beside each tier."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from facefusion import Tier
from facefusion.auto.chooser import TierChooser
from facefusion.auto.speed import FACE_SIDE, Speed
from facefusion.page.fusing import Fusing
from facefusion.page.i18n import t
from facefusion.page.stops import Stops
from facefusion.page.waits import ASSUMED, Waits, tier_choices
from facefusion.words import Language

SPEED = Speed(0.1, {Tier.FAST: 0.05, Tier.BALANCED: 0.1, Tier.BEST: 0.2})


def test_what_results_took_beside_their_fusion_is_learned() -> None:
    waits = Waits()
    assert waits.beside == ASSUMED
    waits.observe(5.0)
    assert ASSUMED < waits.beside < 2.5  # one slow visitor does not decide
    for _ in range(30):
        waits.observe(1.0)
    assert waits.beside == pytest.approx(1.0, abs=0.01)


def test_the_label_is_the_whole_time() -> None:
    choices = tier_choices([Tier.AUTO, Tier.FAST], {Tier.FAST: 0.25}, 0.4, Language.ENGLISH)
    assert choices == [(t("tier.auto"), "auto"), (t("tier.fast") + " · 0.7 s", "fast")]
    chinese = tier_choices([Tier.FAST], {Tier.FAST: 0.25}, 0.4, Language.CHINESE)
    assert chinese[0][0].endswith(" · 0.7 秒")


def test_after_a_result_the_faces_are_known(make_mesh: Any) -> None:
    """The times of the other tiers hold for the same photos: nothing is looked for again."""
    pipeline: Any = SimpleNamespace(chooser=TierChooser(lambda: SPEED), tiers=list(SPEED.rest))
    layout: Any = SimpleNamespace(settings=SimpleNamespace(tier="tier"))
    photos: Any = None
    fusing = Fusing(pipeline, layout, photos, Stops(), Waits())
    faces = [SimpleNamespace(target=SimpleNamespace(mesh=make_mesh(height=2 * FACE_SIDE)))] * 2
    result: Any = SimpleNamespace(faces=faces)
    choices = fusing._times(result, 1.0, Language.ENGLISH)["tier"]["choices"]
    assert [name.rpartition(" · ")[2] for name, _ in choices] == ["1.1 s", "1.2 s", "1.4 s"]


def test_more_and_larger_faces_take_longer() -> None:
    chooser = TierChooser(lambda: SPEED)
    one = chooser.expected(FACE_SIDE, elapsed=SPEED.perception)
    assert one == pytest.approx(SPEED.expected_seconds)
    three = chooser.expected(FACE_SIDE, elapsed=SPEED.perception, faces=3)
    assert three[Tier.BEST] == pytest.approx(0.7)
    assert chooser.expected(200.0)[Tier.BEST] < chooser.expected(FACE_SIDE)[Tier.BEST]
    for _ in range(9):
        chooser.observe(Tier.BEST, FACE_SIDE, 0.8)  # four times what was measured
    assert chooser.expected(FACE_SIDE)[Tier.BEST] == pytest.approx(0.8, rel=0.05)
