"""Reads and writes picture files of the command line; an output is written whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facefusion.decoding.belongings import Belongings
from facefusion.decoding.pool import MOST_BYTES
from facefusion.errors import PhotoRole
from facefusion.images.original import Original, open_photo
from facefusion.images.saving import FORMATS, save
from facefusion.types import FusionResult, Photo


class CommandError(Exception):
    """A command cannot be carried out as typed; the message is a whole sentence for the user."""


def read_input(path: Path, role: PhotoRole, *, number: int | None = None) -> Photo:
    """Reads a photo, (H, W, 3) RGB uint8.

    Args:
        path: the file, or a pipe.
        role: of the photo, for the error.
        number: its position among several face photos.

    Raises:
        CommandError: there is no such file.
        FusionError: it is no picture.
    """
    return open_input(path, role, number=number)[0]


def open_input(path: Path, role: PhotoRole, *, number: int | None = None) -> tuple[Photo, Original]:
    """Reads a photo as `read_input` does, and what belongs to it.

    Raises:
        CommandError, FusionError: see `read_input`.
    """
    return open_photo(_content(path), role, number=number)


def _content(path: Path) -> bytes:
    """Reads a file once, since what a process writes into a pipe (`/dev/fd/N`) comes only once.

    Raises:
        CommandError: there is no such file, it cannot be read, or it has more than `MOST_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CommandError(f"There is no file {path}.") from error
    except IsADirectoryError as error:
        raise CommandError(f"{path} is a directory, not a file.") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise CommandError(f"The file {path} cannot be read: {reason(error)}.") from error
    if len(data) > MOST_BYTES:
        raise CommandError(f"The file {path} is larger than {MOST_BYTES >> 20} MB.")
    return data


def reason(error: Exception) -> str:
    """Returns why a file cannot be read or written, without its name where the system tells."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def check_output(path: Path) -> None:
    """Refuses an output path that cannot be written, before the work begins; links are followed.

    Raises:
        CommandError: the extension is unknown, the directory is missing or read-only, or it is no
            path of a file.
    """
    if path.suffix.lower() not in FORMATS:
        raise CommandError(f"The output {path} must end in one of {', '.join(FORMATS)}.")
    file = _followed(path)
    try:
        if file.is_dir():
            raise CommandError(f"The output {path} is a directory.")
        if not file.parent.is_dir():
            raise CommandError(f"There is no directory {file.parent} for the output.")
        if file.exists() and not file.is_file():
            raise CommandError(f"The output {path} is no regular file.")
    except OSError as error:  # a name too long
        raise CommandError(f"The output {path} cannot be written: {reason(error)}.") from error
    if not os.access(file.parent, os.W_OK):
        raise CommandError(f"The directory {file.parent} cannot be written to.")


def _followed(path: Path) -> Path:
    """Returns the file that a link leads to, or the path itself if it is no link.

    Raises:
        CommandError: links lead to each other.
    """
    try:
        return path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop, in Python 3.11 and 3.12
        raise CommandError(f"The link {path} leads nowhere.") from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to, which replaces `path` only when it is complete.

    After a full disk or an interrupt, an earlier file is unchanged. A link stays and leads to the
    new file, which has the permissions of the earlier one.

    Raises:
        CommandError: the file cannot be written.
    """
    file = _followed(path)
    # Not made of the file's name, which may be as long as the system allows.
    unfinished = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield unfinished
        if file.exists():
            _take_permissions(unfinished, file.stat())
        os.replace(unfinished, file)
    except (OSError, ValueError) as error:  # ValueError: too large for the format
        raise CommandError(f"The output {path} cannot be written: {reason(error)}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _take_permissions(file: Path, earlier: os.stat_result) -> None:
    """Gives a file the owner and the mode of an earlier one, as far as the system allows."""
    with suppress(OSError, AttributeError):  # not the superuser, or Windows
        os.chown(file, earlier.st_uid, earlier.st_gid)
    file.chmod(stat.S_IMODE(earlier.st_mode))  # afterwards: another owner clears some bits


def write_result(result: FusionResult, target: Photo, original: Original, path: Path) -> None:
    """Writes a result in the format of the path's extension, with visible mark and metadata.

    Args:
        result: of the fusion.
        target, original: the target photo, and what belongs to it, from `open_input`.
        path: of the file.

    Raises:
        CommandError: the file cannot be written.
    """
    finished = original.finish(result.image, target, faces=result.boxes)
    write_photo(finished.image, path, finished.belongings)


def write_photo(image: Photo, path: Path, belongings: Belongings | None = None) -> None:
    """Writes (H, W, 3 or 4) uint8 in the extension's format, with metadata of an AI-made picture.

    Raises:
        CommandError: the file cannot be written.
    """
    with whole_file(path) as unfinished:
        save(image, unfinished, path.suffix.lower(), belongings)
