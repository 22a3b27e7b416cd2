"""The directory of a running server, and what processes that were killed have left."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from facefusion.page.directory import (
    GRACE,
    LOCK,
    PREFIX,
    PrivateDirectory,
    make_private,
    sweep_dead,
)

HOLDER = """
import sys, time
from facefusion.page.directory import PrivateDirectory
with PrivateDirectory(sys.argv[1]) as path:
    (path / "face.png").write_bytes(b"face")
    print(path, flush=True)
    time.sleep(60)
"""


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process with a directory in `tmp_path`."""
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    yield process
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def _place(holder: subprocess.Popen[str]) -> Path:
    assert holder.stdout is not None
    return Path(holder.stdout.readline().strip())


def test_it_is_private_and_holds_temporary_files_and_is_deleted(tmp_path: Path) -> None:
    before = tempfile.gettempdir()
    with PrivateDirectory(tmp_path) as path:
        assert path.parent == tmp_path and path.name.startswith(PREFIX)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            assert Path(file.name).parent == path
        if os.name == "posix":
            assert _mode(path) == 0o700
    assert list(tmp_path.iterdir()) == [] and tempfile.gettempdir() == before


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such rights")
def test_what_is_made_again_is_private_too(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        inner = make_private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert _mode(inner) == _mode(inner.parent) == 0o700


def test_a_living_process_keeps_its_directory(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    place = _place(holder)
    assert sweep_dead(tmp_path) == 0
    assert (place / "face.png").exists()


def test_the_directory_of_a_killed_process_is_deleted(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    place = _place(holder)
    holder.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    holder.wait()
    assert (place / "face.png").exists()
    with PrivateDirectory(tmp_path) as path:
        assert list(tmp_path.iterdir()) == [path]


def test_a_directory_without_a_lock_is_given_time(tmp_path: Path) -> None:
    young, old = tmp_path / f"{PREFIX}young", tmp_path / f"{PREFIX}old"
    for path in (young, old):
        path.mkdir()
    long_ago = time.time() - GRACE - 60
    os.utime(old, (long_ago, long_ago))
    assert sweep_dead(tmp_path) == 1
    assert young.exists() and not old.exists()


def test_other_directories_and_links_are_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK).touch()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    assert sweep_dead(tmp_path) == 0
    assert (elsewhere / LOCK).exists()


def test_it_is_looked_at_again_where_something_still_writes(tmp_path: Path) -> None:
    done = threading.Event()

    def write(path: Path) -> None:
        for i in range(1000):
            if done.is_set():
                return
            try:
                (path / f"{i}.png").write_bytes(b"face")
            except OSError:
                return

    with PrivateDirectory(tmp_path) as path:
        thread = threading.Thread(target=write, args=(path,))
        thread.start()
    thread.join()
    done.set()
    assert list(tmp_path.iterdir()) == []
