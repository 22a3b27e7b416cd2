"""Files are deleted when they are old, and when there are too many."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from facefusion.page import files
from facefusion.page.directory import LOCK
from facefusion.page.files import LIFETIME_VARIABLE, PROMISED, Sweeper, kept_seconds
from tests.waiting import becomes_true


class Clock:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _put(path: Path, size: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_old_files_are_deleted_whoever_made_them(tmp_path: Path) -> None:
    clock = Clock()
    made = files.write(np.full((20, 30, 3), 90, np.uint8), tmp_path / "visitor", ".jpg")
    _put(tmp_path / "abc" / "upload.png")
    lock = _put(tmp_path / LOCK)
    sweeper = Sweeper(tmp_path, lifetime=570, clock=clock)
    assert sweeper.sweep() == 0 and Path(made).exists()
    clock.now += 560
    assert sweeper.sweep() == 0
    clock.now += 20
    assert sweeper.sweep() == 2
    assert list(tmp_path.iterdir()) == [lock]


def test_a_jump_of_the_wall_clock_changes_nothing(tmp_path: Path) -> None:
    clock = Clock()
    path = _put(tmp_path / "abc" / "upload.png")
    sweeper = Sweeper(tmp_path, lifetime=570, clock=clock)
    sweeper.sweep()
    for year in (-1, 1):
        moment = time.time() + year * 365 * 86400
        os.utime(path, (moment, moment))
        clock.now += 1
        assert sweeper.sweep() == 0
    clock.now += 570
    assert sweeper.sweep() == 1


def test_a_file_that_grows_is_new_again(tmp_path: Path) -> None:
    clock = Clock()
    path = _put(tmp_path / "abc" / "upload.png")
    sweeper = Sweeper(tmp_path, lifetime=570, clock=clock)
    sweeper.sweep()
    clock.now += 569
    _put(path, 8)
    assert sweeper.sweep() == 0
    clock.now += 569
    assert sweeper.sweep() == 0
    clock.now += 2
    assert sweeper.sweep() == 1


def test_a_new_empty_directory_is_left_to_be_filled(tmp_path: Path) -> None:
    clock = Clock()
    sweeper = Sweeper(tmp_path, lifetime=570, clock=clock)
    folder = files.new_folder(tmp_path / "visitor")
    sweeper.sweep()
    clock.now += 30
    sweeper.sweep()
    assert folder.exists()
    clock.now += 30
    sweeper.sweep()
    assert not folder.exists()


def test_who_has_too_much_loses_their_oldest(tmp_path: Path) -> None:
    clock = Clock()
    sweeper = Sweeper(tmp_path, lifetime=570, max_bytes=1000, max_share=100, clock=clock)
    other = _put(tmp_path / "other" / "1" / "a.png", 60)
    mine = []
    for i in range(3):
        mine.append(_put(tmp_path / "mine" / str(i) / "a.png", 50))
        sweeper.sweep()
        clock.now += 1
    assert [path.exists() for path in mine] == [False, True, True] and other.exists()


def test_room_is_made_by_whoever_has_the_most(tmp_path: Path) -> None:
    clock = Clock()
    sweeper = Sweeper(tmp_path, lifetime=570, max_bytes=200, max_share=150, clock=clock)
    other = _put(tmp_path / "other" / "1" / "a.png", 60)
    sweeper.sweep()
    clock.now += 1
    mine = [_put(tmp_path / "mine" / str(i) / "a.png", 40) for i in range(3)]
    assert sweeper.sweep(free_bytes=10) == 0
    assert sweeper.sweep(free_bytes=50) == 1
    assert sum(path.exists() for path in mine) == 2 and other.exists()
    assert sweeper.sweep(free_bytes=10_000) == 3


def test_the_clock_ticks_by_itself_and_stops(tmp_path: Path) -> None:
    sweeper = Sweeper(tmp_path, lifetime=0.0, interval=0.02)
    sweeper.start()
    path = _put(tmp_path / "a")
    assert becomes_true(lambda: not path.exists())
    sweeper.stop()
    time.sleep(0.1)
    _put(path)
    time.sleep(0.1)
    assert path.exists()


def test_the_promise_holds_with_the_time_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIFETIME_VARIABLE, raising=False)
    assert kept_seconds() + 2 * files.INTERVAL <= PROMISED
    monkeypatch.setenv(LIFETIME_VARIABLE, "20")
    assert 0 < kept_seconds() < 20
    monkeypatch.setenv(LIFETIME_VARIABLE, "100000")
    assert kept_seconds() < PROMISED


def test_what_goes_while_it_looks_is_passed_over(tmp_path: Path) -> None:
    sweeper = Sweeper(tmp_path, lifetime=570)
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            shutil.rmtree(_put(files.new_folder(tmp_path / "visitor") / "a.png").parent)

    others = [threading.Thread(target=come_and_go) for _ in range(3)]
    for other in others:
        other.start()
    try:
        for _ in range(300):
            sweeper.sweep()
    finally:
        done.set()
        for other in others:
            other.join()
