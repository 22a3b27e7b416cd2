"""The table of tiers: each row is feasible, and one row with its words adds a tier."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from facefusion import FusionPipeline, TierReason
from facefusion.auto.chooser import TierChooser, work
from facefusion.auto.speed import Speed
from facefusion.cli.main import make_parser
from facefusion.evaluation.pairs import Pair
from facefusion.export.calibration import record
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.page.actions import Actions
from facefusion.page.stops import Stops
from facefusion.page.waits import Waits
from facefusion.tiers import STUDIO, TIERS, Tier, TierSpec, best_tier, tier_spec
from facefusion.words import TEXTS


def test_the_table_covers_each_tier_that_runs_once() -> None:
    assert list(TIERS) == [tier for tier in Tier if tier not in (Tier.AUTO, Tier.STUDIO)]
    assert len({spec.label for spec in TIERS.values()}) == len(TIERS)


def test_a_later_tier_does_more() -> None:
    work = [(spec.detail_size, spec.refine_size) for spec in TIERS.values()]
    assert work == sorted(work) and len(set(work)) == len(work)


@pytest.mark.parametrize("tier", list(TIERS))
def test_a_tier_is_described_and_feasible(tier: Tier) -> None:
    spec = TIERS[tier]
    assert spec.label and spec.description.endswith(".")
    assert spec.detail_size >= COARSE_SIZE and spec.detail_size % COARSE_SIZE == 0
    assert spec.refine_size <= spec.detail_size and spec.refine_size % 16 == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.label = "other"  # type: ignore[misc]


def test_a_tier_is_named_by_its_word() -> None:
    assert Tier("best") is Tier.BEST and str(Tier.FAST) == "fast"
    with pytest.raises(ValueError, match="quickest"):
        Tier("quickest")


def test_results_differ_from_the_draft_where_something_runs_after_it() -> None:
    assert not TIERS[Tier.FAST].changes_draft
    assert all(tier_spec(tier).changes_draft for tier in (Tier.BALANCED, Tier.BEST, Tier.STUDIO))
    assert not STUDIO.refines and best_tier() is Tier.BEST


#: Size in pixels of a face whose crop has the largest side of the refine network.
LARGE = 300.0
#: Seconds by the name of the tier, with a made-up one.
SECONDS = {"fast": 0.05, "balanced": 0.1, "sharp": 0.14, "best": 0.2}


def _add_member(patch: pytest.MonkeyPatch, name: str) -> Tier:
    """Adds a member to `Tier`, as a line in its source would."""
    member = str.__new__(Tier, name)
    member._name_ = name.upper()
    member._value_ = name
    patch.setattr(Tier, "_member_names_", [*Tier._member_names_, member._name_])
    patch.setitem(Tier._member_map_, member._name_, member)
    patch.setitem(Tier._value2member_map_, name, member)
    return member


@pytest.fixture
def sharp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tier]:
    """A tier between Balanced and Best: a member, a row and its words."""
    rows = dict(TIERS)
    tier = _add_member(monkeypatch, "sharp")
    added = {**rows, tier: TierSpec("Sharp", "Sharp on larger faces.", 1792, 384)}
    for texts in TEXTS.values():
        monkeypatch.setitem(texts, "tier.sharp", "Sharp")
    TIERS.clear()
    TIERS.update(sorted(added.items(), key=lambda row: SECONDS[row[0]]))
    yield tier
    TIERS.clear()
    TIERS.update(rows)


@pytest.fixture
def product(sharp: Tier, pipeline: FusionPipeline) -> FusionPipeline:
    """The pipeline, on a machine that was measured with the made-up tier."""
    speed = Speed(0.1, {tier: SECONDS[tier] for tier in TIERS})
    return FusionPipeline(pipeline.networks, chooser=TierChooser(lambda: speed, budget=60))


def test_one_row_offers_a_tier(sharp: Tier, product: FusionPipeline) -> None:
    assert product.tiers == [Tier.AUTO, Tier.FAST, Tier.BALANCED, sharp, Tier.BEST]
    layout: Any = SimpleNamespace(settings=SimpleNamespace(tier="tier"))
    request: Any = SimpleNamespace(headers={})
    jobs: Any = None
    choices = Actions(product, layout, jobs, Stops(), Waits()).show_tiers(request)["tier"][
        "choices"
    ]
    assert [value for _, value in choices] == product.tiers
    command = ["fuse", "a.png", "b.png", "-o", "c.png", "--i-have-consent", "--tier", "sharp"]
    assert make_parser().parse_args(command).tier == sharp


def test_auto_takes_an_added_tier_where_it_fits(sharp: Tier, product: FusionPipeline) -> None:
    chooser = product.chooser
    assert work(sharp, LARGE) == (512, 384)
    choice = chooser.choose(LARGE, budget=0.15)
    assert (choice.tier, choice.reason) == (sharp, TierReason.TOO_SLOW)
    assert choice.expected_seconds == {tier: pytest.approx(SECONDS[tier]) for tier in TIERS}
    choice = chooser.choose(LARGE, budget=0.5)
    assert (choice.tier, choice.reason) == (Tier.BEST, TierReason.FITS_BUDGET)
    choice = chooser.choose(200.0, budget=0.5)  # its crop of 384 is refined no better by Best
    assert (choice.tier, choice.reason) == (sharp, TierReason.SMALL_FACE)
    assert choice.expected_seconds[Tier.BEST] == pytest.approx(SECONDS["sharp"])


def test_an_added_tier_runs(
    sharp: Tier, product: FusionPipeline, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    target = cv2.resize(astronaut, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    balanced, found, best = (
        product(guest, target, tier=tier) for tier in (Tier.BALANCED, "sharp", Tier.BEST)
    )
    assert found.tier is sharp and "refine" in found.timings.stages
    assert (found.image != balanced.image).any() and (found.image != best.image).any()
    chosen = product(guest, target, budget=product.chooser.budget)
    assert chosen.tier is Tier.BEST and set(product.expected_seconds()) == set(TIERS)


@pytest.mark.usefixtures("sharp")
def test_the_calibration_sees_the_sizes_of_every_tier(
    product: FusionPipeline, guest: np.ndarray, astronaut: np.ndarray, tmp_path: Path
) -> None:
    target = cv2.resize(astronaut, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    for name, photo in (("source.png", guest), ("target.png", target)):
        cv2.imwrite(str(tmp_path / name), photo[..., ::-1])
    inputs = record(product, tmp_path, [Pair("source.png", "target.png")])
    assert [feeds["warped"].shape[-1] for feeds in inputs["refine"]] == [256, 384, 512]
