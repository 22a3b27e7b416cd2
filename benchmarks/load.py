"""Many visitors at once, through the real server. `python -m benchmarks.load [--visitors
1,2,4,8,16] [--each 10]`

Starts `app.py`, lets so many clients at once ask for one fusion after another through the page's
API, and prints for each
number of visitors: fusions a second, p50 and p95 of the time that one waits, errors, what tiers the
automatic choice gave, and the server's memory after it. With `--long N` one visitor then fuses N
more times, and the memory is printed on the way.
"""

from __future__ import annotations

from facefusion.machine import telemetry as telemetry  # isort: skip  # before the packages that it silences

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from benchmarks.processes import memory_mb
from facefusion.cli.bench import photos
from facefusion.machine.cpu import describe_machine

ROOT = Path(__file__).resolve().parent.parent
STARTUP_SECONDS = 60
#: Fusions between two looks at the memory.
STEP = 50


@dataclass
class Visits:
    """What visitors met: seconds of each answer, errors by name, tiers by name."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)


@contextmanager
def serving() -> Iterator[tuple[str, int, float]]:
    """A server of its own: its address, process id, and the seconds until it answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "FORWARDED_ALLOW_IPS": "127.0.0.1"},  # each visitor has an address
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.perf_counter() - begin > STARTUP_SECONDS:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)
        yield url, process.pid, time.perf_counter() - begin
    finally:
        process.terminate()
        process.wait(30)


def visit(
    url: str, files: list[Any], tier: str, count: int, downloads: Path, number: int = 0
) -> Visits:
    """One visitor, of whom the address has a `number`, who fuses `count` times in a row."""
    found = Visits()
    address = f"10.0.{number // 256}.{number % 256}"
    headers = {"X-Forwarded-For": address}
    client = Client(url, verbose=False, download_files=downloads, headers=headers)
    for _ in range(count):
        begin = time.perf_counter()
        try:
            answer = client.predict(*files, tier, i_have_consent=True, api_name="/fuse")
        except Exception as error:  # an error is a finding
            found.errors[type(error).__name__] += 1
            continue
        found.seconds.append(time.perf_counter() - begin)
        found.tiers.update(
            part["tier"] for part in answer if isinstance(part, dict) and "tier" in part
        )
    return found


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
    named = describe_machine()
    print(
        f"{named['cpu']}, {named['cores']} cores, load {named['load']}, {os.cpu_count()} seen\n",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name, serving() as (url, pid, started):
        files = []
        for role, photo in zip(("face", "photo"), photos()[1][0], strict=True):
            Image.fromarray(photo).save(path := Path(name, f"{role}.png"))
            files.append(handle_file(path))
        downloads = Path(name, "downloads")
        begin = time.perf_counter()
        visit(url, files, args.tier, 1, downloads)
        first = time.perf_counter() - begin
        print(
            f"The server answers {started:.1f} s after its start; the first result takes {first:.1f} s more.\n"
        )
        print(
            "| visitors | fusions a second | p50, s | p95, s | errors | tiers | memory, MB |\n|---|---|---|---|---|---|---|"
        )
        for visitors in map(int, args.visitors.split(",")):
            begin = time.perf_counter()
            with ThreadPoolExecutor(visitors) as pool:
                jobs = [
                    pool.submit(visit, url, files, args.tier, args.each, downloads, number)
                    for number in range(visitors)
                ]
                every = [job.result() for job in jobs]
            took = time.perf_counter() - begin
            seconds = [value for each in every for value in each.seconds]
            errors, tiers = (
                sum((getattr(e, key) for e in every), Counter()) for key in ("errors", "tiers")
            )
            p50, p95 = np.percentile(seconds, [50, 95]) if seconds else (np.nan, np.nan)
            shown = ", ".join(f"{tier} {count}" for tier, count in sorted(tiers.items()))
            told = ", ".join(f"{error} {count}" for error, count in errors.items()) or "0"
            rate, memory = len(seconds) / took, memory_mb(pid)["now"]
            print(
                f"| {visitors} | {rate:.2f} | {p50:.2f} | {p95:.2f} | {told} | {shown} | {memory:.0f} |",
                flush=True,
            )
        if args.long:
            print("\n| fusions | errors | memory, MB |\n|---|---|---|")
            for done in range(0, args.long, STEP):
                errors = visit(
                    url, files, args.tier, min(STEP, args.long - done), downloads, 256 + done
                ).errors.total()
                print(
                    f"| {min(done + STEP, args.long)} | {errors} | {memory_mb(pid)['now']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
