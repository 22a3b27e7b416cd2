"""Processes that decode the photos of strangers: a damaged or hostile file ends one of them, and
nothing else.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from facefusion.decoding import worker
from facefusion.decoding.process import DecoderProcess, EndedError
from facefusion.errors import (
    FusionError,
    PhotoRole,
    SlowPhotoError,
    TooLargePhotoError,
    UnreadablePhotoError,
    refusing,
)
from facefusion.types import Photo

#: Processes, and seconds that one photo may take: the largest take 1 to 3.
WORKERS: Final = 2
SECONDS: Final = 10.0
#: Bytes of a file. The page takes 30 MB; the largest photos of cameras have 100.
MOST_BYTES: Final = 100 * 1024 * 1024
#: Pixels from which on a process is ended after a photo, because its allocator would keep a part of
#: the memory.
RENEWED_FROM: Final = worker.LOWERED_FROM


class DecoderPool:
    """Reads photo files in processes with limits on memory and time. Safe for concurrent calls.

    Args:
        workers: processes at most; as many photos are decoded at once, the others wait.
        seconds: after which a photo is given up.
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
        """Starts the processes now rather than with the first photos; returns before they are
        ready.
        """
        for found in [self._free.get() for _ in range(self._free.qsize())]:
            self._free.put(found or self._started())

    def size(
        self, path: str | Path, which: PhotoRole, number: int | None = None
    ) -> tuple[int, int]:
        """Width and height in pixels of the photo that `read` gives, from the file's header.

        Args:
            path: the file.
            which: the role of the photo: a JPEG "source" of more than 16 megapixels comes at half
                its width and height.
            number: its position among several face photos, for the error.

        Raises:
            FusionError: it is no photo that is read here, it is too large, or it takes too long.
        """
        width, height, _ = self._asked(path, which, number, pixels=False)
        return width, height

    def read(self, path: str | Path, which: PhotoRole, number: int | None = None) -> Photo:
        """The photo, (H, W, 3) RGB uint8, turned as its EXIF orientation says: what
        `photos.read_photo` gives.

        Args:
            path, which, number: see `size`.

        Raises:
            FusionError: it is no photo that is read here, it is too large, or it takes too long.
        """
        _, _, photo = self._asked(path, which, number, pixels=True)
        assert photo is not None
        return photo

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes that run."""
        with self._lock:
            return [process.pid for process in self._running if process.alive]

    def close(self) -> None:
        """Ends the processes. Whoever waits for a photo gets an error."""
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

    def _asked(
        self, path: str | Path, which: PhotoRole, number: int | None, *, pixels: bool
    ) -> tuple[int, int, Photo | None]:
        refused: type[FusionError]
        try:
            with self._borrowed() as process:
                answer = process.ask(
                    _content(path), pixels=pixels, half=which == "source", seconds=self.seconds
                )
                if process.lowered or (answer.width * answer.height >= RENEWED_FROM and pixels):
                    process.kill()
            if answer.refusal is None:
                return answer.width, answer.height, answer.photo
            refused = refusing(answer.refusal)
        except EndedError as error:
            refused = SlowPhotoError if error.late else UnreadablePhotoError
        except (MemoryError, OverflowError):
            refused = TooLargePhotoError
        except OSError:
            refused = UnreadablePhotoError
        raise refused(which, number=number)

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[DecoderProcess]:
        """A process that nobody else uses; one that ended is replaced at once."""
        process = self._free.get()
        try:
            if process is None or not process.alive:
                self._ended(process)
                process = None
                process = self._started()
            process.wait_until_ready()
            yield process
        except BaseException:
            if process is not None:
                process.kill()  # it may be in the middle of an answer
            raise
        finally:
            if process is not None and not process.alive:
                self._ended(process)
                process = None if self._closed else self._started()
            self._free.put(process)

    def _started(self) -> DecoderProcess:
        process = DecoderProcess(self.seconds)
        with self._lock:
            closed = self._closed
            if not closed:
                self._running.add(process)
        if closed:
            process.close()
            raise RuntimeError("the pool is closed")
        return process

    def _ended(self, process: DecoderProcess | None) -> None:
        if process is not None:
            process.close()
            with self._lock:
                self._running.discard(process)


def _content(path: str | Path) -> bytes:
    """The file's bytes, at most `MOST_BYTES`.

    Raises:
        OSError: it cannot be read.
        OverflowError: it is larger.
    """
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OverflowError
    return data
