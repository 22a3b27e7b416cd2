"""Files that visitors can load for ten minutes, and the clock that deletes them, with everything else in their directory.

Gradio's own clock loses sight of a file when a component is updated in a certain way; this one looks at the disk.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from facefusion.provenance import save
from facefusion.types import Photo

#: Seconds after which a file is deleted, and between two looks. The page promises ten minutes.
LIFETIME: Final = 570.0
INTERVAL: Final = 15.0
#: Longer side in pixels of a picture that is only looked at.
LOOK_SIZE: Final = 1280

log = logging.getLogger("facefusion.app")


def write(image: Photo, directory: str | Path, extension: str, name: str = "ai-generated") -> str:
    """Writes a picture with its metadata (`provenance.save`) into a new directory that nobody can guess.

    Returns:
        Its path.
    """
    folder = Path(directory, secrets.token_hex(16))
    folder.mkdir(parents=True)
    path = folder / f"{name}{extension}"
    save(image, path, extension)
    return str(path)


def write_plain(image: Photo, directory: str | Path) -> str:
    """Writes a visitor's own photo, in which nothing was made, as a JPEG to look at."""
    folder = Path(directory, secrets.token_hex(16))
    folder.mkdir(parents=True)
    path = folder / "photo.jpg"
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
    """Deletes every file of a directory when it is old, as long as the process lives.

    Args:
        directory: what is swept, with everything below it.
        lifetime: seconds since a file last changed or was put there.
        interval: seconds between two looks.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        lifetime: float = LIFETIME,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory, self.lifetime, self.interval = Path(directory), lifetime, interval
        self._clock = clock
        self._stop = threading.Event()

    def start(self) -> None:
        """Looks again and again, in a thread that does not keep the process alive."""
        threading.Thread(target=self._run, name="sweeper", daemon=True).start()

    def stop(self) -> None:
        """Looks no more."""
        self._stop.set()

    def sweep(self, lifetime: float | None = None) -> int:
        """Deletes what is old now, and directories that have become empty.

        Returns:
            The number of files deleted.
        """
        oldest = self._clock() - (self.lifetime if lifetime is None else lifetime)
        deleted = 0
        for path in sorted(self.directory.rglob("*"), reverse=True):  # what is inside comes before what is around it
            try:
                if path.lstat().st_ctime > oldest:
                    continue
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()
                    deleted += 1
            except OSError:  # it is gone already, or a directory that is not empty
                continue
        return deleted

    def _run(self) -> None:
        while not self._stop.wait(self.interval):
            try:
                self.sweep()
            except Exception as error:  # the clock must not stop
                log.error("Files were not deleted: %s", type(error).__name__)
