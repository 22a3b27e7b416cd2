"""What a machine is measured to need, and what is remembered of it on the disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefusion import FusionPipeline, Tier
from facefusion.auto import speed
from facefusion.auto.speed import Speed, known_speed
from facefusion.fusion.coarse import FusionMaps
from facefusion.machine import measurements
from facefusion.machine.measurements import machine_key
from facefusion.tiers import TIERS

MEASURED = Speed(0.1, {tier: 0.05 * 2**i for i, tier in enumerate(TIERS)})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(measurements.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


class Measure:
    """Counts how often it measured."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Speed:
        self.calls += 1
        return MEASURED


@pytest.fixture
def measure() -> Measure:
    return Measure()


def test_every_tier_is_measured_and_leaves_no_trace(pipeline: FusionPipeline) -> None:
    before = len(pipeline.cache), pipeline.chooser._paced_at
    found = pipeline._measure_speed()
    assert set(found.rest) == set(found.expected_seconds) == set(TIERS)
    assert found.perception > 0 and 0 < found.rest[Tier.FAST] <= found.rest[Tier.BEST]
    assert found.expected_seconds[Tier.BEST] == pytest.approx(
        found.perception + found.rest[Tier.BEST]
    )
    assert (len(pipeline.cache), pipeline.chooser._paced_at) == before


def test_the_pretended_face_fills_every_tier(
    pipeline: FusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    refine = pipeline.networks.refine

    def spy(*arguments: Any) -> FusionMaps:
        sizes.append(arguments[0].shape[0])
        return refine(*arguments)

    monkeypatch.setattr(speed, "TIME_LIMIT", 0)
    networks: Any = replace(pipeline.networks, refine=spy)
    FusionPipeline(networks)._measure_speed()
    refined = [spec.refine_size for spec in TIERS.values() if spec.refines]
    assert sizes == [refined[-1], *refined]  # the best tier first, to warm up


def test_a_measurement_is_remembered(cache: Path, measure: Measure) -> None:
    assert known_speed(measure, "one") == known_speed(measure, "one") == MEASURED
    assert measure.calls == 1
    known_speed(measure, "other")
    assert measure.calls == 2 and set(json.loads((cache / "speed.json").read_text())) == {
        "one",
        "other",
    }
    assert [path.name for path in cache.iterdir()] == ["speed.json"]
    known_speed(measure, "")
    known_speed(measure, "")
    assert measure.calls == 4


@pytest.mark.parametrize(
    "kept",
    ["", "no json", "[]", "{}", '{"one": 3}', '{"one": {"perception": 0.1, "rest": {"fast": 1}}}',
     '{"one": {"perception": 0.1, "rest": {"fast": 1, "balanced": 1, "best": "NaN"}}}'],
)  # fmt: skip
def test_what_cannot_be_read_is_measured_again(cache: Path, measure: Measure, kept: str) -> None:
    cache.mkdir()
    (cache / "speed.json").write_text(kept)
    assert known_speed(measure, "one") == MEASURED and measure.calls == 1
    assert known_speed(measure, "one") == MEASURED and measure.calls == 1


def test_a_disk_that_cannot_be_written_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure: Measure
) -> None:
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv(measurements.CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    assert known_speed(measure, "one") == MEASURED


def test_the_key_names_the_machine_and_what_runs_on_it() -> None:
    assert machine_key("a") != machine_key("b") and machine_key("a") == machine_key("a")
    assert np.all([part.strip() for part in machine_key("a").split("|")])


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/facefusion"),
        ("linux", {"HOME": "/h"}, "/h/.cache/facefusion"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/facefusion"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/facefusion"),
        ("linux", {measurements.CACHE_VARIABLE: "/own"}, "/own"),
    ],
)
def test_the_user_s_cache_directory(
    monkeypatch: pytest.MonkeyPatch, system: str, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(measurements.sys, "platform", system)
    for name in (measurements.CACHE_VARIABLE, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert measurements.cache_directory() == Path(expected)
