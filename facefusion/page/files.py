"""Files that visitors can load for ten minutes, and what deletes them.

The sweeper looks at the disk, so that nothing in the directory is forgotten, whoever put it there.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from facefusion.page.directory import LOCK, make_private
from facefusion.provenance import save
from facefusion.types import Photo

#: Seconds that uploads and results are kept, as the page promises; the variable shortens it.
PROMISED: Final = 600.0
LIFETIME_VARIABLE: Final = "FACEFUSION_LIFETIME"
#: Seconds between two looks. A file may be as much older than it is known to be.
INTERVAL: Final = 15.0
#: Bytes that all files may take together, and those of one visitor: a hundred visitors with their
#: photos and results, or four who do nothing else.
MAX_BYTES: Final = 512 * 1024 * 1024
MAX_SHARE: Final = 128 * 1024 * 1024
#: Seconds after which a directory that nothing was put into is removed.
EMPTY_SECONDS: Final = 60.0
#: Longer side in pixels of a picture that is only looked at.
LOOK_SIZE: Final = 1280

log = logging.getLogger("facefusion.app")


def kept_seconds() -> float:
    """Seconds after which a file is deleted: the promise, less the time between two looks, twice."""
    promised = min(float(os.environ.get(LIFETIME_VARIABLE) or PROMISED), PROMISED)
    return max(promised - 2 * INTERVAL, promised / 2)


def new_folder(directory: str | Path) -> Path:
    """Makes a directory below `directory` whose name nobody can guess."""
    return make_private(Path(directory, secrets.token_hex(16)))


def write(image: Photo, directory: str | Path, extension: str, name: str = "ai-generated") -> str:
    """Writes a picture with its metadata (`provenance.save`) into a new directory.

    Returns:
        Its path.
    """
    path = new_folder(directory) / f"{name}{extension}"
    save(image, path, extension)
    return str(path)


def write_plain(image: Photo, directory: str | Path) -> str:
    """Writes a visitor's own photo, in which nothing was made, as a JPEG to look at."""
    path = new_folder(directory) / "photo.jpg"
    Image.fromarray(image).save(path, quality=90)
    return str(path)


def to_look_at(image: Photo) -> Photo:
    """A picture not larger than a screen."""
    scale = LOOK_SIZE / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


class Sweeper:
    """Deletes every file of a directory when it is old, and the oldest where there are too many.

    A file's age is counted from when it was first seen, by a clock that nobody can set: the wall
    clock of a server may jump. A file that changes begins anew. Each directory in it is a
    visitor's: whoever has too many files loses their own.

    Args:
        directory: what is swept, with everything below it.
        lifetime: seconds that a file is kept; `kept_seconds()` by default.
        interval: seconds between two looks.
        max_bytes, max_share: bytes that all files, and those of one visitor, may take.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        lifetime: float | None = None,
        interval: float = INTERVAL,
        max_bytes: int = MAX_BYTES,
        max_share: int = MAX_SHARE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = Path(directory)
        self.lifetime = kept_seconds() if lifetime is None else lifetime
        self.interval = min(interval, max(self.lifetime / 4, 0.01))
        self.max_bytes, self.max_share = max_bytes, max_share
        self._clock = clock
        self._seen: dict[Path, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def start(self) -> None:
        """Looks again and again, in a thread that does not keep the process alive."""
        threading.Thread(target=self._run, name="sweeper", daemon=True).start()

    def stop(self) -> None:
        """Looks no more."""
        self._stop.set()

    def sweep(self, room: int = 0) -> int:
        """Deletes what is old, what is over a share, and then until `room` more bytes fit.

        Returns:
            The number of files deleted.
        """
        with self._lock:
            now = self._clock()
            shares: dict[str, list[tuple[float, int, Path]]] = {}
            for path, (since, size) in sorted(self._look(now).items(), key=lambda each: each[1][0]):
                whose = path.relative_to(self.directory).parts[0]
                shares.setdefault(whose, []).append((since, size, path))
            bytes_of = {whose: sum(size for _, size, _ in files) for whose, files in shares.items()}
            deleted = 0
            while bytes_of:
                chosen = self._next(shares, bytes_of, now, room)
                if chosen is None:
                    break
                _, size, path = shares[chosen].pop(0)
                deleted += _unlink(path)
                del self._seen[path]
                bytes_of[chosen] -= size
                if not shares[chosen]:
                    del shares[chosen], bytes_of[chosen]
            self._remove_empty(now)
        return deleted

    def _next(
        self,
        shares: dict[str, list[tuple[float, int, Path]]],
        bytes_of: dict[str, int],
        now: float,
        room: int,
    ) -> str | None:
        """Whose oldest file goes next: an old one, else one of whoever has the most, if need be."""
        for whose, files in shares.items():
            if now - files[0][0] >= self.lifetime:
                return whose
        most = max(bytes_of, key=lambda whose: bytes_of[whose])
        if bytes_of[most] > self.max_share or sum(bytes_of.values()) + room > self.max_bytes:
            return most
        return None

    def _look(self, now: float) -> dict[Path, tuple[float, int]]:
        """The files, with when each was first seen as it is, and its bytes."""
        seen: dict[Path, tuple[float, int]] = {}
        for folder, folders, names in os.walk(self.directory):  # it passes over what goes meanwhile
            sizes = dict.fromkeys(folders, -1)
            for name in names:
                with suppress(OSError):  # gone meanwhile
                    sizes[name] = Path(folder, name).lstat().st_size
            for name, size in sizes.items():
                path = Path(folder, name)
                before = self._seen.get(path)
                if name != LOCK:
                    seen[path] = before if before and before[1] == size else (now, size)
        self._seen = seen
        return {path: entry for path, entry in seen.items() if entry[1] >= 0}

    def _remove_empty(self, now: float) -> None:
        """Removes directories that have been empty for a while: a new one is being filled."""
        folders = [
            path
            for path, (since, size) in self._seen.items()
            if size < 0 and now - since >= EMPTY_SECONDS
        ]
        for path in sorted(folders, reverse=True):  # what is inside comes before what is around it
            try:
                path.rmdir()
            except OSError:  # not empty, or gone
                continue
            del self._seen[path]

    def _run(self) -> None:
        while not self._stop.wait(self.interval):
            try:
                self.sweep()
            except Exception as error:  # the clock must not stop
                log.error("Files were not deleted: %s", type(error).__name__)


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
