"""Methods with known figures, and `facefusion evaluate --steps` on the examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from facefusion import FusionPipeline
from facefusion.cli.main import main
from facefusion.errors import FaceTurnedError
from facefusion.evaluation import faces, steps_report
from facefusion.evaluation.faces import KnownFaces
from facefusion.evaluation.judges import EvaluationJudges
from facefusion.evaluation.pairs import DataError, Pair
from facefusion.evaluation.recipe import NAME as RECIPE
from facefusion.evaluation.steps_report import (
    COLUMNS,
    Method,
    compare,
    row_cells,
    settings,
)
from facefusion.pipeline.steps import Steps
from facefusion.types import FusionResult, Timings

COUNT = 5


@pytest.fixture
def judges(make_mesh) -> EvaluationJudges:
    """Finds a face in every photo but a black one, and knows a person by the mean colour."""

    def mesh(photo: np.ndarray) -> np.ndarray | None:
        return make_mesh((110, 110), 150) if photo.any() else None

    def identity(photo: np.ndarray, _: np.ndarray) -> np.ndarray:
        mean = photo.mean((0, 1)) - 128
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    return EvaluationJudges(mesh, identity, "fake mesh", "fake identity")


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Photos of texture and of a colour each; one shows nobody."""
    rows = ["file,split,yaw_deg,eye_distance_px"]
    for i in range(COUNT + 1):
        colour = rng.uniform(100, 156, 3) if i < COUNT else np.zeros(3)
        texture = rng.normal(0, 15 * (i < COUNT), (220, 220, 3))
        photo = np.clip(colour + texture, 0, 255).astype(np.uint8)
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,val,0,90")
    (tmp_path / "faces.csv").write_text("\n".join(rows))
    return tmp_path


def copied(source: np.ndarray, target: np.ndarray, pair: Pair) -> tuple[np.ndarray, float]:
    """The target as it is."""
    return target, 0.25


def test_every_step_is_off_once_and_all_of_them_once() -> None:
    rows = settings()
    names = Steps.names()
    assert rows["all steps"] == Steps() and len(rows) == len(names) + 2
    for name in names:
        done = rows[f"without {name}"]
        assert [each for each in names if not getattr(done, each)] == [name]
    assert not any(getattr(rows["no step"], name) for name in names)


def test_other_steps_run_on_the_same_networks_and_remember_nothing_of_each_other(
    pipe: FusionPipeline,
) -> None:
    steps = Steps().without("grain")
    other = pipe.with_steps(steps)
    assert other.steps == steps and pipe.steps == Steps()
    assert other.networks is pipe.networks
    assert other.cache is not pipe.cache


def test_faces_are_seen_once_and_those_without_one_are_left_out(
    folder: Path, judges: EvaluationJudges
) -> None:
    known = KnownFaces.of(folder, judges)
    assert list(known.faces) == [f"{i}.png" for i in range(COUNT)]
    assert {pair.target for pair in known.pairs(None)} == set(known.faces)
    assert known.pairs(2) == known.pairs(None)[:2]
    assert (known.real is None) == bool(known.missing)
    assert KnownFaces.of(folder, judges, features=False).network is None
    blind = EvaluationJudges(lambda photo: None, judges.identity, "", "")
    with pytest.raises(DataError, match="no two large faces"):
        KnownFaces.of(folder, blind)
    (folder / "2.png").write_text("no picture")
    with pytest.raises(DataError, match=r"names 2\.png, which is no picture"):
        KnownFaces.of(folder, judges)


def test_figures_of_methods_with_known_answers(folder: Path, judges: EvaluationJudges) -> None:
    def soft(source: np.ndarray, target: np.ndarray, pair: Pair) -> tuple[np.ndarray, float]:
        return cv2.GaussianBlur(target, (0, 0), 2), 0.5

    def whole(source: np.ndarray, target: np.ndarray, pair: Pair) -> tuple[np.ndarray, float]:
        return source, 0.75

    known = KnownFaces.of(folder, judges)
    methods: dict[str, Method] = {"copied": copied, "soft": soft, "whole": whole}
    rows = compare(methods, known, judges, known.pairs(None))
    cells = {
        name: dict(zip(COLUMNS, row_cells(row, known), strict=True)) for name, row in rows.items()
    }
    bands = [column for column in COLUMNS if column.startswith("band")]
    assert [cells["copied"][band] for band in bands] == ["1.00"] * 5
    assert float(cells["soft"]["band below 1 px"]) < 0.3
    assert cells["copied"]["stains, mean dE"] == "0.0" and cells["copied"]["skin tone, dE"] == "0.0"
    assert float(cells["whole"]["stains, mean dE"]) > 1
    assert cells["whole"]["identity"] == "1.000" and float(cells["copied"]["identity"]) < 0.9
    times = [cells[name]["warp + compose, ms"] for name in methods]
    assert times == ["250", "500", "750"]
    assert all(cell["pairs"] == str(COUNT) for cell in cells.values())
    if known.real is not None:
        distances = [float(cells[name][COLUMNS[0]]) for name in ("copied", "soft")]
        assert distances[0] < distances[1] - 1000


def test_methods_take_turns_and_failures_are_listed(folder: Path, judges: EvaluationJudges) -> None:
    order: list[str] = []

    def method(name: str, fault: Exception | None = None, blank: bool = False) -> Method:
        def run(source: np.ndarray, target: np.ndarray, pair: Pair) -> tuple[np.ndarray, float]:
            order.append(name)
            if fault is not None:
                raise fault
            return target * (not blank), 0.1

        return run

    known = KnownFaces.of(folder, judges, features=False)
    methods = {
        "good": method("good"),
        "refuses": method("refuses", FaceTurnedError("source")),
        "breaks": method("breaks", RuntimeError("something\n broke")),
        "blank": method("blank", blank=True),
    }
    pairs = known.pairs(3)
    rows = compare(methods, known, judges, pairs)
    names = list(methods)
    assert order == [*names, *names[1:], names[0], *names[2:], *names[:2]]
    assert len(rows["good"].bands) == 3 and not rows["good"].failures
    named = f"{pairs[0].source} -> {pairs[0].target}"
    assert rows["refuses"].failures[0] == f"refuses, {named}: {FaceTurnedError('source')}"
    assert (
        rows["breaks"].failures[0] == f"breaks, {named}: Unexpected RuntimeError: something broke"
    )
    assert rows["blank"].failures[0].endswith("The mesh judge finds no face in the result.")
    assert row_cells(rows["blank"], known) == ["-"] * (len(COLUMNS) - 1) + ["0"]
    assert row_cells(rows["good"], known)[0] == "-"


def test_only_warp_and_compose_are_timed(folder: Path) -> None:
    class Slow:
        """A product that tells its times."""

        def __init__(self) -> None:
            self.cache = {"remembered": 1}

        def __call__(self, source: np.ndarray, target: np.ndarray, *, tier: str) -> FusionResult:
            assert not self.cache and tier == "best"
            stages = {"mesh": 4.0, "warp": 0.5, "refine": 8.0, "compose": 0.25}
            return FusionResult(
                target, target, np.zeros((1, 1), np.float32), Timings(stages), tier, ()
            )

    slow: Any = Slow()
    photo = np.zeros((9, 9, 3), np.uint8)
    image, seconds = steps_report._product(slow)(photo, photo, Pair("a", "b"))
    assert seconds == 0.75 and image is photo


def test_the_command_writes_the_table(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "missing_packages", lambda: ["some-package"])
    out = tmp_path / "out"
    words = ["evaluate", "--data", str(data), "--steps", "--limit", "1", "--out", str(out)]
    assert main(words) == 0
    assert "0 results failed" in capsys.readouterr().out
    text = (out / "steps.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in text and "evaluate --data DIR --steps --limit 1`" in text
    assert "the kernel distance; some-package not installed." in text
    assert "own IdentityNet" in text
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")][2:]
    assert [row[0].strip() for row in rows] == [*settings(), RECIPE]
    for row in rows:
        assert len(row) == len(COLUMNS) + 1 and row[1].strip() == "-" and row[-1].strip() == "1"
        assert all(0.3 < float(cell) < 3 for cell in row[2:7])
        assert float(row[9]) > 0.3 and float(row[12]) > 0
