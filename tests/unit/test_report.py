"""The report: every figure with its spread, and all failures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion.evaluation import sections, sheets
from facefusion.evaluation.case import Case
from facefusion.evaluation.image_metrics import ImageMetrics
from facefusion.evaluation.judges import EvaluationJudges
from facefusion.evaluation.measures import MEASURES
from facefusion.evaluation.pairs import Pair
from facefusion.evaluation.reconstruction import reconstruct
from facefusion.evaluation.report import Report, write_report
from facefusion.evaluation.run import Request
from facefusion.tiers import Tier

MACHINE = {
    "cpu": "Abacus",
    "cores": 2,
    "load": 0.1,
    "system": "none",
    "python": "3",
    "onnxruntime": "1",
    "opencv": "5",
}
Writer = Callable[..., tuple[str, dict[str, Any]]]
ONE = np.array([1, 0], np.float32)
JUDGES = EvaluationJudges(
    lambda photo: None,
    lambda photo, mesh: ONE,
    "fake mesh",
    "fake identity",
    ("Fakes are lenient.",),
)


def case(i: int, failure: str | None = None, why: str = "", **figures: float) -> Case:
    every = {**{one.key: 1.0 for one in MEASURES}, **figures} if failure is None else {}
    known = ONE if failure is None else None
    picture = np.full((8, 768, 3), i, np.uint8)
    return Case(
        Pair(f"s{i}.jpg", f"t{i}.jpg", why), Tier.BEST, picture, every, known, known, failure
    )


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    """Writes a report of cases: its text, and the rows of each sheet."""
    shown: dict[str, Any] = {}

    def keep(path: Path, rows: list[Any], columns: str = "") -> None:
        sheets.write_sheet(path, rows)
        shown[path.name] = [text for _, text in rows]

    monkeypatch.setattr(sections, "write_sheet", keep)

    def write(
        cases: list[Case],
        found: list[bool],
        reconstruction: Any = "no portraits here.",
        worst: int = 2,
    ) -> tuple[str, dict[str, Any]]:
        listed = [sections.Section("Hard pairs", "hard", "From a test.", cases, {Tier.BEST: found})]
        report = Report(
            "python -m facefusion evaluate", MACHINE, JUDGES, "nobody else", [Tier.BEST], listed, reconstruction,
            ImageMetrics(missing={"SSIM": "a package is missing"}), worst,
        )  # fmt: skip
        return write_report(report, tmp_path).read_text(encoding="utf-8"), shown

    return write


def test_the_report_shows_spread_failures_and_the_worst(written, tmp_path: Path) -> None:
    values = [0.9, 0.1, 0.5, 0.3, 0.7]
    cases = [
        case(i, why="hat" if i < 2 else "glasses", id_similarity=value)
        for i, value in enumerate(values)
    ]
    cases += [
        case(7, "The face photo shows no face that we can find. Please choose one.", why="hat")
    ]
    text, shown = written(cases, [True, False, True, True, True])
    assert "| identity similarity, cosine | 0.500 | 0.180 | 0.820 | 0.500 | 0.100 |" in text
    assert "6 pairs, 5 fused and measured, 1 failed." in text
    assert "Retrieval, top-1: 4 of 5 (80.0 %)." in text
    assert "| hat | 3 | 1 | 0.500 |" in text and "| glasses | 3 | 0 | 0.500 |" in text
    assert (
        "- s7.jpg -> t7.jpg (hat): The face photo shows no face that we can find. Please choose one."
        in text
    )
    assert [row.split("; ")[1] for row in shown["hard-best-worst-identity.jpg"]] == [
        "s1.jpg -> t1.jpg (hat)", "s3.jpg -> t3.jpg (glasses)",
    ]  # fmt: skip
    assert len(shown["hard-best-failures.jpg"]) == 1
    assert "shows no face" in shown["hard-best-failures.jpg"][0]
    for name in shown:
        assert f"]({name})" in text
        with Image.open(tmp_path / name) as sheet:
            assert sheet.format == "JPEG"
    assert {"hard-best-worst-expression.jpg", "hard-best-worst-skin-tone.jpg"} <= set(shown)
    with (tmp_path / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert rows[1]["id_similarity"] == "0.1000"
    assert rows[5]["failure"].startswith("The face photo")


def test_a_report_without_sheets_shows_no_picture_and_still_every_failure(
    written, tmp_path: Path
) -> None:
    reason = "The face photo shows no face that we can find. Please choose one."
    text, shown = written([case(0, id_similarity=0.5), case(1, reason)], [True], worst=0)
    assert not shown and ".jpg](" not in text and not list(tmp_path.glob("*.jpg"))
    assert "Failures, all of them:" in text and reason in text
    assert "| identity similarity, cosine | 0.500 |" in text


def test_the_report_says_who_judged_on_what_and_what_is_missing(written) -> None:
    text, _ = written([case(0)], [True], "no meshes.")
    assert "`python -m facefusion evaluate`" in text and "Abacus, 2 cores" in text
    assert "- geometry: fake mesh" in text and "- identity: fake identity" in text
    assert "- **Not independent:** Fakes are lenient." in text
    assert "Not measured: no meshes." in text
    for one in MEASURES:
        assert f"| {one.title} |" in text and one.definition in text


def test_a_metric_that_is_not_installed_is_named(written) -> None:
    run = reconstruct(lambda *_, **__: None, [], [Tier.BEST], ImageMetrics())
    text, _ = written([case(0)], [True], run)
    assert "0 portraits." in text and "SSIM: not measured: a package is missing." in text


def test_a_report_of_failures_only(written) -> None:
    text, shown = written([case(i, f"Sentence {i}.") for i in range(sections.MAX_ROWS + 3)], [])
    assert "103 pairs, 0 fused and measured, 103 failed." in text
    assert "Retrieval, top-1:" not in text
    assert [
        len(shown[name]) for name in ("hard-best-failures.jpg", "hard-best-failures-2.jpg")
    ] == [100, 3]
    assert all(f": Sentence {i}." in text for i in range(103))


def test_the_command_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    request = Request(
        tmp_path,
        tmp_path,
        [Tier.FAST, Tier.BEST],
        pairs=tmp_path / "p.csv",
        hard=Path("benchmarks/hard_pairs.csv"),
        limit=6,
        identity_judge=Path("../x/net.onnx"),
    )
    assert request.command() == (
        "python -m facefusion evaluate --data DIR --pairs p.csv --hard benchmarks/hard_pairs.csv"
        " --identity-judge net.onnx --tiers fast,best --limit 6"
    )
    steps = Request(tmp_path, tmp_path, [Tier.FAST], limit=6, table="steps")
    assert steps.command() == "python -m facefusion evaluate --data DIR --steps --limit 6"
