"""Damaged photos through both doors: a short run of `make fuzz`, and what it counts as wrong."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.fuzz import Tally, outcome_of, through_command_line, through_server
from benchmarks.mutations import mutated, originals
from benchmarks.server import Server
from benchmarks.visitors import Answer
from facefusion.words import say


@pytest.fixture(scope="module")
def files() -> list[tuple[str, bytes]]:
    rng = np.random.default_rng(7)
    return [mutated(rng) for _ in range(40)]


def test_the_server_answers_every_damaged_photo(
    server: Server, files: list[tuple[str, bytes]]
) -> None:
    tally = through_server(server, files, lambda: True)
    assert tally.faults == [] and tally.counts["refused"] > 10


def test_the_command_line_answers_every_damaged_photo(files: list[tuple[str, bytes]]) -> None:
    tally = through_command_line(files, lambda: True)
    assert tally.faults == [] and sum(tally.counts.values()) == len(files)
    assert tally.counts["refused"] > 10


def test_undamaged_photos_of_all_formats_are_read() -> None:
    tally = through_command_line(list(originals().items()), lambda: True)
    assert tally.counts == {"read": 10} and tally.faults == []


def test_damage_is_the_same_for_the_same_seed() -> None:
    first, second, other = (mutated(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == second != other


def test_what_counts_as_wrong() -> None:
    tally = Tally()
    tally.add("a", "read", 0.1)
    tally.add("b", "refused", 6.0)
    tally.add("c", "fault: ValueError: x", 0.2)
    assert dict(tally.counts) == {"read": 1, "late": 1, "fault": 1} and tally.slowest == 6.0
    assert len(tally.faults) == 2

    def answer(status: int, error: str) -> str:
        return outcome_of(Answer(status, {}, b"", data={"error": error}))

    assert answer(400, "The photo is damaged.") == "refused"
    assert answer(500, say("error.unexpected")).startswith("fault")
    assert answer(500, "Traceback (most recent call last)").startswith("fault")
    assert answer(500, "").startswith("fault") and outcome_of(Answer(200, {}, b"")) == "read"
