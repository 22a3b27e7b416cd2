"""Attacks whose effect is a number. `python -m benchmarks.attacks`

Starts `app.py` inside limits for each group of attacks and prints the effect of each: megabytes
above rest, seconds, answers, files that stay. The environment variable FACEFUSION_ATTACKED names
another checkout to attack, to compare; `docs/security.md` has both.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.hostile import BOMBS, face
from benchmarks.processes import PeakMemory
from benchmarks.server import Server, serving
from benchmarks.visitors import API, Visitor, fuse_arguments

#: Smallest file that holds a photo, in bytes.
PHOTO_BYTES: Final = 1001
#: Side in pixels of the target of a fusion that takes long.
LARGE_SIDE: Final = 2400
_addresses: Final[Iterator[str]] = (f"127.{a}.0.{b}" for a in range(50, 60) for b in range(1, 250))


def new_visitor(server: Server, timeout: float = 60) -> Visitor:
    """Returns a visitor with an address that was not used before."""
    return Visitor(server.port, next(_addresses), timeout)


def attack_decoders(server: Server) -> None:
    """Sends each bomb alone."""
    visitor = new_visitor(server)
    photo = visitor.upload(face())
    for _ in range(2):
        visitor.fuse(photo, photo, "best")
    rest = server.memory()
    for name, make in BOMBS.items():
        data = make()
        visitor = new_visitor(server)
        begin = time.monotonic()
        with PeakMemory(server.memory) as peak, suppress(OSError):
            visitor.call("detect", [visitor.upload(data)])
        seconds = time.monotonic() - begin
        left = server.settled_memory(rest + 20, 3) - rest
        print_row(
            f"{name} ({len(data):,} bytes)",
            f"{seconds:.1f} s, {peak.highest - rest:.0f} MB at most, {left:.0f} MB stay",
        )


def attack_files(server: Server) -> None:
    """Asks for files that are not the visitor's."""
    visitor = new_visitor(server)
    photo = visitor.upload(face())
    path = server.folder / "outside.jpg"
    path.write_bytes(face())
    answer = visitor.fuse(photo, {"path": str(path)})
    print_row(
        "`/fuse` with the path of a photo on the disk",
        "a picture" if answer.has_result else "refused",
    )
    existing = visitor.call("detect", [{"path": str(path)}])
    missing = visitor.call("detect", [{"path": f"{path}.missing"}])
    print_row("`/detect` with it", "faces" if existing.has_result else "refused")
    print_row(
        "a file there and one not there",
        "the same answer" if existing.data == missing.data else "told apart",
    )
    before = set(server.files())
    head = b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
    answer = visitor.request(
        "POST",
        f"{API}/process_recording",
        head + face() + b"\r\n--x--\r\n",
        Content_Type="multipart/form-data; boundary=x",
    )
    added = set(server.files()) - before
    print_row("`/process_recording`", f"{answer.status}, {len(added)} files stay")


def attack_headers(server: Server) -> None:
    """Sends headers that could give a visitor's data to others."""
    visitor = new_visitor(server)
    photo = visitor.upload(face())
    path = f"{API}/file={photo['path']}"
    answer = visitor.get(path, Range="bytes=0-9", Cookie="a=cookie-of-mine")
    print_row(
        "cookie in the answer to `Range`",
        "sent back" if "cookie-of-mine" in str(answer.headers) else "no",
    )
    answer = visitor.get(
        "/config", Host="fusion.example", Origin="https://evil.example", Cookie="a=b"
    )
    print_row(
        "`Origin: https://evil.example`",
        answer.headers.get("access-control-allow-origin", "not answered"),
    )
    visitor.get(f"{API}/info", Host="evil.example")
    answer = new_visitor(server).get(f"{API}/info")
    print_row(
        "`Host: evil.example` in others' `/info`", "stays" if b"evil" in answer.body else "no"
    )


def attack_queue(server: Server) -> None:
    """Sends requests that hold others up."""
    body = b'{"data": [' + b'{"a":[1,2]},' * 1_333_333 + b"0]}"
    waits = [0.0]
    done = threading.Event()

    def visit() -> None:
        visitor = new_visitor(server, timeout=120)
        while not done.is_set():
            begin = time.monotonic()
            visitor.get("/config")
            waits.append(time.monotonic() - begin)

    thread = threading.Thread(target=visit)
    thread.start()
    answer = new_visitor(server, timeout=120).post(f"{API}/call/detect", body)
    done.set()
    thread.join()
    print_row("16 MB of JSON", f"{answer.status}; others wait {max(waits):.1f} s")
    greedy = new_visitor(server)
    arguments = fuse_arguments(greedy.upload(face()), greedy.upload(face(LARGE_SIDE)))
    submitted = [greedy.submit("fuse", arguments) for _ in range(44)]
    taken = sum(not answer.refused for answer in submitted)
    print_row("44 fusions of one visitor", f"{taken} are taken")
    late = new_visitor(server)
    begin = time.monotonic()
    photo = late.upload(face())
    verb = "waits" if late.fuse(photo, photo).has_result else "is refused after"
    print_row("another visitor then", f"{verb} {time.monotonic() - begin:.1f} s")
    answer = new_visitor(server).send(*[b"x"] * 1000)
    print_row("an upload of 1,000 files", str(answer.status))


def end_by(signal_name: str) -> Callable[[Server], None]:
    """Returns an attack that ends the server while six fusions run."""

    def end(server: Server) -> None:
        visitors = [new_visitor(server) for _ in range(3)]
        photos = [(each.upload(face()), each.upload(face(LARGE_SIDE))) for each in visitors]
        with ThreadPoolExecutor(6) as pool:
            for i in range(6):
                pool.submit(visitors[i % 3].fuse, *photos[i % 3], "best")
            time.sleep(1)
            code = server.end(signal.Signals[signal_name])
        left = len(server.files(PHOTO_BYTES))
        print_row(f"{signal_name} while 6 fusions run", f"exit code {code}, {left} files stay")
        with serving(server.folder) as restarted:
            print_row("after the next start", f"{len(restarted.files(PHOTO_BYTES))} files stay")

    return end


def print_row(attack: str, effect: str) -> None:
    """Prints a row of the table."""
    print(f"| {attack} | {effect} |", flush=True)


#: Groups of attacks by name, each on a server of its own.
GROUPS: Final[dict[str, Callable[[Server], None]]] = {
    "files": attack_files,
    "headers": attack_headers,
    "queue": attack_queue,
    "sigterm": end_by("SIGTERM"),
    "sigkill": end_by("SIGKILL"),
    "decoders": attack_decoders,
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(GROUPS)} (default: all)")
    names = parser.parse_args().groups or list(GROUPS)
    unknown = ", ".join(name for name in names if name not in GROUPS)
    if unknown:
        parser.error(f"There is no group {unknown}.")
    print("| attack | effect |\n|---|---|")
    for name in names:
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
            GROUPS[name](server)


if __name__ == "__main__":
    main()
