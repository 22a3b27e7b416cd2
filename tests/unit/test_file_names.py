"""Files that the command line is given: long names, links, modes, pipes, and names that cannot be
printed.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion.cli import files
from facefusion.cli.pairs import NAME_BYTES, Pair, shortened

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links, modes and pipes of POSIX")
#: As long as a phone's gallery writes them: 150 bytes and more in UTF-8.
LONG = (
    "微信图片_去年夏天在海边和全家人一起拍的合影里面我自己的那一张正面照片高清原图无滤镜版本最终稿"
)


def test_a_long_name_is_shortened_between_two_letters() -> None:
    assert len(LONG.encode()) > 2 * NAME_BYTES
    short = shortened(LONG)
    assert LONG.startswith(short) and NAME_BYTES - 3 < len(short.encode()) <= NAME_BYTES
    assert shortened("face") == "face"
    name = Pair(1234, (Path(f"{LONG}.jpg"),), Path(f"{LONG}.jpg")).result_name(".webp")
    assert len(name.encode()) <= 143


def test_a_batch_of_long_names(desk: Path, run: Any) -> None:
    Path("face.png").rename(f"{LONG}1.png")
    Path("photo.png").rename(f"{LONG}2.png")
    Path("pairs.csv").write_text(f"source,target\n{LONG}1.png,{LONG}2.png\n", encoding="utf-8")
    code, out, _ = run("batch", "pairs.csv", "--out", "made")
    assert (code, out) == (0, "1 of 1 pairs fused into made, 0 failed\n")
    assert [path.suffix for path in Path("made").glob("0001-微信图片*")] == [".png"]


def test_the_longest_name_that_a_file_may_have(desk: Path, run: Any) -> None:
    name = "n" * 251 + ".png"
    assert run("fuse", "face.png", "photo.png", "-o", name)[0] == 0
    assert Path(name).is_file()


@pytest.mark.parametrize(
    "words",
    [
        ["face.png", "photo.png", "-o", "n" * 300 + ".png"],
        ["n" * 300 + ".png", "photo.png", "-o", "out.png"],
        ["face.png", "n" * 300 + ".png", "-o", "out.png"],
        ["face.png", "photo.png/photo.png", "-o", "out.png"],
        ["face.png", ".", "-o", "out.png"],
        ["face.png", "nu\0ll.png", "-o", "out.png"],
        ["face.png", "photo.png", "-o", "loop.png"],
        ["loop.png", "photo.png", "-o", "out.png"],
        ["face.png", "photo.png", "-o", "pipe.png"],
    ],
)
def test_a_path_that_is_none_is_told_in_one_sentence(
    desk: Path, run: Any, words: list[str]
) -> None:
    Path("loop.png").symlink_to("loop.png")
    os.mkfifo("pipe.png")
    before = sorted(os.listdir())
    code, out, err = run("fuse", *words)
    assert (code, out) == (2, "") and err.startswith("facefusion: ")
    assert err.count("\n") == 1 and err.endswith(".\n") and "Errno" not in err
    assert sorted(os.listdir()) == before


def test_links_are_followed(desk: Path, run: Any) -> None:
    Path("away").mkdir()
    Path("photo.png").rename("away/photo.png")
    Path("photo.png").symlink_to("away/photo.png")
    Path("out.png").symlink_to("away/out.png")  # nothing is there yet
    for _ in range(2):
        assert run("fuse", "face.png", "photo.png", "-o", "out.png")[0] == 0
        assert Path("out.png").is_symlink() and Path("away/out.png").is_file()
        assert not Path("away/out.png").is_symlink()
    assert sorted(os.listdir("away")) == ["out.png", "photo.png"]


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_the_mode_of_a_replaced_file_is_kept(desk: Path, run: Any, mode: int) -> None:
    Path("out.png").write_bytes(b"before")
    Path("out.png").chmod(mode)
    assert run("fuse", "face.png", "photo.png", "-o", "out.png")[0] == 0
    assert stat.S_IMODE(Path("out.png").stat().st_mode) == mode
    assert Path("out.png").read_bytes() != b"before"


def test_a_new_file_has_the_mode_that_the_user_wants(desk: Path, run: Any) -> None:
    before = os.umask(0o027)
    try:
        assert run("fuse", "face.png", "photo.png", "-o", "out.png")[0] == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("out.png").stat().st_mode) == 0o640


class _Stream(io.TextIOWrapper):
    """Standard output of a terminal that knows a few letters."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_an_output_without_the_letters_of_a_name(
    desk: Path, run: Any, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    out = _Stream(encoding)
    name = "照片\udcff.png"  # a byte that is no letter, as Python holds it
    Path("photo.png").rename(name)
    monkeypatch.setattr(sys, "stdout", out)
    assert run("fuse", "face.png", name, "-o", f"out-{name}")[0] == 0
    said = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert said.startswith("out-" + ("照片" if encoding == "utf-8" else r"\u7167\u7247"))
    assert r"\udcff.png: identity similarity" in said and Path(f"out-{name}").is_file()


def _piped(file: str) -> str:
    """Returns the path of a pipe into which the file is written once, as `<(cat FILE)`."""
    out, into = os.pipe()
    data = Path(file).read_bytes()

    def write() -> None:
        with os.fdopen(into, "wb") as pipe:
            pipe.write(data)

    threading.Thread(target=write, daemon=True).start()
    return f"/dev/fd/{out}"


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd")
def test_process_substitution(desk: Path, run: Any) -> None:
    profile = Image.open("photo.png").convert("RGBA")  # its file is needed again for the result
    profile.putalpha(200)
    profile.save("photo.png")
    assert run("fuse", "face.png", "photo.png", "-o", "out.png")[0] == 0
    assert run("fuse", _piped("face.png"), _piped("photo.png"), "-o", "piped.png")[0] == 0
    with Image.open("piped.png") as piped, Image.open("out.png") as made:
        assert piped.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(piped), np.asarray(made))
    Path("pairs.csv").write_text("source,target\nface.png,photo.png\n")
    code, out, _ = run("batch", _piped("pairs.csv"), "--out", "made")
    assert (code, out) == (0, "1 of 1 pairs fused into made, 0 failed\n")


def test_a_file_without_end_is_refused(
    desk: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1 << 20)
    code, _, err = run("fuse", "/dev/zero", "photo.png", "-o", "out.png")
    assert (code, err) == (2, "facefusion: The file /dev/zero is larger than 1 MB.\n")


def test_a_reader_that_has_left_is_no_fault(
    desk: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, into = os.pipe()
    os.close(out)
    monkeypatch.setattr(sys, "stdout", os.fdopen(into, "w"))
    code, _, err = run("fuse", "face.png", "photo.png", "-o", "out.png")
    sys.stdout.close()  # writes to nowhere
    assert (code, err) == (2, "") and Path("out.png").is_file()
