"""`facefusion batch`: bad rows, folders, several targets of one face, the report, and resuming."""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion import FusionPipeline
from facefusion.cli.batch_report import COLUMNS, NAME


def _list(*rows: str | bytes) -> None:
    lines = [row.encode() if isinstance(row, str) else row for row in ("source,target", *rows)]
    Path("pairs.csv").write_bytes(b"\n".join(lines))


def _report(folder: str = "made") -> list[dict[str, str]]:
    with Path(folder, NAME).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _results(folder: str = "made") -> list[str]:
    return sorted(name for name in os.listdir(folder) if name != NAME)


def test_no_row_ends_a_list(desk: Path, run: Any) -> None:
    good = "face.png,photo.png"
    _list(
        good,
        "face.png",
        ",photo.png",
        ",",
        b"fa\xffce.png,photo.png",
        "nu\0ll.png,photo.png",
        "n" * 300 + ".png,photo.png",
        "f" * 200_000 + ",photo.png",  # more than a field may have
        ".,photo.png",
        "face.png,face.png/photo.png",
        good + ",and,more",
        good,
    )
    code, out, err = run("batch", "pairs.csv", "--out", "made")
    assert (code, out) == (2, "3 of 12 pairs fused into made, 9 failed\n")
    assert len(_results()) == 3 and "unexpected" not in err and "Traceback" not in err
    told = [row["message"] for row in _report() if row["status"] == "failed"]
    assert len(told) == 9 and all(each.endswith(".") for each in told)
    assert told[:3] == [
        "The row has no target.",
        "The row has no source.",
        "The row has no source and no target.",
    ]
    assert all(f"row {row['row']}: {row['message'][:40]}" in err for row in _report() if row["message"] in told)  # fmt: skip


def test_a_list_that_is_no_text(desk: Path, run: Any) -> None:
    Path("pairs.csv").write_text("source,target\nface.png,photo.png\n", encoding="utf-16")
    code, _, err = run("batch", "pairs.csv", "--out", "made")
    assert code == 2 and err == "facefusion: The list pairs.csv is not a CSV file in UTF-8.\n"


def test_one_face_into_several_targets(desk: Path, run: Any) -> None:
    code, out, _ = run(
        "batch", "photo.png", "wall.png", "photo.png", "--face", "face.png", "--out", "made"
    )
    assert (code, out) == (2, "2 of 3 pairs fused into made, 1 failed\n")
    assert _results() == ["0001-face-photo.png", "0003-face-photo.png"]
    assert [row["status"] for row in _report()] == ["done", "failed", "done"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_in_a_folder_does_not_hold_it_up(desk: Path, run: Any) -> None:
    Path("album").mkdir()
    os.mkfifo("album/pipe.jpg")
    Path("album/folder.png").mkdir()
    os.link("photo.png", "album/photo.png")
    code, _, _ = run("batch", "album", "--face", "face.png", "--out", "made")
    assert code == 0 and len(_results()) == 1


def test_one_face_into_a_folder(desk: Path, run: Any, pipe: FusionPipeline) -> None:
    Path("photos/deeper").mkdir(parents=True)
    for name in ("b.png", "a.PNG", ".hidden.png", "deeper/c.png"):
        Path("photos", name).write_bytes(Path("photo.png").read_bytes())
    Path("photos/c.jpg").symlink_to("../photo.png")
    Path("photos/notes.txt").write_text("no picture")
    code, out, _ = run("batch", "photos", "--face", "face.png", "--face", "face.png", "--out", "made")  # fmt: skip
    assert (code, out) == (0, "3 of 3 pairs fused into made, 0 failed\n")
    assert _results() == ["0001-face-a.png", "0002-face-b.png", "0003-face-c.png"]
    assert run("fuse", "face.png", "face.png", "photo.png", "-o", "out.png")[0] == 0
    made, alone = (np.asarray(Image.open(name)) for name in ("made/0002-face-b.png", "out.png"))
    np.testing.assert_array_equal(made, alone)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["photo.png", "wall.png"], "Several targets need the photo of a face: name it with --face."),
        (["photo.png", *["--face", "face.png"] * 4], "At most 3 face photos can be given, not 4."),
        (["empty", "--face", "face.png"], "The folder empty holds no photos."),
        ([".", "--face", "face.png", "--out", "."], "The results must go to another directory than"),
        (["photo.png", "--face", "none.png"], "There is no file none.png."),
        (["photo.png", "--face", "notes.txt"], "The face photo could not be read as a picture."),
        (["empty"], "The list empty cannot be read: Is a directory."),
    ],
)  # fmt: skip
def test_a_batch_that_cannot_begin(desk: Path, run: Any, words: list[str], sentence: str) -> None:
    Path("empty").mkdir()
    before = sorted(os.listdir())
    code, out, err = run("batch", "--out", "made", *words)
    assert (code, out) == (2, "") and sentence in err and err.count("\n") == 1
    assert sorted(os.listdir()) == before


def test_the_report_says_what_became_of_each(desk: Path, run: Any) -> None:
    _list("face.png,photo.png", "face.png,wall.png")
    assert run("batch", "pairs.csv", "--out", "made", "--tier", "fast")[0] == 2
    assert Path("made", NAME).read_bytes().startswith(b"\xef\xbb\xbfrow,source,target,")
    done, failed = _report()
    assert tuple(done) == COLUMNS
    assert (done["row"], done["status"], done["tier"]) == ("1", "done", "fast")
    assert done["source"] == str(desk / "face.png") and done["target"] == str(desk / "photo.png")
    assert (desk / "made" / done["result"]).is_file()
    assert float(done["identity_similarity"]) == pytest.approx(1, abs=0.01)
    assert float(done["seconds"]) > 0 and "tier=fast" in done["options"]
    assert failed["message"].startswith("The target photo shows no face") and not failed["result"]


class _Counting:
    """Counts the fusions of a pipeline, and interrupts the one after `most`."""

    def __init__(self, pipe: FusionPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls, self.most = 0, 1000
        self.tiers = pipe.tiers

        def call(*photos: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls > self.most:
                raise KeyboardInterrupt
            return pipe(*photos, **options)

        self.run = call
        monkeypatch.setattr(FusionPipeline, "from_pretrained", lambda weights=None, **_: self)

    def __call__(self, *photos: Any, **options: Any) -> Any:
        return self.run(*photos, **options)


@pytest.fixture
def counting(desk: Path, pipe: FusionPipeline, monkeypatch: pytest.MonkeyPatch) -> _Counting:
    _list(*["face.png,photo.png"] * 2, "photo.png,photo.png", "none.png,photo.png")
    return _Counting(pipe, monkeypatch)


def test_an_interrupted_batch_is_resumed(counting: _Counting, run: Any) -> None:
    counting.most = 2
    assert run("batch", "pairs.csv", "--out", "made")[0] == 130
    assert [row["row"] for row in _report()] == ["1", "2"]
    counting.calls, counting.most = 0, 1000
    first = Path("made/0001-face-photo.png").stat().st_mtime_ns
    code, out, _ = run("batch", "pairs.csv", "--out", "made", "--resume")
    assert code == 2 and counting.calls == 1
    # Rows 1 and 2 are the same pair, of which the last result counts.
    assert out == "1 of 4 pairs fused into made, 2 were there, 1 failed\n"
    assert Path("made/0001-face-photo.png").stat().st_mtime_ns == first
    assert sorted(row["row"] for row in _report()) == ["1", "2", "3", "4"]
    assert run("batch", "pairs.csv", "--out", "made", "--resume")[0] == 2
    assert counting.calls == 1 and len(_report()) == 4


def test_what_has_changed_is_made_again(counting: _Counting, run: Any) -> None:
    def calls(*options: str) -> int:
        counting.calls = 0
        run("batch", "pairs.csv", "--out", "made", *options)
        return counting.calls

    assert calls() == 3
    assert calls("--resume") == 0
    assert calls("--resume", "--likeness", "0.9") == 3
    assert calls("--resume", "--likeness", "0.9") == 0
    os.utime("face.png", (time.time() + 60, time.time() + 60))
    assert calls("--resume", "--likeness", "0.9") == 2
    os.utime("face.png", (0, 0))
    assert calls("--resume", "--likeness", "0.9") == 0
    Path("made", _report()[2]["result"]).unlink()
    assert calls("--resume", "--likeness", "0.9") == 1
    Path("made", NAME).unlink()
    assert calls("--resume", "--likeness", "0.9") == 3
    assert calls() == 3


def test_a_list_that_grew_overwrites_no_result(desk: Path, run: Any) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "x.png").write_bytes(Path("photo.png").read_bytes())
    _list("face.png,a/x.png")
    assert run("batch", "pairs.csv", "--out", "made")[0] == 0
    before = Path("made/0001-face-x.png").stat().st_mtime_ns
    _list("face.png,b/x.png", "face.png,a/x.png")
    assert run("batch", "pairs.csv", "--out", "made", "--resume")[0] == 0
    assert _results() == ["0001-face-x-2.png", "0001-face-x.png"]
    assert Path("made/0001-face-x.png").stat().st_mtime_ns == before
    found = {row["target"]: row["result"] for row in _report()}
    assert found == {
        str(desk / "a/x.png"): "0001-face-x.png",
        str(desk / "b/x.png"): "0001-face-x-2.png",
    }


def test_a_damaged_report_is_no_obstacle(desk: Path, run: Any) -> None:
    _list("face.png,photo.png")
    assert run("batch", "pairs.csv", "--out", "made")[0] == 0
    whole = Path("made", NAME).read_bytes()
    for damaged in (whole[:-9], b"", b"\xff\xfe\0\0", b'"', b"row,source\n1,2\n"):
        Path("made", NAME).write_bytes(damaged)
        assert run("batch", "pairs.csv", "--out", "made", "--resume")[0] == 0
        assert len(_report()) == 1 and _results() == ["0001-face-photo.png"]


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX systems only")
def test_names_that_are_no_utf_8_are_recognised(counting: _Counting, run: Any) -> None:
    face, folder = Path("face.png"), Path("photos")
    folder.mkdir()
    for name in (b"\xd5\xd5\xc6\xac.png", b"\xe9t\xe9.png", b"plain\\udce9.png"):
        Path("photos", os.fsdecode(name)).write_bytes(Path("photo.png").read_bytes())
    calls = ["batch", "photos", "--face", str(face), "--out", "made"]
    assert run(*calls)[0] == 0 and counting.calls == 3
    made = {name: Path("made", name).stat().st_mtime_ns for name in _results()}
    code, out, _ = run(*calls, "--resume")
    assert code == 0 and counting.calls == 3 and len(made) == 3
    assert out == "0 of 3 pairs fused into made, 3 were there, 0 failed\n"
    Path("made", next(iter(made))).unlink()
    assert run(*calls, "--resume")[0] == 0 and counting.calls == 4
    assert _results() == list(made)
