"""The table of tiers."""

from __future__ import annotations

import dataclasses

import pytest

from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.tiers import TIERS, Tier


def test_the_table_covers_each_tier_once() -> None:
    assert list(TIERS) == list(Tier)
    assert len({spec.label for spec in TIERS.values()}) == len(Tier)


@pytest.mark.parametrize("tier", list(Tier))
def test_a_tier_is_described_and_feasible(tier: Tier) -> None:
    spec = TIERS[tier]
    assert spec.label and spec.description.endswith(".")
    assert spec.detail_size >= COARSE_SIZE and spec.detail_size % COARSE_SIZE == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.label = "other"  # type: ignore[misc]


def test_a_tier_is_named_by_its_word() -> None:
    assert Tier("best") is Tier.BEST and str(Tier.FAST) == "fast"
    with pytest.raises(ValueError, match="quickest"):
        Tier("quickest")
