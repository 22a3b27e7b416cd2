"""Honest and hostile visitors together, for minutes. `python -m benchmarks.soak [--minutes 10] | --kills`

Starts `app.py` inside limits, lets eight honest visitors fuse alone for a while, and then with
eight hostile ones beside them, who send bombs, cut uploads, leave in the middle, flood and forge.
Each comes from an address of their own. Prints fusions, failures, and p50 and p95 of the seconds
that the honest wait, alone and with the others; what the hostile were answered; memory at rest, at
most and afterwards; and how many files lie on the disk when their time is over. That takes the
minutes twice, up to ten minutes more: files are kept as long as the visitors came.

With `--kills` servers are started and ended by SIGTERM and SIGKILL at random moments, 20 times
each, first starts included, and what is left after the next start is counted. Ends with 1 where
something is not as it should be.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.hostile import BOMBS, face
from benchmarks.visitors import API, HOST, Peak, Server, Visitor, named, serving, start

HONEST: Final = 8
#: Share of the time that the honest have for themselves.
ALONE: Final = 0.25
#: Seconds that an honest visitor looks at a result before the next one.
PAUSE: Final = (1.0, 3.0)
#: Seconds between two attacks of one hostile visitor.
HOSTILE_PAUSE: Final = (0.1, 0.5)
#: What the honest may have: p95 by this factor of what they have alone, and megabytes above rest
#: afterwards.
SLOWER: Final = 2.0
ABOVE_REST: Final = 100.0
#: Seconds that the server keeps files, where the soak is shorter than ten minutes: what lies there
#: then must go too.
SHORT_LIFETIME: Final = 60.0
#: Side in pixels of the honest photo.
SIDE: Final = 1280
#: Kills by each signal.
KILLS: Final = 20


@dataclass
class Tally:
    """What visitors met.

    Attributes:
        seconds: of each fusion.
        failures: by what was said, or by the exception's name.
        answers: HTTP status, or event, of what the hostile did, by kind.
    """

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)


def honest(port: int, address: str, until: float, found: Tally) -> None:
    """Uploads two photos and fuses them, again and again, as a person does."""
    visitor, chance = Visitor(port, address), random.Random(address)
    while time.monotonic() < until:
        begin = time.perf_counter()
        try:
            source, target = visitor.upload(face()), visitor.upload(face(SIDE))
            result = visitor.fuse(source, target, "auto")
            if result.made:
                picture = visitor.get(f"{API}/file={result.data[0]['path']}")
                if picture.status != 200:
                    found.failures[f"result: {picture.status}"] += 1
                found.seconds.append(time.perf_counter() - begin)
            else:
                found.failures[result.sentence or str(result.status)] += 1
        except Exception as error:  # a failure is a finding
            found.failures[f"{type(error).__name__}: {error}"] += 1
        time.sleep(chance.uniform(*PAUSE))


def _bomb(visitor: Visitor, chance: random.Random, bombs: dict[str, bytes]) -> str:
    answer = visitor.call("detect", [visitor.upload(bombs[chance.choice(sorted(bombs))])])
    return answer.event or str(answer.status)


def _two_bombs(visitor: Visitor, chance: random.Random, bombs: dict[str, bytes]) -> str:
    photos = [visitor.upload(bombs[chance.choice(sorted(bombs))]) for _ in range(2)]
    answer = visitor.fuse_on_page(photos[0], None, None, photos[1], None)
    return answer.event or str(answer.status)


def _cut(visitor: Visitor, chance: random.Random, bombs: dict[str, bytes]) -> str:
    with visitor.connected() as connection:
        connection.connect()
        head = (
            f"POST {API}/upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 20000000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            '--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        )
        connection.sock.sendall(head.encode() + bytes(chance.randrange(1, 5_000_000)))
    return "left"


def _leave(visitor: Visitor, chance: random.Random, bombs: dict[str, bytes]) -> str:
    photo = visitor.upload(face(SIDE))
    answer = visitor.order("fuse", [photo, photo, "best", [], 0.5, 1, True])
    if answer.refused:
        return str(answer.status)
    with visitor.connected() as connection:
        connection.request("GET", f"{API}/call/fuse/{answer.data['event_id']}")
        time.sleep(chance.uniform(0, 1))
    return "left"


def _flood(visitor: Visitor, chance: random.Random, bombs: dict[str, bytes]) -> str:
    paths = ("/config", f"{API}/info", f"{API}/file=/etc/passwd", "/nothing")
    statuses = [visitor.get(chance.choice(paths)).status for _ in range(100)]
    return str(max(statuses))


def _flood_queue(visitor: Visitor, chance: random.Random, bombs: dict[str, bytes]) -> str:
    photo = visitor.upload(face())
    answers = [visitor.order("fuse", [photo, photo, "best", [], 0.5, 1, True]) for _ in range(40)]
    return str(max(answer.status for answer in answers))


def _flood_disk(visitor: Visitor, chance: random.Random, bombs: dict[str, bytes]) -> str:
    return str(max(visitor.send(bytes(25_000_000)).status for _ in range(4)))


def _forge(visitor: Visitor, chance: random.Random, bombs: dict[str, bytes]) -> str:
    forged = [
        [named("/etc/passwd")],
        [{"path": "http://127.0.0.1:1/x"}],
        [chance.random()],
        [],
        [None] * 50,
        "a" * 60_000,
        [[[[[[[[[[[]]]]]]]]]]],
    ]
    answers = [visitor.call(chance.choice(("detect", "fuse")), data) for data in forged]
    answers.append(visitor.post(f"{API}/queue/join", b"[" * 1_000_000))
    answers.append(
        visitor.post(
            f"{API}/queue/join", {"fn_index": 10**9, "data": [], "session_hash": uuid.uuid4().hex}
        )
    )
    return str(max(answer.status for answer in answers))


def _slow(visitor: Visitor, chance: random.Random, bombs: dict[str, bytes]) -> str:
    with socket.create_connection((HOST, visitor.port), 20, (visitor.address, 0)) as each:
        for _ in range(30):
            each.sendall(b"GET / HTTP/1.1\r\nX: a" if _ == 0 else b"a")
            time.sleep(0.5)
    return "patient"


HOSTILE: Final[tuple[Callable[..., str], ...]] = (
    _bomb, _two_bombs, _cut, _leave, _flood, _flood_queue, _flood_disk, _forge, _slow,
)  # fmt: skip


def hostile(port: int, address: str, until: float, found: Tally, bombs: dict[str, bytes]) -> None:
    """Does one thing after the other that no visitor should."""
    visitor, chance = Visitor(port, address), random.Random(address)
    while time.monotonic() < until:
        attack = chance.choice(HOSTILE)
        name = attack.__name__.strip("_").replace("_", " ")
        try:
            found.answers[f"{name}: {attack(visitor, chance, bombs)}"] += 1
        except Exception as error:  # an upload that is refused, a socket that is closed
            found.answers[f"{name}: {type(error).__name__}"] += 1
        time.sleep(chance.uniform(*HOSTILE_PAUSE))


def together(port: int, seconds: float, bombs: dict[str, bytes] | None) -> tuple[Tally, Tally]:
    """Lets visitors come for so many seconds: the honest, and the hostile where there are bombs.

    The hostile run in a process of the lowest priority: what their own programs take of this
    machine's cores is not the server's doing.
    """
    good, until = Tally(), time.monotonic() + seconds
    with (
        ThreadPoolExecutor(HONEST) as pool,
        ProcessPoolExecutor(1, get_context("spawn")) as elsewhere,
    ):
        attacks = None if bombs is None else elsewhere.submit(all_hostile, port, until, bombs)
        jobs = [pool.submit(honest, port, f"127.1.0.{i + 1}", until, good) for i in range(HONEST)]
        for job in jobs:
            job.result()
        return good, Tally() if attacks is None else attacks.result()


def all_hostile(port: int, until: float, bombs: dict[str, bytes]) -> Tally:
    """Lets the hostile come until then."""
    os.nice(19)
    found = Tally()
    with ThreadPoolExecutor(HONEST) as pool:
        for i in range(HONEST):
            pool.submit(hostile, port, f"127.2.0.{i + 1}", until, found, bombs)
    return found


def _row(name: str, found: Tally) -> str:
    p50, p95 = np.percentile(found.seconds, [50, 95]) if found.seconds else (np.nan, np.nan)
    return f"| {name} | {len(found.seconds)} | {found.failures.total()} | {p50:.2f} | {p95:.2f} |"


def soak(minutes: float) -> list[str]:
    """Prints a table, and returns what is not as it should be."""
    lifetime = min(600.0, max(SHORT_LIFETIME, 60 * minutes))
    bombs = {name: make() for name, make in BOMBS.items()}
    with (
        tempfile.TemporaryDirectory() as name,
        serving(Path(name), FACEFUSION_LIFETIME=str(lifetime)) as server,
    ):
        together(server.port, 10, None)
        rest = server.settled_memory(0, 3)
        with Peak(server) as peak:
            alone, _ = together(server.port, 60 * minutes * ALONE, None)
            mixed, bad = together(server.port, 60 * minutes * (1 - ALONE), bombs)
        print("| visitors | fusions | failures | p50, s | p95, s |\n|---|---|---|---|---|")
        print(
            _row(f"{HONEST} honest", alone),
            _row(f"the same, with {HONEST} hostile", mixed),
            sep="\n",
            flush=True,
        )
        after, left = (
            server.settled_memory(rest + ABOVE_REST),
            _after_its_time(server, lifetime),
        )
        print(
            f"\nMemory: {rest:.0f} MB at rest, at most {peak.highest:.0f}, {after:.0f} afterwards."
        )
        print(f"Files when their time is over: {left}.\n\nWhat the hostile were answered:\n")
        print("\n".join(f"- {count} x {what}" for what, count in sorted(bad.answers.items())))
        for what, count in (alone.failures + mixed.failures).items():
            print(f"\nA failure, {count} x: {what}")
        p95 = [float(np.percentile(each.seconds or [np.inf], 95)) for each in (alone, mixed)]
        faults = {
            "the server ended": not server.alive,
            "honest fusions failed": bool(alone.failures or mixed.failures),
            f"the honest waited more than {SLOWER:g} times as long": p95[1] > SLOWER * p95[0],
            "memory stayed": after > rest + ABOVE_REST,
            "files stayed": left > 0,
            "a traceback is in the log": "Traceback" in server.log,
        }
    return [what for what, true in faults.items() if true]


def _after_its_time(server: Server, lifetime: float) -> int:
    end = time.monotonic() + lifetime
    while (left := _photos(server)) and time.monotonic() < end:
        time.sleep(1)
    return left


def _photos(server: Server) -> int:
    """Files on the disk that hold more than a note."""
    count = 0
    for name in server.files():
        with suppress(OSError):
            count += (server.temporary / name).stat().st_size > 100
    return count


def _fusing(server: Server, stopped: threading.Event) -> None:
    """Visits a server that will be killed, until it is."""
    chance = random.Random(server.port)
    while not stopped.is_set():
        with suppress(Exception):  # the server starts, or ends
            visitor = Visitor(server.port, f"127.3.0.{chance.randrange(1, 250)}", patience=5)
            photo = visitor.upload(face())
            visitor.fuse(photo, photo, "best")
        time.sleep(0.05)


def kills(count: int) -> list[str]:
    """Ends servers at random moments, half of them while they start, half at their first start.

    Prints what is left, at once and after the next start, and returns what is not as it should be.
    """
    chance = random.Random(0)
    print(
        "| signal | kills | exit codes | something left | after the next start | processes left |"
    )
    print("|---|---|---|---|---|---|")
    faults = []
    for each in (signal.SIGTERM, signal.SIGKILL):
        codes: Counter[int] = Counter()
        before = after = outlived = 0
        for i in range(count):
            with tempfile.TemporaryDirectory() as name:
                if i % 2:
                    with serving(Path(name)):
                        pass
                server = start(Path(name))
                done = threading.Event()
                visitors = [threading.Thread(target=_fusing, args=(server, done)) for _ in range(3)]
                for visitor in visitors:
                    visitor.start()
                if i % 4 < 2:  # while it starts, or soon afterwards
                    time.sleep(chance.uniform(0.2, 8))
                else:  # while it fuses
                    server.wait_until_up()
                    time.sleep(chance.uniform(0.2, 4))
                codes[server.end(each)] += 1
                done.set()
                for visitor in visitors:
                    visitor.join()
                before += _photos(server) > 0
                outlived += server.outlived
                with serving(Path(name)) as again:
                    after += _photos(again)
        shown = ", ".join(f"{code} ({times})" for code, times in sorted(codes.items()))
        print(f"| {each.name} | {count} | {shown} | {before} | {after} | {outlived} |", flush=True)
        fine = {0, -each} if each is signal.SIGTERM else {-each}
        if set(codes) - fine or after or outlived or (each is signal.SIGTERM and before):
            faults.append(f"{each.name} leaves something, or ends in another way")
    return faults


def main() -> None:
    """Prints tables; ends with 1 where there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--kills", type=int, nargs="?", const=KILLS, default=0, metavar="N", help="N by each signal"
    )
    args = parser.parse_args()
    faults = kills(args.kills) if args.kills else soak(args.minutes)
    if faults:
        sys.exit("Not as it should be: " + "; ".join(faults) + ".")


if __name__ == "__main__":
    main()
