"""The table of tiers."""

from __future__ import annotations

import dataclasses

import pytest

from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.tiers import TIERS, Tier


def test_the_table_covers_each_tier_that_runs_once() -> None:
    assert list(TIERS) == [tier for tier in Tier if tier is not Tier.AUTO]
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
