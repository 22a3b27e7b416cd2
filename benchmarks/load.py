"""Many visitors at once, through the real server. `python -m benchmarks.load [--visitors
1,2,4,8,16] [--each 10]`

Starts `app.py`, lets so many clients at once ask for one fusion after another through the page's
API, and prints for each number of visitors: fusions a second, p50 and p95 of the time that one
waits, errors, the tiers of the automatic choice, and the server's memory afterwards. With `--long
N` one visitor then fuses N more times, and the memory is printed on the way.
"""

from __future__ import annotations

from facefusion.machine import telemetry as telemetry  # isort: skip  # before the packages that it silences

import argparse
import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gradio_client import Client, handle_file
from PIL import Image

from benchmarks.processes import memory_mb
from benchmarks.server import Server, ServerCommand, inherited, serving
from benchmarks.timing import percentiles
from facefusion.cli.bench import photos
from facefusion.machine.cpu import describe_machine

#: Fusions between two measurements of the memory.
STEP: Final = 50
#: First number of a visitor of the long run; the numbers below it are those of concurrent visitors.
FIRST_LATE_VISITOR: Final = 256


@dataclass
class Visits:
    """Seconds of each answer, errors by name, and tiers by name."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Visits) -> Visits:
        return Visits(
            self.seconds + other.seconds, self.errors + other.errors, self.tiers + other.tiers
        )


@dataclass(frozen=True)
class Load:
    """Fusions that are asked for.

    Attributes:
        server: the server.
        files: source and target, as the client sends them.
        tier: the tier to ask for.
        downloads: a directory for the results.
    """

    server: Server
    files: list[Any]
    tier: str
    downloads: Path

    def visit(self, count: int, number: int = 0) -> Visits:
        """Fuses `count` times in a row as the visitor with this number, which gives the address."""
        visits = Visits()
        headers = {"X-Forwarded-For": f"10.0.{number // 256}.{number % 256}"}
        client = Client(
            self.server.url, verbose=False, download_files=self.downloads, headers=headers
        )
        for _ in range(count):
            begin = time.perf_counter()
            try:
                answer = client.predict(
                    *self.files, self.tier, i_have_consent=True, api_name="/fuse"
                )
            except Exception as error:  # an error is a finding
                visits.errors[type(error).__name__] += 1
                continue
            visits.seconds.append(time.perf_counter() - begin)
            visits.tiers.update(
                part["tier"] for part in answer if isinstance(part, dict) and "tier" in part
            )
        return visits

    def memory(self) -> float:
        """Returns the resident memory of the server's own process, in megabytes."""
        return memory_mb(self.server.process.pid)["now"]

    def concurrent_row(self, visitors: int, each: int) -> str:
        """Lets visitors fuse at once, `each` times in a row, and formats a row of the table."""
        begin = time.perf_counter()
        with ThreadPoolExecutor(visitors) as pool:
            visits = sum(pool.map(self.visit, [each] * visitors, range(visitors)), Visits())
        rate = len(visits.seconds) / (time.perf_counter() - begin)
        p50, p95 = percentiles(visits.seconds, 50, 95)
        errors = ", ".join(f"{error} {count}" for error, count in visits.errors.items()) or "0"
        tiers = ", ".join(f"{tier} {count}" for tier, count in sorted(visits.tiers.items()))
        figures = f"{rate:.2f} | {p50:.2f} | {p95:.2f} | {errors} | {tiers} | {self.memory():.0f}"
        return f"| {visitors} | {figures} |"

    def print_memory(self, fusions: int) -> None:
        """Fuses so many times, and prints a table of the memory on the way."""
        print("\n| fusions | errors | memory, MB |\n|---|---|---|")
        for done in range(0, fusions, STEP):
            count = min(STEP, fusions - done)
            errors = self.visit(count, FIRST_LATE_VISITOR + done).errors.total()
            print(f"| {done + count} | {errors} | {self.memory():.0f} |", flush=True)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument(
        "--visitors", default="1,2,4,8,16", help="how many at once, one after the other"
    )
    parser.add_argument("--each", type=int, default=10, help="fusions of each visitor")
    parser.add_argument("--tier", default="auto")
    parser.add_argument(
        "--long", type=int, default=0, metavar="N", help="then N fusions, watching the memory"
    )
    args = parser.parse_args()
    here = describe_machine()
    print(
        f"{here['cpu']}, {here['cores']} cores, load {here['load']}, {os.cpu_count()} seen\n",
        flush=True,
    )
    # The header X-Forwarded-For gives each visitor an address.
    command = ServerCommand({**inherited(), "FORWARDED_ALLOW_IPS": "127.0.0.1"})
    with tempfile.TemporaryDirectory() as name, serving(Path(name), command) as server:
        files = []
        for role, photo in zip(("face", "photo"), photos()[1][0], strict=True):
            path = Path(name, f"{role}.png")
            Image.fromarray(photo).save(path)
            files.append(handle_file(path))
        load = Load(server, files, args.tier, Path(name, "downloads"))
        begin = time.perf_counter()
        load.visit(1)
        first = time.perf_counter() - begin
        print(
            f"The server answers {server.startup_seconds:.1f} s after its start;"
            f" the first result takes {first:.1f} s more.\n"
        )
        print(
            "| visitors | fusions a second | p50, s | p95, s | errors | tiers | memory, MB |\n|---|---|---|---|---|---|---|"
        )
        for visitors in map(int, args.visitors.split(",")):
            print(load.concurrent_row(visitors, args.each), flush=True)
        if args.long:
            load.print_memory(args.long)


if __name__ == "__main__":
    main()
