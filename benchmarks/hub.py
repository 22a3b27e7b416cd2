"""Seconds from the start of a process to its first result, by what the Hub does: `python -m
benchmarks.hub`.

The Hub is the server of the tests, on the loopback: what is measured is what the product adds to a
start, not anybody's network. Every case is a process of its own with a cache of its own; `over
embedded` is what it costs beyond the embedded weights, and without a network that must stay below 1
second.
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
from tests.hub_server import Fault, HubServer, serve_hub

REPO = "someone/faces"
CODE = """
import json, sys, numpy as np
from facefusion import FusionPipeline
pipe = FusionPipeline.from_pretrained()
with np.load(sys.argv[1]) as file:
    pipe(file["source"], file["target"], tier="fast")
print(json.dumps(pipe.notice))
"""
FAULTS = {
    "first fetch": Fault(), "cached": Fault(), "cut in the middle": Fault(cut=1_000_000), "wrong hash": Fault(spoil=True),
    "401": Fault(401, "repo"), "404": Fault(404, "revision"), "429": Fault(429), "500": Fault(500),
    "hang": Fault(hang=True), "stops half-way, limit 5 s": Fault(stall=True),
}  # fmt: skip


def repository() -> dict[str, bytes]:
    """The embedded weights with other words in each file, so that every one has to be fetched."""
    manifest = json.loads((EMBEDDED_WEIGHTS / "manifest.json").read_text(encoding="utf-8"))
    files = {}
    for entry in manifest["networks"].values():
        model = onnx.load(str(EMBEDDED_WEIGHTS / entry["file"]))
        model.doc_string = "another"
        files[entry["file"]] = content = model.SerializeToString()
        entry["sha256"] = hashlib.sha256(content).hexdigest()
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def start(pair: Path, **variables: str) -> tuple[float, str]:
    """Seconds to the first result of a process with these variables, and which weights it ran on."""
    hidden = {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(pair)],
        env={**os.environ, **hidden, **variables}, cwd=EMBEDDED_WEIGHTS.parent, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, check=True,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    notice = json.loads(done.stdout.splitlines()[-1])
    return seconds, notice.split("could not be used: ")[-1].partition(". The")[0] if notice else ""


def cases(
    server: HubServer, pair: Path, folder: Path, runs: int
) -> Iterator[tuple[str, float, str]]:
    """Name, median seconds, and why the embedded weights served, of each case."""
    revision = server.add(REPO, repository())
    asked = {hub.REPO_VARIABLE: REPO, hub.REVISION_VARIABLE: revision, "HF_ENDPOINT": server.url}
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name in ("embedded", *FAULTS, "no network"):
            seconds, why = [], ""
            for run in range(runs):
                home = folder / ("first fetch" if name == "cached" else name) / str(run)
                server.fault = FAULTS.get(name, Fault())
                server.cut_already.clear()
                variables = {**asked, "HF_HOME": str(home)} if name != "embedded" else {}
                if name == "no network":
                    variables["HF_ENDPOINT"] = nobody
                if server.fault.stall:
                    variables[hub.SECONDS_VARIABLE] = "5"
                took, why = start(pair, **variables)
                seconds.append(took)
            yield name, statistics.median(seconds), why


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
    named = describe_machine()
    print(f"{named['cpu']}, {named['cores']} cores, load {named['load']}; median of {runs}\n")
    print(
        "| the Hub | seconds to the first result | over embedded | why the embedded weights served |\n|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as directory, serve_hub() as server:
        pair = Path(directory, "pair.npz")
        source, target = photos()[1][0]
        np.savez(pair, source=source, target=target)
        start(pair)  # fills the disk's cache
        base = None
        for name, seconds, why in cases(server, pair, Path(directory), runs):
            base = seconds if base is None else base
            print(f"| {name} | {seconds:.2f} | {seconds - base:+.2f} | {why} |", flush=True)


if __name__ == "__main__":
    main()
