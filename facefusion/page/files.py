"""Writes files that are served for ten minutes, and deletes them.

The sweeper scans the disk, so that it deletes every file in the directory, whichever code wrote it.
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

from facefusion.decoding.belongings import Belongings
from facefusion.images.saving import save
from facefusion.page.directory import LOCK, make_private
from facefusion.types import Photo

#: Longest time in seconds that uploads and results are kept, as the page promises.
PROMISED: Final = 600.0
#: Environment variable that shortens this time.
LIFETIME_VARIABLE: Final = "FACEFUSION_LIFETIME"
#: Seconds between two sweeps; a file can be older than recorded by as much.
INTERVAL: Final = 15.0
#: Most bytes of all files: a hundred visitors with their photos and results.
MAX_BYTES: Final = 512 * 1024 * 1024
#: Most bytes of one visitor's files, a quarter of all.
MAX_SHARE: Final = 128 * 1024 * 1024
#: Seconds after which an empty directory is removed.
EMPTY_SECONDS: Final = 60.0
#: Longer side of a preview, in pixels.
PREVIEW_SIZE: Final = 1280

log = logging.getLogger("facefusion.app")


def kept_seconds() -> float:
    """Returns the seconds after which a file is deleted: the promise less two sweep intervals."""
    promised = min(float(os.environ.get(LIFETIME_VARIABLE) or PROMISED), PROMISED)
    return max(promised - 2 * INTERVAL, promised / 2)


def new_folder(directory: str | Path) -> Path:
    """Creates a directory with an unguessable name below `directory`."""
    return make_private(Path(directory, secrets.token_hex(16)))


def write(
    image: Photo,
    directory: str | Path,
    extension: str,
    belongings: Belongings | None = None,
    name: str = "ai-generated",
) -> str:
    """Writes a picture with its metadata (`saving.save`) into a new directory.

    Returns:
        The path of the file.
    """
    path = new_folder(directory) / f"{name}{extension}"
    save(image, path, extension, belongings)
    return str(path)


def write_encoded(content: bytes, directory: str | Path) -> str:
    """Writes a JPEG that is encoded already into a new directory, and returns its path."""
    path = new_folder(directory) / "ai-generated.jpg"
    path.write_bytes(content)
    return str(path)


def write_plain(image: Photo, directory: str | Path) -> str:
    """Writes a preview of a visitor's own photo as JPEG, without the mark of an AI-made picture."""
    path = new_folder(directory) / "photo.jpg"
    Image.fromarray(image).save(path, quality=90)
    return str(path)


def preview(image: Photo) -> Photo:
    """Shrinks a picture to at most `PREVIEW_SIZE`."""
    scale = PREVIEW_SIZE / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


class Sweeper:
    """Thread that deletes old files of a directory, and the oldest if they take too many bytes.

    A file's age counts from the sweep that first saw it, by a monotonic clock, because the wall
    clock of a server may jump. A changed file counts as new. Each subdirectory belongs to one
    visitor: a visitor over the limit loses only files of their own.

    Args:
        directory: swept with everything below it.
        lifetime: seconds that a file is kept; `kept_seconds()` by default.
        interval: seconds between two sweeps.
        max_bytes, max_share: most bytes of all files, and of one visitor's.
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
        """Starts regular sweeps in a thread that does not keep the process alive."""
        threading.Thread(target=self._run, name="sweeper", daemon=True).start()

    def stop(self) -> None:
        """Stops the regular sweeps."""
        self._stop.set()

    def sweep(self, free_bytes: int = 0) -> int:
        """Deletes old files, files over a share, and then the oldest until `free_bytes` are free.

        Returns:
            The number of files deleted.
        """
        with self._lock:
            now = self._clock()
            shares: dict[str, list[tuple[float, int, Path]]] = {}
            for path, (since, size) in sorted(self._scan(now).items(), key=lambda item: item[1][0]):
                visitor = path.relative_to(self.directory).parts[0]
                shares.setdefault(visitor, []).append((since, size, path))
            bytes_of = {
                visitor: sum(size for _, size, _ in files) for visitor, files in shares.items()
            }
            deleted = 0
            while bytes_of:
                chosen = self._next(shares, bytes_of, now, free_bytes)
                if chosen is None:
                    break
                _, size, path = shares[chosen].pop(0)
                deleted += remove(path)
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
        free_bytes: int,
    ) -> str | None:
        """Chooses the visitor whose oldest file is deleted next.

        That is one with an expired file, else the largest share if a limit is exceeded, else None.
        """
        for visitor, files in shares.items():
            if now - files[0][0] >= self.lifetime:
                return visitor
        most = max(bytes_of, key=lambda visitor: bytes_of[visitor])
        if bytes_of[most] > self.max_share or sum(bytes_of.values()) + free_bytes > self.max_bytes:
            return most
        return None

    def _scan(self, now: float) -> dict[Path, tuple[float, int]]:
        """Lists the files, each with the time since which it is unchanged, and its bytes."""
        seen: dict[Path, tuple[float, int]] = {}
        for folder, folders, names in os.walk(self.directory):  # skips files deleted meanwhile
            sizes = dict.fromkeys(folders, -1)
            for name in names:
                with suppress(OSError):  # deleted meanwhile
                    sizes[name] = Path(folder, name).lstat().st_size
            for name, size in sizes.items():
                path = Path(folder, name)
                before = self._seen.get(path)
                if name != LOCK:
                    seen[path] = before if before and before[1] == size else (now, size)
        self._seen = seen
        return {path: entry for path, entry in seen.items() if entry[1] >= 0}

    def _remove_empty(self, now: float) -> None:
        """Removes directories that stayed empty for a while; a new one is about to be filled."""
        folders = [
            path
            for path, (since, size) in self._seen.items()
            if size < 0 and now - since >= EMPTY_SECONDS
        ]
        for path in sorted(folders, reverse=True):  # children before their parents
            try:
                path.rmdir()
            except OSError:  # not empty, or deleted
                continue
            del self._seen[path]

    def _run(self) -> None:
        while not self._stop.wait(self.interval):
            try:
                self.sweep()
            except Exception as error:  # the thread must go on
                log.error("Files were not deleted: %s", type(error).__name__)


def remove(path: Path) -> bool:
    """Deletes a file, and returns whether it was there."""
    try:
        path.unlink()
    except OSError:
        return False
    return True
