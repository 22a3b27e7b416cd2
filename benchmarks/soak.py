"""Honest and hostile visitors together, for minutes. `python -m benchmarks.soak [--minutes 10] | --kills`

Starts `app.py` inside limits. Eight honest visitors fuse alone for a while, then with eight hostile
ones beside them, who send bombs, cut uploads, leave in the middle, flood and forge. Each comes from
an address of their own. Prints fusions, failures, and p50 and p95 of the seconds that the honest
wait, alone and with the others; the effects of the attacks; memory at rest, at most and afterwards;
and the number of files on the disk when their time is over. That takes the minutes twice, up to ten
minutes more: files are kept as long as the visitors came.

With `--kills` servers are started and ended by SIGTERM and SIGKILL at random moments, 20 times
each, first starts included, and what is left after the next start is counted. Ends with 1 where
something is not as it should be.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from benchmarks.hostile import BOMBS, face
from benchmarks.hostile_visitors import HOSTILE, attack
from benchmarks.kills import PHOTO_BYTES, kill_servers
from benchmarks.processes import PeakMemory
from benchmarks.server import Server, serving
from benchmarks.timing import percentiles
from benchmarks.visitors import API, Visitor

#: Honest visitors at once.
HONEST: Final = 8
#: Share of the time in which the honest are alone.
ALONE: Final = 0.25
#: Seconds that an honest visitor looks at a result before the next one, least and most.
PAUSE: Final = (1.0, 3.0)
#: Largest ratio of the honest visitors' p95 with hostile ones to their p95 alone.
MAX_SLOWDOWN: Final = 2.0
#: Largest growth of the memory at rest by the visits, in megabytes.
MAX_GROWTH: Final = 100.0
#: Least seconds that the server keeps files in a soak shorter than ten minutes.
SHORT_LIFETIME: Final = 60.0
#: Side in pixels of the honest visitors' target photo.
SIDE: Final = 1280
#: Default number of servers that are ended by each signal.
KILLS: Final = 20


@dataclass
class Visits:
    """Seconds of each honest fusion, and failures by message or exception."""

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def row(self, name: str) -> str:
        """Formats a row of the table."""
        p50, p95 = percentiles(self.seconds, 50, 95)
        cells = (name, len(self.seconds), self.failures.total(), f"{p50:.2f}", f"{p95:.2f}")
        return f"| {' | '.join(map(str, cells))} |"


def visit(visitor: Visitor, until: float, visits: Visits) -> None:
    """Uploads two photos and fuses them, again and again, as a person does.

    Args:
        visitor: the person.
        until: end, in seconds of `time.monotonic`.
        visits: gets the seconds and failures.
    """
    rng = random.Random(visitor.address)
    while time.monotonic() < until:
        begin = time.perf_counter()
        try:
            source = visitor.upload(face())
            target = visitor.upload(face(SIDE))
            result = visitor.fuse(source, target, "auto")
            if result.has_result:
                picture = visitor.get(f"{API}/file={result.data[0]['path']}")
                if picture.status != 200:
                    visits.failures[f"result: {picture.status}"] += 1
                visits.seconds.append(time.perf_counter() - begin)
            else:
                visits.failures[result.sentence or str(result.status)] += 1
        except Exception as error:  # a failure is a finding
            visits.failures[f"{type(error).__name__}: {error}"] += 1
        time.sleep(rng.uniform(*PAUSE))


def visit_together(
    port: int, seconds: float, bombs: Mapping[str, bytes] | None
) -> tuple[Visits, Counter[str]]:
    """Lets the honest visit for so many seconds, and hostile ones beside them if there are bombs.

    The hostile run in a process of their own at the lowest priority: the time that their programs
    take of this machine's cores is not the server's doing.

    Returns:
        The honest visits, and the effects of the attacks.
    """
    visits = Visits()
    until = time.monotonic() + seconds
    with (
        ThreadPoolExecutor(HONEST) as pool,
        ProcessPoolExecutor(1, get_context("spawn")) as attacker,
    ):
        effects = None if bombs is None else attacker.submit(attack, port, until, bombs)
        visitors = [Visitor(port, f"127.1.0.{i + 1}") for i in range(HONEST)]
        jobs = [pool.submit(visit, visitor, until, visits) for visitor in visitors]
        for job in jobs:
            job.result()
        return visits, Counter() if effects is None else effects.result()


@dataclass(frozen=True)
class Soak:
    """Results of a soak.

    Attributes:
        alone, mixed: honest visits without and with hostile ones.
        effects: of the attacks.
        rest, highest, after: memory in megabytes at rest, at most, and afterwards.
        files: files on the disk when their time is over.
        alive: whether the server still runs.
        log: output of the server.
    """

    alone: Visits
    mixed: Visits
    effects: Counter[str]
    rest: float
    highest: float
    after: float
    files: int
    alive: bool
    log: str

    def faults(self) -> list[str]:
        """Lists what is not as it should be."""
        alone, mixed = (
            percentiles(visits.seconds or [float("inf")], 95)[0]
            for visits in (self.alone, self.mixed)
        )
        faults = {
            "the server ended": not self.alive,
            "honest fusions failed": bool(self.alone.failures or self.mixed.failures),
            f"the honest waited more than {MAX_SLOWDOWN:g} times as long": mixed
            > MAX_SLOWDOWN * alone,
            "memory stayed": self.after > self.rest + MAX_GROWTH,
            "files stayed": self.files > 0,
            "a traceback is in the log": "Traceback" in self.log,
        }
        return [fault for fault, found in faults.items() if found]

    def report(self) -> str:
        """Formats the results in Markdown."""
        lines = [
            "| visitors | fusions | failures | p50, s | p95, s |",
            "|---|---|---|---|---|",
            self.alone.row(f"{HONEST} honest"),
            self.mixed.row(f"the same, with {HOSTILE} hostile"),
            f"\nMemory: {self.rest:.0f} MB at rest, at most {self.highest:.0f}, {self.after:.0f} afterwards.",
            f"Files when their time is over: {self.files}.\n\nEffects of the attacks:\n",
            *(f"- {count} x {effect}" for effect, count in sorted(self.effects.items())),
        ]
        for failure, count in (self.alone.failures + self.mixed.failures).items():
            lines.append(f"\nA failure, {count} x: {failure}")
        return "\n".join(lines)


def soak(minutes: float) -> Soak:
    """Lets visitors come for so many minutes, and measures the server."""
    lifetime = min(600.0, max(SHORT_LIFETIME, 60 * minutes))
    bombs = {name: make() for name, make in BOMBS.items()}
    with (
        tempfile.TemporaryDirectory() as name,
        serving(Path(name), FACEFUSION_LIFETIME=str(lifetime)) as server,
    ):
        visit_together(server.port, 10, None)  # warms up
        rest = server.settled_memory(0, 3)
        with PeakMemory(server.memory) as peak:
            alone, _ = visit_together(server.port, 60 * minutes * ALONE, None)
            mixed, effects = visit_together(server.port, 60 * minutes * (1 - ALONE), bombs)
        after = server.settled_memory(rest + MAX_GROWTH)
        files = _files_after(server, lifetime)
        return Soak(
            alone, mixed, effects, rest, peak.highest, after, files, server.alive, server.log
        )


def _files_after(server: Server, lifetime: float) -> int:
    """Waits until no photo is left, at most `lifetime` seconds, and counts those that are."""
    end = time.monotonic() + lifetime
    while (left := len(server.files(PHOTO_BYTES))) and time.monotonic() < end:
        time.sleep(1)
    return left


def main() -> None:
    """Prints tables; ends with 1 where there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--kills", type=int, nargs="?", const=KILLS, default=0, metavar="N", help="N by each signal"
    )
    args = parser.parse_args()
    if args.kills:
        faults = kill_servers(args.kills)
    else:
        result = soak(args.minutes)
        print(result.report(), flush=True)
        faults = result.faults()
    if faults:
        sys.exit("Not as it should be: " + "; ".join(faults) + ".")


if __name__ == "__main__":
    main()
