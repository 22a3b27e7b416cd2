"""One process that decodes photos, seen from the process that asks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import PIL

from facefusion.decoding import worker
from facefusion.decoding.headers import Refusal
from facefusion.types import Photo

#: Seconds that a process may take to start, on a machine under load.
START_SECONDS: Final = 60.0
#: Bytes that a pipe holds, where that can be set (Linux): fewer switches between the two processes.
PIPE_BYTES: Final = 1 << 20
#: Variables of the environment by which a process finds its libraries.
_KEPT: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
#: One thread and one arena: others take address space, which is limited.
_SET: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


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
    """What the process said of a file.

    Attributes:
        refusal: why it is not decoded, or None.
        width, height: in pixels.
        photo: (height, width, 3) RGB uint8 where it was asked for.
    """

    refusal: Refusal | None
    width: int = 0
    height: int = 0
    photo: Photo | None = None


class DecoderProcess:
    """Runs `worker` as a script. For one caller at a time, except `kill` and `close`.

    Args:
        seconds: after which a file is given up; the process ends itself two seconds later if nobody
            did.
    """

    def __init__(self, seconds: float) -> None:
        places = sorted(
            {str(Path(str(module.__file__)).resolve().parents[1]) for module in (PIL, np)}
        )
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-B",
                str(Path(worker.__file__).resolve()),
                str(seconds + 2),
                *places,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={name: os.environ[name] for name in _KEPT if name in os.environ} | _SET,
            start_new_session=True,  # an interrupt at the terminal is the server's to handle
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._in, self._out = cast(FileIO, self._process.stdin), cast(FileIO, self._process.stdout)
        _widen(self._in)
        _widen(self._out)
        self._ready = False

    @property
    def pid(self) -> int:
        """The process's number."""
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
            with self._limited(START_SECONDS):
                self._receive(memoryview(bytearray(len(worker.READY))))
        except EndedError:
            raise RuntimeError("the process that decodes photos does not start") from None
        self._ready = True

    def ask(self, data: bytes, *, pixels: bool, half: bool, seconds: float) -> Answer:
        """Has a file decoded.

        Args:
            data: the file.
            pixels: whether its pixels are wanted, or only its size.
            half: whether half its width and height suffice (`reading.decode`).
            seconds: after which the process is ended.

        Raises:
            EndedError: the process ended before it had answered.
            MemoryError: there is none for the photo in this process.
        """
        with self._limited(seconds):
            self._send(worker.REQUEST.pack(pixels, half, len(data)))
            self._send(data)
            head = bytearray(worker.REPLY.size)
            self._receive(memoryview(head))
            code, width, height = worker.REPLY.unpack(head)
            if code:
                return Answer(worker.REFUSALS[code - 1])
            if not pixels:
                return Answer(None, width, height)
            photo = np.empty((height, width, 3), np.uint8)
            self._receive(photo.data.cast("B"))
            return Answer(None, width, height, photo)

    @property
    def lowered(self) -> bool:
        """Whether the process has lowered its priority, which it cannot raise again."""
        if not hasattr(os, "getpriority"):
            return False
        with contextlib.suppress(OSError):
            return os.getpriority(os.PRIO_PROCESS, self.pid) > os.getpriority(os.PRIO_PROCESS, 0)
        return False

    def kill(self) -> None:
        """Ends the process; whoever waits for its answer gets an `EndedError`."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends the process and lets go of its pipes."""
        self.kill()
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):
                pipe.close()

    @contextlib.contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
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
        left = memoryview(data)
        while left:
            left = left[cast(int, self._in.write(left)) :]

    def _receive(self, into: memoryview) -> None:
        while into:
            count = self._out.readinto(into)
            if not count:
                raise EOFError
            into = into[count:]


def _widen(pipe: Any) -> None:
    with contextlib.suppress(
        ImportError, AttributeError, OSError
    ):  # more than the system gives, or another system
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
