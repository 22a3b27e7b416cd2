"""Seconds from a process's start to its first result, by fault of the Hub: `python -m benchmarks.hub`.

The Hub is the server of the tests, on the loopback, so that the product's own time at a start is
measured, without a network's. Every case runs in a process with a cache of its own; `over embedded`
is the time beyond that of the embedded weights. Without a network it must stay below 1 second.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from facefusion.cli.bench import photos
from facefusion.machine.cpu import describe_machine
from facefusion.models import hub
from facefusion.models.manifest import EMBEDDED_WEIGHTS
from tests.hub_server import serve_hub
from tests.hub_state import Fault, HubServer

REPO = "someone/faces"
#: Program of a case: fuses once, and prints why the embedded weights were used, if they were.
CODE = """
import json, sys, numpy as np
from facefusion import FusionPipeline
pipe = FusionPipeline.from_pretrained()
with np.load(sys.argv[1]) as file:
    pipe(file["source"], file["target"], tier="fast")
print(json.dumps(pipe.notice))
"""
#: Faults of the Hub by the case's name.
FAULTS = {
    "first fetch": Fault(), "cached": Fault(), "cut in the middle": Fault(cut=1_000_000), "wrong hash": Fault(spoil=True),
    "401": Fault(401, "repo"), "404": Fault(404, "revision"), "429": Fault(429), "500": Fault(500),
    "hang": Fault(hang=True), "stops half-way, limit 5 s": Fault(stall=True),
}  # fmt: skip


def repository() -> dict[str, bytes]:
    """Returns the embedded weights with another comment in each ONNX file, so that it is fetched."""
    manifest = json.loads((EMBEDDED_WEIGHTS / "manifest.json").read_text(encoding="utf-8"))
    files = {}
    for entry in manifest["networks"].values():
        path = EMBEDDED_WEIGHTS / entry["file"]
        content = path.read_bytes()
        if path.suffix == ".onnx":
            model = onnx.load(str(path))
            model.doc_string = "another"
            content = model.SerializeToString()
        files[path.name] = content
        entry["sha256"] = hashlib.sha256(content).hexdigest()
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def start(pair: Path, **variables: str) -> tuple[float, str]:
    """Starts a process with these variables and fuses once.

    Returns:
        Seconds to the first result, and the reason for the embedded weights, or empty.
    """
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(pair)],
        env={**os.environ, **quiet, **variables}, cwd=EMBEDDED_WEIGHTS.parent, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, check=True,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    notice = json.loads(done.stdout.splitlines()[-1])
    return seconds, notice.split("could not be used: ")[-1].partition(". The")[0] if notice else ""


def cases(
    server: HubServer, pair: Path, folder: Path, runs: int
) -> Iterator[tuple[str, float, str]]:
    """Yields name, median seconds, and the reason for the embedded weights, of each case."""
    revision = server.add(REPO, repository())
    common = {hub.REPO_VARIABLE: REPO, hub.REVISION_VARIABLE: revision, "HF_ENDPOINT": server.url}
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        unreachable = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name in ("embedded", *FAULTS, "no network"):
            seconds = []
            reason = ""
            for run in range(runs):
                home = folder / ("first fetch" if name == "cached" else name) / str(run)
                server.fault = FAULTS.get(name, Fault())
                server.cut_already.clear()
                variables = {**common, "HF_HOME": str(home)} if name != "embedded" else {}
                if name == "no network":
                    variables["HF_ENDPOINT"] = unreachable
                if server.fault.stall:
                    variables[hub.SECONDS_VARIABLE] = "5"
                taken, reason = start(pair, **variables)
                seconds.append(taken)
            yield name, statistics.median(seconds), reason


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs",
        type=int,
        default=3,
        metavar="N",
        help="processes of each case (default: %(default)s)",
    )
    runs = parser.parse_args().runs
    here = describe_machine()
    print(f"{here['cpu']}, {here['cores']} cores, load {here['load']}; median of {runs}\n")
    print(
        "| the Hub | seconds to the first result | over embedded | why the embedded weights served |\n|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as directory, serve_hub() as server:
        pair = Path(directory, "pair.npz")
        source, target = photos()[1][0]
        np.savez(pair, source=source, target=target)
        start(pair)  # fills the disk's cache
        base = None
        for name, seconds, reason in cases(server, pair, Path(directory), runs):
            base = seconds if base is None else base
            print(f"| {name} | {seconds:.2f} | {seconds - base:+.2f} | {reason} |", flush=True)


if __name__ == "__main__":
    main()
