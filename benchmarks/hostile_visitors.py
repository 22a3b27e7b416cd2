"""Hostile visitors of the soak: they send bombs, cut uploads, leave early, flood and forge."""

from __future__ import annotations

import os
import random
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from benchmarks.hostile import face
from benchmarks.server import HOST
from benchmarks.visitors import API, Visitor, file_data, fuse_arguments

#: Hostile visitors at once.
HOSTILE: Final = 8
#: Seconds between two attacks of one visitor, least and most.
PAUSE: Final = (0.1, 0.5)
#: Side in pixels of the photo of a fusion that takes long.
LARGE_SIDE: Final = 1280
#: Requests of a flood.
FLOOD: Final = 100
#: Fusions submitted at once by a flood of the queue.
QUEUE_FLOOD: Final = 40

#: Attacks as a visitor, with a random number generator and bombs by name; returns the effect.
Attack = Callable[[Visitor, random.Random, Mapping[str, bytes]], str]


def _bomb(visitor: Visitor, rng: random.Random, bombs: Mapping[str, bytes]) -> str:
    answer = visitor.call("detect", [visitor.upload(_choose(rng, bombs))])
    return answer.event or str(answer.status)


def _two_bombs(visitor: Visitor, rng: random.Random, bombs: Mapping[str, bytes]) -> str:
    source, target = (visitor.upload(_choose(rng, bombs)) for _ in range(2))
    answer = visitor.fuse_on_page(source, None, None, target, None)
    return answer.event or str(answer.status)


def _choose(rng: random.Random, bombs: Mapping[str, bytes]) -> bytes:
    return bombs[rng.choice(sorted(bombs))]


def _cut_upload(visitor: Visitor, rng: random.Random, bombs: Mapping[str, bytes]) -> str:
    with visitor.connected() as connection:
        connection.connect()
        head = (
            f"POST {API}/upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 20000000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            '--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        )
        connection.sock.sendall(head.encode() + bytes(rng.randrange(1, 5_000_000)))
    return "left"


def _leave(visitor: Visitor, rng: random.Random, bombs: Mapping[str, bytes]) -> str:
    photo = visitor.upload(face(LARGE_SIDE))
    answer = visitor.submit("fuse", fuse_arguments(photo, photo))
    if answer.refused:
        return str(answer.status)
    with visitor.connected() as connection:
        connection.request("GET", f"{API}/call/fuse/{answer.data['event_id']}")
        time.sleep(rng.uniform(0, 1))
    return "left"


def _flood(visitor: Visitor, rng: random.Random, bombs: Mapping[str, bytes]) -> str:
    paths = ("/config", f"{API}/info", f"{API}/file=/etc/passwd", "/nothing")
    return str(max(visitor.get(rng.choice(paths)).status for _ in range(FLOOD)))


def _flood_queue(visitor: Visitor, rng: random.Random, bombs: Mapping[str, bytes]) -> str:
    photo = visitor.upload(face())
    arguments = fuse_arguments(photo, photo)
    return str(max(visitor.submit("fuse", arguments).status for _ in range(QUEUE_FLOOD)))


def _flood_disk(visitor: Visitor, rng: random.Random, bombs: Mapping[str, bytes]) -> str:
    return str(max(visitor.send(bytes(25_000_000)).status for _ in range(4)))


def _forge(visitor: Visitor, rng: random.Random, bombs: Mapping[str, bytes]) -> str:
    forged: list[Any] = [
        [file_data("/etc/passwd")],
        [{"path": "http://127.0.0.1:1/x"}],
        [rng.random()],
        [],
        [None] * 50,
        "a" * 60_000,
        [[[[[[[[[[[]]]]]]]]]]],
    ]
    answers = [visitor.call(rng.choice(("detect", "fuse")), data) for data in forged]
    unknown = {"fn_index": 10**9, "data": [], "session_hash": uuid.uuid4().hex}
    for body in (b"[" * 1_000_000, unknown):
        answers.append(visitor.post(f"{API}/queue/join", body))
    return str(max(answer.status for answer in answers))


def _slow(visitor: Visitor, rng: random.Random, bombs: Mapping[str, bytes]) -> str:
    with socket.create_connection((HOST, visitor.port), 20, (visitor.address, 0)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(30):
            connection.sendall(b"a")
            time.sleep(0.5)
    return "not cut off"


#: Attacks by the name that the report gives them.
ATTACKS: Final[dict[str, Attack]] = {
    "bomb": _bomb,
    "two bombs": _two_bombs,
    "cut": _cut_upload,
    "leave": _leave,
    "flood": _flood,
    "flood queue": _flood_queue,
    "flood disk": _flood_disk,
    "forge": _forge,
    "slow": _slow,
}


def attack(port: int, until: float, bombs: Mapping[str, bytes]) -> Counter[str]:
    """Attacks the server as `HOSTILE` visitors at once, at this process's lowest priority.

    Args:
        port: of the server.
        until: end, in seconds of `time.monotonic`.
        bombs: photos that are hard to decode, by name.

    Returns:
        How often each attack had which effect: an HTTP status, an event, or an exception's name.
    """
    os.nice(19)
    effects: Counter[str] = Counter()
    with ThreadPoolExecutor(HOSTILE) as pool:
        for i in range(HOSTILE):
            pool.submit(_attack_as, Visitor(port, f"127.2.0.{i + 1}"), until, bombs, effects)
    return effects


def _attack_as(
    visitor: Visitor, until: float, bombs: Mapping[str, bytes], effects: Counter[str]
) -> None:
    """Attacks as one visitor, one random attack after another."""
    rng = random.Random(visitor.address)
    while time.monotonic() < until:
        name = rng.choice(list(ATTACKS))
        try:
            effects[f"{name}: {ATTACKS[name](visitor, rng, bombs)}"] += 1
        except Exception as error:  # an upload that is refused, a socket that is closed
            effects[f"{name}: {type(error).__name__}"] += 1
        time.sleep(rng.uniform(*PAUSE))
