"""The command line as its user runs it: a process, its exit code, its words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefusion import FusionPipeline
from facefusion.cli import measure
from facefusion.engines.registry import Engine
from facefusion.engines.selection import ENGINE_VARIABLE
from facefusion.images.marking import marked
from facefusion.tiers import Tier

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs `python -m facefusion` in a folder, with the consent that it asks for and the engine of
    the tests' pipeline.
    """
    words = (*words, "--i-have-consent") if words[:1] in (("fuse",), ("batch",)) else words
    environment = {**os.environ, "PYTHONPATH": str(ROOT), ENGINE_VARIABLE: Engine.ONNXRUNTIME}
    command = [sys.executable, "-m", "facefusion", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray, guest: np.ndarray
) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    Image.fromarray(guest).save(folder / "guest.png")
    Image.fromarray(astronaut).save(folder / "astronaut.jpg", quality=95)
    Image.fromarray(np.full((300, 400, 3), 128, np.uint8)).save(folder / "wall.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "pairs.csv").write_text(
        "source,target\nguest.png,astronaut.jpg\nwall.png,astronaut.jpg\nguest.png,none.jpg\n"
    )
    return folder


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.webp"])
def test_fuse(pipeline: FusionPipeline, desk: Path, name: str) -> None:
    done = run("fuse", "guest.png", "astronaut.jpg", "-o", name, "--tier", "best", folder=desk)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(f"{name}: identity similarity ")
    made, photo = (np.asarray(Image.open(desk / n)).astype(int) for n in (name, "astronaut.jpg"))
    assert made.shape == photo.shape
    assert np.abs(made - photo)[70:170, 185:265].mean() > 3
    if name == "out.png":
        expected = pipeline(
            np.asarray(Image.open(desk / "guest.png")), photo.astype(np.uint8), tier="best"
        )
        assert np.abs(made - marked(expected.image, faces=expected.boxes)).max() <= 2


REFUSED = {
    "missing": (
        ["fuse", "none.png", "astronaut.jpg", "-o", "no.png"],
        "There is no file none.png.",
    ),
    "text": (
        ["fuse", "guest.png", "notes.txt", "-o", "no.png"],
        "The target photo could not be read as a picture.",
    ),
    "extension": (
        ["fuse", "guest.png", "astronaut.jpg", "-o", "no.bmp"],
        "The output no.bmp must end in one of",
    ),
    "directory": (
        ["fuse", "guest.png", "astronaut.jpg", "-o", "none/no.png"],
        "There is no directory none for the output.",
    ),
    "weights": (
        ["fuse", "guest.png", "astronaut.jpg", "-o", "no.png", "--weights", "none"],
        "manifest in none cannot be read",
    ),
    "tier": (
        ["fuse", "guest.png", "astronaut.jpg", "-o", "no.png", "--tier", "ultra"],
        "invalid choice: 'ultra'",
    ),
    "nothing": ([], "the following arguments are required: COMMAND"),
    "no list": (["batch", "none.csv", "--out", "made"], "The list none.csv cannot be read"),
}


@pytest.mark.parametrize(("words", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_told_without_a_traceback(
    desk: Path, words: list[str], sentence: str
) -> None:
    done = run(*words, folder=desk)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not (desk / "no.png").exists()


def test_no_face_is_told_without_a_traceback(pipeline: FusionPipeline, desk: Path) -> None:
    done = run("fuse", "wall.png", "astronaut.jpg", "-o", "no.png", folder=desk)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "facefusion: The face photo shows no face that we can find. Please "
    )
    assert "Traceback" not in done.stderr and not (desk / "no.png").exists()


def test_batch_with_bad_rows(pipeline: FusionPipeline, desk: Path) -> None:
    done = run("batch", "pairs.csv", "--out", "made", folder=desk)
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == "1 of 3 pairs fused into made, 2 failed"
    assert (
        "row 2: The face photo shows no face" in done.stderr
        and "row 3: There is no file none.jpg." in done.stderr
    )
    assert "3/3" in done.stderr and "Traceback" not in done.stderr
    assert sorted(os.listdir(desk / "made")) == ["0001-guest-astronaut.jpg", "report.csv"]


def test_a_cold_start_is_measured_in_a_process_of_its_own(
    pipeline: FusionPipeline, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    cold = measure.cold_start(guest, astronaut, Tier.FAST, None)
    seconds = cold["seconds"]
    assert set(seconds) == {"import", "load", "first_result", "total"} and min(seconds.values()) > 0
    assert seconds["total"] == pytest.approx(sum(seconds.values()) - seconds["total"], abs=0.01)
    memory = cold["memory_mb"]
    if sys.platform == "linux":
        assert 50 < memory["resident"] <= memory["peak"]
