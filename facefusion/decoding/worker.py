"""Decodes untrusted photo files in a process that `process` starts with `python -I`.

It imports Pillow, NumPy, the standard library and modules beside it, limits itself, and
answers requests from its standard input until that closes: it never outlives its parent.

A request is `REQUEST` and the file's bytes, followed by `PATCH` and its pixels if the stored pixels
are requested; the answer is `REPLY` and, if pixels were requested, `Belongings.pack` and height x
width x channels bytes.
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
    sys.path.extend(sys.argv[2:])  # the server's paths of Pillow and NumPy
    package = ModuleType("facefusion")  # without importing the product, which takes 200 MB
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["facefusion"] = package

import numpy as np
from PIL import AvifImagePlugin

from facefusion.decoding import reading
from facefusion.decoding.decoded import Patch
from facefusion.decoding.headers import Refusal, RefusedPhotoError

#: Address space of a worker in bytes. For 64 megapixels an HEIC of 10 bits without subsampling takes
#: the most, 1,050 MB, other HEIC 580 to 850, a WebP 980, an AVIF 550 and the others up to 430; Python,
#: NumPy and Pillow map 115 MB.
ADDRESS_SPACE: Final = 1152 * 1024 * 1024
#: Niceness of a worker that decodes a large photo: running fusions go first.
NICE: Final = 10
#: Pixels of a photo from which on the priority is lowered; the process is ended afterwards.
LOWERED_FROM: Final = 16_000_000
#: Most open files of a worker: its pipes, and libraries while they are loaded.
OPEN_FILES: Final = 16

#: What is requested: the size, the sRGB pixels, or the stored pixels with a patch.
SIZE, PIXELS, STORED = range(3)
#: Request: one of these; 1 if half the size is enough; the file's length in bytes.
REQUEST: Final = struct.Struct("<BBQ")
#: Rectangle of a result that follows: left, top, width, height; then its RGB bytes.
PATCH: Final = struct.Struct("<IIII")
#: Answer: 0, or the 1-based index of the reason in `REFUSALS`; width; height; channels; length of
#: the belongings in bytes.
REPLY: Final = struct.Struct("<BIIBI")
REFUSALS: Final = tuple(Refusal)
#: Sent once, before the first request is read.
READY: Final = b"1"


def limit_process() -> None:
    """Limits this process's memory, open files and written bytes, as far as the system allows."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        "RLIMIT_AS": ADDRESS_SPACE,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": OPEN_FILES,
    }
    for name, limit in limits.items():
        with contextlib.suppress(
            AttributeError, ValueError, OSError
        ):  # macOS does not support some of them
            resource.setrlimit(getattr(resource, name), (limit, limit))


def answer(ask: int, half: bool, data: bytes, patch: Patch | None, out: int) -> None:
    """Answers one request."""
    try:
        width, height = reading.size(data, half=half)
        if ask == SIZE:
            _write(out, REPLY.pack(0, width, height, 3, 0))
            return
        if width * height >= LOWERED_FROM and hasattr(os, "nice"):
            os.nice(NICE)
        photo = reading.decode(data, half=half)
    except RefusedPhotoError as error:
        _write(out, REPLY.pack(1 + REFUSALS.index(error.reason), 0, 0, 0, 0))
        return
    belongings = photo.belongings.pack()
    channels = 3 if patch is None else photo.channels
    _write(out, REPLY.pack(0, photo.width, photo.height, channels, len(belongings)))
    _write(out, belongings)
    for strip in photo.strips() if patch is None else photo.stored_strips(patch):
        _write(out, np.ascontiguousarray(strip).data.cast("B"))


def _read_patch(requests: BinaryIO) -> Patch:
    left, top, width, height = PATCH.unpack(requests.read(PATCH.size))
    pixels = np.frombuffer(requests.read(3 * width * height), np.uint8)
    return Patch(left, top, pixels.reshape(height, width, 3))


def _write(out: int, data: Any) -> None:
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(out, remaining) :]


def _set_timer(seconds: float) -> None:
    """Ends this process after `seconds`, whatever it is doing; 0 cancels this."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def serve(requests: BinaryIO, out: int, seconds: float) -> None:
    """Answers requests until the input closes.

    Args:
        requests: the stream of requests.
        out: file descriptor for the answers.
        seconds: after which this process ends itself if its parent did not end it.
    """
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        ask, half, length = REQUEST.unpack(head)
        data = requests.read(length)
        if len(data) < length:
            return
        patch = _read_patch(requests) if ask == STORED else None
        _set_timer(seconds)
        answer(ask, bool(half), data, patch, out)
        del data, patch  # frees them before waiting for the next request
        _set_timer(0)


if __name__ == "__main__":
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each thread holds a picture of its own
    limit_process()
    _write(sys.stdout.fileno(), READY)
    serve(sys.stdin.buffer, sys.stdout.fileno(), float(sys.argv[1]))
