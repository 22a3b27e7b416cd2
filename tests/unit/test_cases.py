"""Pairs that are fused and judged at every tier, with fake networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion import FusionPipeline
from facefusion.errors import FaceTurnedError
from facefusion.evaluation import sheets
from facefusion.evaluation.cases import evaluate_pair, retrieved
from facefusion.evaluation.judges import EvaluationJudges, OwnMesh
from facefusion.evaluation.pairs import Pair
from facefusion.tiers import Tier
from facefusion.types import FusionResult, Timings

ONE = np.array([1, 0], np.float32)
TWO = np.array([0.6, 0.8], np.float32)
TIERS = [Tier.FAST, Tier.BEST]


@pytest.fixture
def folder(tmp_path: Path, make_photo) -> Path:
    """A face, another face and a wall without a face, as the fake networks know them."""
    Image.fromarray(make_photo(300, 240)).save(tmp_path / "face.png")
    Image.fromarray(255 - make_photo(400, 500)).save(tmp_path / "photo.png")
    Image.fromarray(make_photo(77, 99)).save(tmp_path / "wall.png")
    (tmp_path / "text.png").write_text("no picture")
    return tmp_path


@pytest.fixture
def fake_judges(pipe: FusionPipeline) -> EvaluationJudges:
    return EvaluationJudges(OwnMesh(pipe), pipe.networks.identity, "fake mesh", "fake identity")


def test_a_pair_is_measured_at_every_tier(
    pipe: FusionPipeline, fakes, fake_judges: EvaluationJudges, folder: Path
) -> None:
    fakes.answers = {(300, 240): TWO, (400, 500): ONE}
    cases = list(evaluate_pair(pipe, fake_judges, folder, Pair("face.png", "photo.png"), TIERS))
    assert [case.tier for case in cases] == TIERS
    assert [case.failure for case in cases] == [
        None,
        None,
    ]
    for case in cases:
        assert case.figures["id_similarity"] == pytest.approx(0.6)
        assert case.figures["target_similarity"] == pytest.approx(1)
        assert case.figures["expression_error_pct"] == 0 and case.figures["changed_far"] == 0
        assert case.figures["milliseconds"] > 0
        assert case.picture.shape == (sheets.TILE, 4 * sheets.TILE, 3)
    assert retrieved(cases[:1], None) == [True] and retrieved(cases[:1], ONE[None]) == [False]


class Broken:
    """A product that fails in its own way at each tier."""

    def __call__(self, source: Any, target: np.ndarray, *, tier: Tier) -> FusionResult:
        if tier == Tier.FAST:
            raise FaceTurnedError("source")
        raise RuntimeError("something\n broke")


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (Pair("wall.png", "photo.png"), "The mesh judge finds no face in the source photo."),
        (Pair("face.png", "wall.png"), "The mesh judge finds no face in the target photo."),
        (Pair("face.png", "text.png"), "The target photo could not be read as a picture."),
    ],
)
def test_what_cannot_be_judged_is_a_failure(
    pipe: FusionPipeline, fake_judges: EvaluationJudges, folder: Path, pair: Pair, reason: str
) -> None:
    cases = list(evaluate_pair(pipe, fake_judges, folder, pair, TIERS))
    assert len(cases) == 2 and retrieved(cases, None) == []
    assert all(
        case.failure is not None and case.failure.startswith(reason) and not case.figures
        for case in cases
    )


def test_refusals_faults_and_lost_faces_are_failures(
    fake_judges: EvaluationJudges, folder: Path
) -> None:
    pair = Pair("face.png", "photo.png")
    broken: Any = Broken()
    fast, best = evaluate_pair(broken, fake_judges, folder, pair, TIERS)
    assert fast.failure == str(FaceTurnedError("source"))
    assert best.failure == "Unexpected RuntimeError: something broke"

    def lose(source: np.ndarray, target: np.ndarray, *, tier: Tier) -> FusionResult:
        small = target[:90, :90] if tier == Tier.FAST else target
        return FusionResult(
            small, small, np.zeros(small.shape[:2], np.float32), Timings(), tier, ()
        )

    losing: Any = lose
    assert [
        case.failure for case in evaluate_pair(losing, fake_judges, folder, pair, [Tier.FAST])
    ] == ["The result has another size than the target photo."]
    looks = iter(
        [
            fake_judges.mesh(np.asarray(Image.open(folder / name)))
            for name in ("face.png", "photo.png")
        ]
    )
    blind = EvaluationJudges(lambda photo: next(looks, None), fake_judges.identity, "", "")
    assert [case.failure for case in evaluate_pair(losing, blind, folder, pair, [Tier.BEST])] == [
        "The mesh judge finds no face in the result."
    ]
