"""Creates a running server's private directory for uploads and results, deleted at its end."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


PREFIX: Final = "facefusion-"
#: Name of the file that a running process keeps locked.
LOCK: Final = ".lock"
#: Seconds before a directory without a lock is deleted: its process may be about to create one.
GRACE: Final = 60.0
#: Permissions of directories: this user only.
PRIVATE: Final = 0o700

log = logging.getLogger("facefusion.app")


class PrivateDirectory:
    """A new directory that only this user can read, used for all temporary files of the process.

    Entering deletes directories that killed processes left behind; leaving deletes this one.
    While it is entered, `tempfile` uses it, so that temporary files of libraries are swept like
    uploads.

    Args:
        parent: where it is created; the system's directory of temporary files by default.
    """

    def __init__(self, parent: str | Path | None = None) -> None:
        self.parent = Path(parent or tempfile.gettempdir())
        self.path = Path()
        self._lock: IO[bytes] | None = None
        self._tempdir: str | None = None

    def __enter__(self) -> Path:
        sweep_dead(self.parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self.parent))
        self._lock = _locked(self.path / LOCK, create=True)
        self._tempdir, tempfile.tempdir = tempfile.tempdir, str(self.path)
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tempfile.tempdir = self._tempdir
        if self._lock is not None:
            self._lock.close()
        delete(self.path)


def make_private(path: str | Path) -> Path:
    """Creates a directory and its missing parents for this user only."""
    path = Path(path)
    while not path.exists():
        missing = [each for each in (path, *path.parents) if not each.exists()]
        with suppress(FileNotFoundError):  # retries if a sweeper removed an empty parent
            for each in reversed(missing):
                each.mkdir(mode=PRIVATE, exist_ok=True)
    return path


def delete(path: Path, attempts: int = 5) -> None:
    """Deletes a directory, several times if need be: running code may write into it meanwhile."""
    for attempt in range(attempts):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(0.05 * (attempt + 1))
    log.error("The directory of uploads could not be deleted.")


def sweep_dead(parent: Path) -> int:
    """Deletes the directories of processes that have ended.

    Returns:
        The number of directories deleted.
    """
    deleted = 0
    for path in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if path.is_symlink() or not path.is_dir() or not _is_ours(path):
                continue
            if _is_dead(path):
                shutil.rmtree(path, ignore_errors=True)
                deleted += not path.exists()
    return deleted


def _is_ours(path: Path) -> bool:
    return not hasattr(os, "geteuid") or path.lstat().st_uid == os.geteuid()


def _is_dead(path: Path) -> bool:
    lock = path / LOCK
    if not lock.is_file():
        return time.time() - path.lstat().st_mtime > GRACE
    held = _locked(lock, create=False)
    if held is None:
        return False
    held.close()
    return True


def _locked(path: Path, *, create: bool) -> IO[bytes] | None:
    """Opens and locks a file; returns None if another process has it locked."""
    file = path.open("xb" if create else "rb+")
    try:
        _lock(file)
    except OSError:
        file.close()
        return None
    return file
