"""Sends damaged photos through the server's door and the command line's, and counts what happens.

`make fuzz`, or `python -m benchmarks.fuzz [--files N] [--seconds S] [--seed N] [--out FILE]`. Every
file must be answered with faces or with a sentence, within 5 seconds, and the server must live.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from tqdm import tqdm

from benchmarks.hostile import face
from benchmarks.mutations import mutated
from benchmarks.server import ROOT, Server, serving
from benchmarks.visitors import Answer, Visitor, file_data
from facefusion.machine.cpu import describe_machine
from facefusion.words import say

#: Seconds within which a file must be answered, and megabytes by which the server may grow.
LIMIT_SECONDS: Final = 5.0
LIMIT_MB: Final = 1000.0
#: Files that one process of the command line reads.
AT_ONCE: Final = 50
#: Words that tell of a fault of ours.
FAULTS: Final = ("Traceback", "Internal Server Error")
#: Reads the files that stdin names as the command line does, and writes what it says of each.
READER: Final = """
import json, sys, time
from pathlib import Path
from facefusion.cli.files import CommandError, open_input
from facefusion.errors import FusionError
for line in sys.stdin:
    begin = time.perf_counter()
    try:
        open_input(Path(line.strip()), "target")
        said = "read"
    except (CommandError, FusionError):
        said = "refused"
    except Exception as error:
        said = f"fault: {type(error).__name__}: {error}"
    print(json.dumps([said, time.perf_counter() - begin]), flush=True)
"""


@dataclass
class Tally:
    """What happened to the files at one door.

    Attributes:
        counts: files by outcome: "read", "refused", "fault", "late", "lost".
        faults: what was wrong, with the file's format and damage.
        slowest: seconds of the slowest answer.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def add(self, name: str, outcome: str, seconds: float) -> None:
        """Counts a file; an outcome other than "read" and "refused" is a fault."""
        self.slowest = max(self.slowest, seconds)
        if outcome in ("read", "refused") and seconds > LIMIT_SECONDS:
            outcome = f"late: {seconds:.1f} s"
        self.counts[outcome.partition(":")[0]] += 1
        if outcome not in ("read", "refused"):
            self.faults.append(f"{name}: {outcome}")


def outcome_of(answer: Answer) -> str:
    """Judges an answer of the server."""
    if not answer.refused:
        return "read"
    sentence = answer.sentence
    if not sentence or sentence == say("error.unexpected") or any(w in sentence for w in FAULTS):
        return f"fault: {answer.status} {sentence or answer.body[:100]!r}"
    return "refused"


def through_server(
    server: Server, files: list[tuple[str, bytes]], more: Callable[[], bool]
) -> Tally:
    """Uploads each file and asks `/detect` about it, from addresses of their own."""
    tally = Tally()
    for i, (name, data) in enumerate(tqdm(files, desc="server", unit="file")):
        if not more():
            break
        visitor = Visitor(server.port, f"127.{20 + i // 60_000}.{i // 250 % 240 + 1}.{i % 250 + 1}")
        begin = time.perf_counter()
        try:
            sent = visitor.send(data)
            answer = sent if sent.refused else visitor.call("detect", [file_data(sent.data[0])])
            outcome = outcome_of(answer)
        except OSError as error:
            outcome = f"lost: {error}"
        tally.add(name, outcome, time.perf_counter() - begin)
    return tally


def through_command_line(files: list[tuple[str, bytes]], more: Callable[[], bool]) -> Tally:
    """Reads the files as the command line does, `AT_ONCE` in a process."""
    tally = Tally()
    for first in tqdm(range(0, len(files), AT_ONCE), desc="command line", unit="process"):
        if not more():
            break
        _read_in_one_process(files[first : first + AT_ONCE], tally)
    return tally


def _read_in_one_process(files: list[tuple[str, bytes]], tally: Tally) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{i}.jpg") for i in range(len(files))]
        for path, (_, data) in zip(paths, files, strict=True):
            path.write_bytes(data)
        command = [sys.executable, "-W", "ignore", "-c", READER]
        names = "\n".join(map(str, paths))
        try:
            done = subprocess.run(
                command, input=names, capture_output=True, text=True, cwd=ROOT, timeout=600
            )
        except subprocess.TimeoutExpired:
            tally.add(files[0][0], "lost: a process hung", 600.0)
            return
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for (name, _), (said, seconds) in zip(files, answers, strict=False):
        tally.add(name, said, seconds)
    if len(answers) < len(files):
        tally.add(files[len(answers)][0], f"lost: the process ended with {done.returncode}", 0.0)


def run(count: int, seconds: float, seed: int) -> tuple[str, bool]:
    """Makes the files, sends them, and reports.

    Returns:
        The report in Markdown, and whether nothing was wrong.
    """
    rng, end = np.random.default_rng(seed), time.monotonic() + seconds
    files = [mutated(rng) for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        visitor = Visitor(server.port, "127.9.0.1")
        visitor.call("detect", [visitor.upload(face())])
        before = server.memory()
        doors = {"server": through_server(server, files, lambda: time.monotonic() < end)}
        growth, alive = server.memory() - before, server.alive
        faults = sum(server.log.count(word) for word in FAULTS)
    doors["command line"] = through_command_line(files, lambda: time.monotonic() < end)
    wrong = [fault for tally in doors.values() for fault in tally.faults]
    rows = [
        f"| {door} | {sum(tally.counts.values())} | {tally.counts['read']} "
        f"| {tally.counts['refused']} | {len(tally.faults)} | {tally.slowest:.1f} |"
        for door, tally in doors.items()
    ]
    machine = describe_machine()
    lines = [
        "# Damaged files", "",
        f"`python -m benchmarks.fuzz --files {count} --seed {seed}`", "",
        f"{machine['cpu']}, {machine['cores']} cores. Ten formats, nine kinds of damage, one or two to a file.", "",
        "| door | files | read, and faces found by the server | refused with a sentence | wrong | slowest, s |",
        "|---|---|---|---|---|---|", *rows, "",
        f"The server {'lives' if alive else 'DIED'}, grew by {growth:.0f} MB, and logged {faults} tracebacks.",
        *([""] if wrong else []), *(f"- {fault}" for fault in wrong[:40]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n", not wrong and alive and not faults and growth < LIMIT_MB


def main() -> int:
    """Runs the command; the exit code is 1 if something was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1500.0, help="the longest time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    report, right = run(args.files, args.seconds, args.seed)
    print(report)
    if args.out:
        args.out.write_text(report)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
