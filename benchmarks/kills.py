"""Servers ended by signals at random moments: `python -m benchmarks.soak --kills`."""

from __future__ import annotations

import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.hostile import face
from benchmarks.server import Server, serving, start_server
from benchmarks.visitors import Visitor

#: Smallest file that holds a photo, in bytes; the server's own notes are smaller.
PHOTO_BYTES: Final = 101
#: Visitors who fuse while the server is ended.
VISITORS: Final = 3


@dataclass
class Kills:
    """Effects of one signal.

    Attributes:
        codes: how often the server ended with which exit code.
        with_photos: kills that left photos on the disk.
        photos_after_restart: files that were left once the next server had started.
        orphans: processes that outlived their server.
    """

    codes: Counter[int] = field(default_factory=Counter)
    with_photos: int = 0
    photos_after_restart: int = 0
    orphans: int = 0


def kill_servers(count: int) -> list[str]:
    """Ends servers at random moments, half of them while they start, half at their first start.

    Prints a row for each signal.

    Args:
        count: servers that are ended by each signal.

    Returns:
        A sentence for each signal after which something stayed.
    """
    rng = random.Random(0)
    print(
        "| signal | kills | exit codes | something left | after the next start | processes left |"
    )
    print("|---|---|---|---|---|---|")
    faults = []
    for each in (signal.SIGTERM, signal.SIGKILL):
        kills = Kills()
        for i in range(count):
            with tempfile.TemporaryDirectory() as name:
                _kill(Path(name), each, i, rng, kills)
        codes = ", ".join(f"{code} ({times})" for code, times in sorted(kills.codes.items()))
        cells = (codes, kills.with_photos, kills.photos_after_restart, kills.orphans)
        print(f"| {each.name} | {count} | {' | '.join(map(str, cells))} |", flush=True)
        terminated = each is signal.SIGTERM
        expected = {0, -each} if terminated else {-each}
        left = kills.photos_after_restart or kills.orphans or (terminated and kills.with_photos)
        if left or set(kills.codes) - expected:
            faults.append(f"{each.name} leaves something, or ends in another way")
    return faults


def _kill(folder: Path, with_signal: int, i: int, rng: random.Random, kills: Kills) -> None:
    """Starts a server in an empty folder, ends it, and counts what it left."""
    if i % 2:  # not the first start in this folder
        with serving(folder):
            pass
    server = start_server(folder)
    with _visited(server):
        if i % 4 < 2:  # while it starts, or soon afterwards
            time.sleep(rng.uniform(0.2, 8))
        else:  # while it fuses
            server.wait_until_up()
            time.sleep(rng.uniform(0.2, 4))
        kills.codes[server.end(with_signal)] += 1
    kills.with_photos += bool(server.files(PHOTO_BYTES))
    kills.orphans += server.orphans
    with serving(folder) as restarted:
        kills.photos_after_restart += len(restarted.files(PHOTO_BYTES))


@contextmanager
def _visited(server: Server) -> Iterator[None]:
    """Lets visitors fuse while the block runs."""
    done = threading.Event()
    threads = [threading.Thread(target=_fuse_until, args=(server, done)) for _ in range(VISITORS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _fuse_until(server: Server, done: threading.Event) -> None:
    """Fuses again and again, whether the server answers or not."""
    rng = random.Random(server.port)
    while not done.is_set():
        with suppress(Exception):  # the server starts, or ends
            visitor = Visitor(server.port, f"127.3.0.{rng.randrange(1, 250)}", timeout=5)
            photo = visitor.upload(face())
            visitor.fuse(photo, photo, "best")
        time.sleep(0.05)
