"""Starts one worker process and exchanges requests and answers with it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import FileIO
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import PIL

from facefusion.decoding import worker
from facefusion.decoding.belongings import Belongings
from facefusion.decoding.decoded import Patch
from facefusion.decoding.headers import Refusal
from facefusion.types import Photo

#: Longest time in seconds for a process to start, on a machine under load.
START_SECONDS: Final = 60.0
#: Most bytes of a photo's belongings: its profile in base 64, and texts.
MOST_BELONGINGS: Final = 8 << 20
#: Capacity of a pipe in bytes, where it can be set (Linux), for fewer context switches.
PIPE_BYTES: Final = 1 << 20
#: Environment variables by which a process finds its libraries.
_PASSED_VARIABLES: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
#: One thread and one arena; more take address space, which is limited.
_FIXED_VARIABLES: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


class EndedError(Exception):
    """The process ended before it had answered.

    Attributes:
        late: whether it was ended because it took too long.
    """

    def __init__(self, late: bool) -> None:
        super().__init__(late)
        self.late = late


@dataclass(frozen=True)
class Answer:
    """Answer of the process for one file.

    Attributes:
        refusal: why it is not decoded, or None.
        width, height: in pixels.
        photo: (height, width, 3) sRGB uint8 if the pixels were requested, or (height, width, 3 or
            4) in the photo's own colours.
        belongings: what belongs to the photo, with its pixels.
    """

    refusal: Refusal | None
    width: int = 0
    height: int = 0
    photo: Photo | None = None
    belongings: Belongings | None = None


def _library_paths() -> list[str]:
    """Returns the directories of Pillow, NumPy and pillow-heif, which is not imported here."""
    heif = find_spec("pillow_heif")
    files = (PIL.__file__, np.__file__, heif and heif.origin)
    return sorted({str(Path(file).resolve().parents[1]) for file in files if file})


class DecoderProcess:
    """One process that runs `worker` as a script; one caller at a time, except `kill` and `close`.

    Args:
        seconds: time limit for one file; the process ends itself two seconds later if it was not
            ended.
    """

    def __init__(self, seconds: float) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-B",
                str(Path(worker.__file__).resolve()),
                str(seconds + 2),
                *_library_paths(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
            | _FIXED_VARIABLES,
            start_new_session=True,  # the server handles interrupts at the terminal
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._in, self._out = cast(FileIO, self._process.stdin), cast(FileIO, self._process.stdout)
        _enlarge_pipe(self._in)
        _enlarge_pipe(self._out)
        self._ready = False

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Waits until the process has started.

        Raises:
            RuntimeError: it does not start: a fault of the installation, not of a photo.
        """
        if self._ready:
            return
        try:
            with self._time_limit(START_SECONDS):
                self._receive(memoryview(bytearray(len(worker.READY))))
        except EndedError:
            raise RuntimeError("the process that decodes photos does not start") from None
        self._ready = True

    def ask(
        self,
        data: bytes,
        *,
        pixels: bool,
        half: bool,
        seconds: float,
        patch: Patch | None = None,
    ) -> Answer:
        """Requests the size or the pixels of a photo file.

        Args:
            data: the file.
            pixels: whether to return the pixels, or only the size.
            half: whether half the width and height are enough (`reading.decode`).
            seconds: after which the process is ended.
            patch: a part of a result, with which to return the pixels in the photo's own colours.

        Raises:
            EndedError: the process ended before it had answered.
            MemoryError: this process has no memory for the photo.
        """
        kind = worker.SIZE if not pixels else worker.PIXELS if patch is None else worker.STORED
        with self._time_limit(seconds):
            self._send(worker.REQUEST.pack(kind, half, len(data)))
            self._send(data)
            if patch is not None:
                height, width = patch.pixels.shape[:2]
                self._send(worker.PATCH.pack(patch.left, patch.top, width, height))
                self._send(patch.pixels.tobytes())
            head = bytearray(worker.REPLY.size)
            self._receive(memoryview(head))
            code, width, height, channels, length = worker.REPLY.unpack(head)
            if code:
                return Answer(worker.REFUSALS[code - 1])
            if not pixels:
                return Answer(None, width, height)
            if length > MOST_BELONGINGS:
                raise ValueError("more belongings than any photo has")
            packed = bytearray(length)
            self._receive(memoryview(packed))
            photo = np.empty((height, width, channels), np.uint8)
            self._receive(photo.data.cast("B"))
            return Answer(None, width, height, photo, Belongings.unpack(bytes(packed)))

    @property
    def has_low_priority(self) -> bool:
        """Whether the process has lowered its priority, which it cannot raise again."""
        if not hasattr(os, "getpriority"):
            return False
        with contextlib.suppress(OSError):
            return os.getpriority(os.PRIO_PROCESS, self.pid) > os.getpriority(os.PRIO_PROCESS, 0)
        return False

    def kill(self) -> None:
        """Ends the process; a pending `ask` raises `EndedError`."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends the process and closes its pipes."""
        self.kill()
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):
                pipe.close()

    @contextlib.contextmanager
    def _time_limit(self, seconds: float) -> Iterator[None]:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        ended = False
        try:
            yield
        except (OSError, EOFError, ValueError):  # ValueError: `close` was called meanwhile
            ended = True
        finally:
            timer.cancel()
        if ended:
            raise EndedError(late.is_set())

    def _send(self, data: bytes) -> None:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[cast(int, self._in.write(remaining)) :]

    def _receive(self, into: memoryview) -> None:
        while into:
            count = self._out.readinto(into)
            if not count:
                raise EOFError
            into = into[count:]


def _enlarge_pipe(pipe: Any) -> None:
    with contextlib.suppress(
        ImportError, AttributeError, OSError
    ):  # over the system's limit, or not Linux
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
