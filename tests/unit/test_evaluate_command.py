"""`facefusion evaluate`, with the real networks."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from facefusion.cli.main import main
from facefusion.tiers import TIERS

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_writes_the_whole_report(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hard, out = tmp_path / "hard.csv", tmp_path / "out"
    hard.write_text(
        "source,target,why\nportrait-1.jpg,wall.png,no face\nportrait-1.jpg,portrait-2.jpg,easy\n"
    )
    words = ["--data", str(data), "--hard", str(hard), "--tiers", "best", "--limit", "2"]
    assert main(["evaluate", *words, "--out", str(out)]) == 0
    assert (
        "Pairs: 2 results, 0 failed\nHard pairs: 2 results, 1 failed\n" in capsys.readouterr().out
    )
    text = (out / "report.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "--hard hard.csv --tiers best --limit 2" in text and "own IdentityNet" in text
    assert "finds no face in the target photo" in text
    assert "2 portraits." in text and "| nothing done (T' itself) |" in text
    for name in ("pairs-best-worst-identity", "hard-best-failures", "reconstruction-best"):
        assert (out / f"{name}.jpg").is_file() and f"{name}.jpg" in text
    with (out / "pairs.csv").open(newline="") as file:
        figures = [row for row in csv.DictReader(file) if not row["failure"]]
    assert len(figures) == 3
    for row in figures:
        assert float(row["id_similarity"]) > max(0.3, float(row["target_similarity"]))
        assert float(row["expression_error_pct"]) < 10 and float(row["changed_far"]) == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "faces.csv cannot be read"),
        (["--pairs", "none.csv"], "none.csv cannot be read"),
        (["--tiers", "slow"], f"is not a list of {', '.join(TIERS)}"),
        (["--tiers", "fast,auto"], f"is not a list of {', '.join(TIERS)}"),
        (["--limit", "0"], "is not a number of 1 or more"),
        (["--steps"], "faces.csv cannot be read"),
        (["--degraded"], "faces.csv cannot be read"),
        (["--steps", "--degraded"], "not allowed with argument"),
    ],
)
def test_a_command_that_cannot_be_carried_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["evaluate", "--data", ".", *words])
    except SystemExit as left:
        code = int(left.code or 0)
    assert code == 2 and reason in capsys.readouterr().err


def test_serving_does_not_import_the_evaluation() -> None:
    code = (
        "import facefusion, facefusion.cli.main, sys, json; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = json.loads(done.stdout)
    assert "facefusion.cli.evaluate" in modules
    assert not [name for name in modules if name.startswith(("facefusion.evaluation", "torch"))]
