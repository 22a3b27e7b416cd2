"""Attacks whose effect is a number. `python -m benchmarks.attacks`

Starts `app.py` inside limits for each group of attacks and prints what each of them does: megabytes
above rest, seconds, answers, files that stay. The environment variable FACEFUSION_ATTACKED names
another checkout to attack, to compare; `docs/security.md` has both.
"""

from __future__ import annotations

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
from benchmarks.visitors import API, Peak, Server, Visitor, serving

_numbers: Final[Iterator[str]] = (f"127.{a}.0.{b}" for a in range(50, 60) for b in range(1, 250))


def comes(server: Server) -> Visitor:
    """A visitor from an address of their own."""
    return Visitor(server.port, next(_numbers))


def bombs(server: Server) -> None:
    """Each bomb alone."""
    visitor = comes(server)
    photo = visitor.upload(face())
    for _ in range(2):
        visitor.fuse(photo, photo, "best")
    rest = server.memory()
    for name, make in BOMBS.items():
        data, visitor, begin = make(), comes(server), time.monotonic()
        with Peak(server) as peak, suppress(OSError):
            visitor.call("detect", [visitor.upload(data)])
        seconds = time.monotonic() - begin
        left = server.settled_memory(rest + 20, 3) - rest
        row(
            f"{name} ({len(data):,} bytes)",
            f"{seconds:.1f} s, {peak.highest - rest:.0f} MB at most, {left:.0f} MB stay",
        )


def files(server: Server) -> None:
    """Files that are not the visitor's."""
    visitor = comes(server)
    photo = visitor.upload(face())
    path = server.place / "outside.jpg"
    path.write_bytes(face())
    answer = visitor.fuse(photo, {"path": str(path)})
    row("`/fuse` with the path of a photo on the disk", "a picture" if answer.made else "refused")
    found = visitor.call("detect", [{"path": str(path)}])
    missing = visitor.call("detect", [{"path": f"{path}.missing"}])
    row("`/detect` with it", "faces" if found.made else "refused")
    row(
        "a file there and one not there",
        "the same answer" if found.data == missing.data else "told apart",
    )
    before = set(server.files())
    body = (
        b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
        + face()
        + b"\r\n--x--\r\n"
    )
    answer = visitor.ask(
        "POST", f"{API}/process_recording", body, Content_Type="multipart/form-data; boundary=x"
    )
    row("`/process_recording`", f"{answer.status}, {len(set(server.files()) - before)} files stay")
    answer = visitor.get(
        f"{API}/file={photo['path']}", Range="bytes=0-9", Cookie="a=cookie-of-mine"
    )
    row(
        "cookie in the answer to `Range`",
        "sent back" if "cookie-of-mine" in str(answer.headers) else "no",
    )
    answer = visitor.get(
        "/config", Host="fusion.example", Origin="https://evil.example", Cookie="a=b"
    )
    row(
        "`Origin: https://evil.example`",
        answer.headers.get("access-control-allow-origin", "not answered"),
    )
    visitor.get(f"{API}/info", Host="evil.example")
    row(
        "`Host: evil.example` in others' `/info`",
        "stays" if b"evil" in comes(server).get(f"{API}/info").body else "no",
    )


def requests(server: Server) -> None:
    """Requests that hold others up."""
    large, longest, done = (
        b'{"data": [' + b'{"a":[1,2]},' * 1_333_333 + b"0]}",
        [0.0],
        threading.Event(),
    )

    def other() -> None:
        visitor = Visitor(server.port, next(_numbers), patience=120)
        while not done.is_set():
            begin = time.monotonic()
            visitor.get("/config")
            longest.append(time.monotonic() - begin)

    watching = threading.Thread(target=other)
    watching.start()
    answer = Visitor(server.port, next(_numbers), patience=120).post(f"{API}/call/detect", large)
    done.set()
    watching.join()
    row("16 MB of JSON", f"{answer.status}; others wait {max(longest):.1f} s")
    greedy = comes(server)
    photos = [greedy.upload(face()), greedy.upload(face(2400))]
    orders = [greedy.order("fuse", [*photos, "best", [], 0.5, 1, True]) for _ in range(44)]
    row("44 fusions of one visitor", f"{sum(not order.refused for order in orders)} are taken")
    late, begin = comes(server), time.monotonic()
    mine = late.upload(face())
    answer = late.fuse(mine, mine)
    row(
        "another visitor then",
        f"{'waits ' if answer.made else 'is refused after '}{time.monotonic() - begin:.1f} s",
    )
    answer = comes(server).send(*[b"x"] * 1000)
    row("an upload of 1,000 files", str(answer.status))


def ended(with_signal: int) -> Callable[[Server], None]:
    """A server that is ended while six fusions run."""

    def end(server: Server) -> None:
        visitors = [comes(server) for _ in range(3)]
        photos = [(each.upload(face()), each.upload(face(2400))) for each in visitors]
        with ThreadPoolExecutor(6) as pool:
            for i in range(6):
                pool.submit(visitors[i % 3].fuse, *photos[i % 3], "best")
            time.sleep(1)
            code = server.end(with_signal)
        name = signal.Signals(with_signal).name
        row(f"{name} while 6 fusions run", f"exit code {code}, {len(_photos(server))} files stay")
        with serving(server.place) as again:
            row("after the next start", f"{len(_photos(again))} files stay")

    return end


def _photos(server: Server) -> list[str]:
    return [name for name in server.files() if (server.temporary / name).stat().st_size > 1000]


def row(attack: str, effect: str) -> None:
    """Prints a row of the table."""
    print(f"| {attack} | {effect} |", flush=True)


def main() -> None:
    """Prints the table."""
    print("| attack | effect |\n|---|---|")
    for group in (files, requests, ended(signal.SIGTERM), ended(signal.SIGKILL), bombs):
        with tempfile.TemporaryDirectory() as name, serving(Path(name)) as server:
            group(server)


if __name__ == "__main__":
    main()
