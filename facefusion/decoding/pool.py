"""Decodes untrusted photos in worker processes, so that a hostile file can only end its worker."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from facefusion.decoding import worker
from facefusion.decoding.belongings import Belongings
from facefusion.decoding.decoded import NOTHING, Patch
from facefusion.decoding.process import Answer, DecoderProcess, EndedError
from facefusion.errors import (
    FusionError,
    PhotoRole,
    SlowPhotoError,
    TooLargePhotoError,
    UnreadablePhotoError,
    refusing,
)
from facefusion.types import Photo

#: Number of processes.
WORKERS: Final = 2
#: Longest time for one photo, in seconds; the largest photos take 1 to 3.
SECONDS: Final = 10.0
#: Most bytes of a file. The page takes 30 MB; the largest photos of cameras have 100.
MOST_BYTES: Final = 100 * 1024 * 1024
#: Pixels of a photo after which its process is replaced: the allocator would keep a part of the
#: memory.
RENEWED_FROM: Final = worker.LOWERED_FROM


class DecoderPool:
    """Processes that read photo files within limits of memory and time; safe for concurrent calls.

    Args:
        workers: most processes; as many photos are decoded at once, the others wait.
        seconds: time limit for one photo.
    """

    def __init__(self, workers: int = WORKERS, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._free: queue.Queue[DecoderProcess | None] = queue.Queue()
        for _ in range(workers):
            self._free.put(None)
        self._running: set[DecoderProcess] = set()
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Starts the processes now rather than with the first photos, without waiting for them."""
        for process in [self._free.get() for _ in range(self._free.qsize())]:
            self._free.put(process or self._start_process())

    def size(self, path: str | Path, role: PhotoRole, number: int | None = None) -> tuple[int, int]:
        """Reads from the file's header the width and height in pixels of the photo `read` returns.

        Args:
            path: the file.
            role: the role of the photo: a JPEG "source" of more than 16 megapixels is read at
                half its width and height.
            number: its position among several face photos, for the error.

        Raises:
            FusionError: the file is no supported photo, is too large, or takes too long.
        """
        answer = self._ask(path, role, number, pixels=False)
        return answer.width, answer.height

    def read(self, path: str | Path, role: PhotoRole, number: int | None = None) -> Photo:
        """Reads a photo, (H, W, 3) sRGB uint8, upright by its EXIF orientation.

        The result is that of `reading.read_photo`.

        Args:
            path, role, number: see `size`.

        Raises:
            FusionError: the file is no supported photo, is too large, or takes too long.
        """
        return self.open(path, role, number)[0]

    def open(
        self, path: str | Path, role: PhotoRole, number: int | None = None
    ) -> tuple[Photo, Belongings]:
        """Reads a photo as `read` does, and what belongs to it.

        Raises:
            FusionError: the file is no supported photo, is too large, or takes too long.
        """
        answer = self._ask(path, role, number, pixels=True)
        assert answer.photo is not None and answer.belongings is not None
        return answer.photo, answer.belongings

    def stored(self, path: str | Path, patch: Patch = NOTHING) -> tuple[Photo, Belongings]:
        """Reads a target photo in its own colours, with a part of a result, as `reading.restored`.

        Raises:
            FusionError: the file is no supported photo, is too large, or takes too long.
        """
        answer = self._ask(path, "target", None, pixels=True, patch=patch)
        assert answer.photo is not None and answer.belongings is not None
        return answer.photo, answer.belongings

    @property
    def pids(self) -> list[int]:
        """Ids of the running processes."""
        with self._lock:
            return [process.pid for process in self._running if process.alive]

    def close(self) -> None:
        """Ends the processes; pending calls raise an error."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, set()
        for process in running:
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(
        self,
        path: str | Path,
        role: PhotoRole,
        number: int | None,
        *,
        pixels: bool,
        patch: Patch | None = None,
    ) -> Answer:
        refused: type[FusionError]
        try:
            with self._borrowed() as process:
                answer = process.ask(
                    _content(path),
                    pixels=pixels,
                    half=role == "source",
                    seconds=self.seconds,
                    patch=patch,
                )
                if process.has_low_priority or (
                    answer.width * answer.height >= RENEWED_FROM and pixels
                ):
                    process.kill()
            if answer.refusal is None:
                return answer
            refused = refusing(answer.refusal)
        except EndedError as error:
            refused = SlowPhotoError if error.late else UnreadablePhotoError
        except (MemoryError, OverflowError):
            refused = TooLargePhotoError
        except OSError:
            refused = UnreadablePhotoError
        raise refused(role, number=number)

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[DecoderProcess]:
        """Lends a process that is not in use; one that has ended is replaced at once."""
        process = self._free.get()
        try:
            if process is None or not process.alive:
                self._discard(process)
                process = None
                process = self._start_process()
            process.wait_until_ready()
            yield process
        except BaseException:
            if process is not None:
                process.kill()  # it may have sent a part of an answer
            raise
        finally:
            if process is not None and not process.alive:
                self._discard(process)
                process = self._next_process()
            self._free.put(process)

    def _next_process(self) -> DecoderProcess | None:
        """Starts a process ahead of the next photo, or leaves it to that one."""
        try:
            return None if self._closed else self._start_process()
        except (OSError, RuntimeError):  # no room for a process now, or the pool was closed
            return None

    def _start_process(self) -> DecoderProcess:
        process = DecoderProcess(self.seconds)
        with self._lock:
            closed = self._closed
            if not closed:
                self._running.add(process)
        if closed:
            process.close()
            raise RuntimeError("the pool is closed")
        return process

    def _discard(self, process: DecoderProcess | None) -> None:
        if process is not None:
            process.close()
            with self._lock:
                self._running.discard(process)


def _content(path: str | Path) -> bytes:
    """Reads the file's bytes, at most `MOST_BYTES`.

    Raises:
        OSError: it cannot be read.
        OverflowError: it is larger.
    """
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OverflowError
    return data
