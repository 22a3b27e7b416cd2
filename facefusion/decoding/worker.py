"""The process in which photo files of strangers are decoded; `process` starts it with `python -I`.

It imports Pillow, NumPy, the standard library and two modules beside it, limits itself, and
answers requests from its standard input until that closes: it never outlives who asks.

A request is `REQUEST` and the file's bytes; the answer is `REPLY` and, where pixels were asked for,
height x width x 3 bytes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final

if __name__ == "__main__":
    sys.path.extend(sys.argv[2:])  # where the server found Pillow and NumPy
    package = ModuleType("facefusion")  # without importing the product, which takes 200 MB
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["facefusion"] = package

import numpy as np
from PIL import AvifImagePlugin

from facefusion.decoding import reading
from facefusion.decoding.headers import Refusal, RefusedPhotoError

#: Address space of a worker in bytes. Of 64 megapixels a WebP takes the most, 980 MB, an AVIF 550
#: and the others up to 430; Python, NumPy and Pillow map 115 MB.
ADDRESS_SPACE: Final = 1152 * 1024 * 1024
#: Lower priority of a worker that decodes a photo of so many pixels: it gets the time that the
#: fusions of others leave. The process is ended afterwards.
NICE: Final = 10
LOWERED_FROM: Final = 16_000_000
#: Files that a worker may have open: its pipes, and libraries while they are loaded.
OPEN_FILES: Final = 16

#: What is asked: 0 for the size or 1 for the pixels, 1 where half the size suffices, and the file's
#: length in bytes.
REQUEST: Final = struct.Struct("<BBQ")
#: The answer: 0, or the place of the reason in `REFUSALS` from 1 on; width; height.
REPLY: Final = struct.Struct("<BII")
REFUSALS: Final = tuple(Refusal)
#: Sent once, before the first request is read.
READY: Final = b"1"


def limit_process() -> None:
    """Limits this process's memory, files and what it can write, as far as the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    wanted = {
        "RLIMIT_AS": ADDRESS_SPACE,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": OPEN_FILES,
    }
    for name, most in wanted.items():
        with contextlib.suppress(
            AttributeError, ValueError, OSError
        ):  # macOS has some of them only by name
            resource.setrlimit(getattr(resource, name), (most, most))


def answer(ask: int, half: bool, data: bytes, out: int) -> None:
    """Answers one request."""
    try:
        width, height = reading.size(data, half=half)
        if ask == 0:
            _write(out, REPLY.pack(0, width, height))
            return
        if width * height >= LOWERED_FROM and hasattr(os, "nice"):
            os.nice(NICE)
        photo = reading.decode(data, half=half)
    except RefusedPhotoError as error:
        _write(out, REPLY.pack(1 + REFUSALS.index(error.reason), 0, 0))
        return
    _write(out, REPLY.pack(0, photo.width, photo.height))
    for strip in photo.strips():
        _write(out, np.ascontiguousarray(strip).data.cast("B"))


def _write(out: int, data: Any) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(out, left) :]


def _watch(seconds: float) -> None:
    """Ends this process after so many seconds, whatever it does then; 0 calls that off."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def serve(requests: BinaryIO, out: int, seconds: float) -> None:
    """Answers requests until there are no more.

    Args:
        requests: where they are read from.
        out: the file that the answers are written to.
        seconds: after which this process ends itself if the one that asked no longer can.
    """
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        ask, half, length = REQUEST.unpack(head)
        data = requests.read(length)
        if len(data) < length:
            return
        _watch(seconds)
        answer(ask, bool(half), data, out)
        del data  # while the next request is waited for
        _watch(0)


if __name__ == "__main__":
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each of them has a picture of its own in work
    limit_process()
    _write(sys.stdout.fileno(), READY)
    serve(sys.stdin.buffer, sys.stdout.fileno(), float(sys.argv[1]))
