"""Reads and writes picture files of the command line; an output is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facefusion.errors import PhotoRole
from facefusion.images.marking import FORMATS, marked, save
from facefusion.images.reading import read_photo
from facefusion.types import FusionResult, Photo


class CommandError(Exception):
    """A command cannot be carried out as typed; the message is a whole sentence for the user."""


def read_input(path: Path, role: PhotoRole, *, number: int | None = None) -> Photo:
    """Reads a photo, (H, W, 3) RGB uint8.

    Args:
        path: the file.
        role: of the photo, for the error.
        number: its position among several face photos.

    Raises:
        CommandError: there is no such file.
        FusionError: it is no picture.
    """
    if not path.is_file():
        raise CommandError(f"There is no file {path}.")
    return read_photo(path, role, number=number)


def check_output(path: Path) -> None:
    """Refuses an output path that cannot be written, before the work begins.

    Raises:
        CommandError: the extension is unknown, or the directory is missing or read-only.
    """
    if path.suffix.lower() not in FORMATS:
        raise CommandError(f"The output {path} must end in one of {', '.join(FORMATS)}.")
    if path.is_dir():
        raise CommandError(f"The output {path} is a directory.")
    if not path.parent.is_dir():
        raise CommandError(f"There is no directory {path.parent} for the output.")
    if not os.access(path.parent, os.W_OK):
        raise CommandError(f"The directory {path.parent} cannot be written to.")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to, which replaces `path` only when it is complete.

    After a full disk or an interrupt, an earlier file is unchanged.

    Raises:
        CommandError: the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except (OSError, ValueError) as error:  # ValueError: too large for the format
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CommandError(f"The output {path} cannot be written: {reason}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def write_result(result: FusionResult, path: Path) -> None:
    """Writes a result in the format of the path's extension, with visible mark and metadata.

    Raises:
        CommandError: the file cannot be written.
    """
    write_photo(marked(result.image, faces=result.boxes, in_place=True), path)


def write_photo(image: Photo, path: Path) -> None:
    """Writes (H, W, 3) RGB uint8 in the extension's format, with metadata of an AI-made picture.

    Raises:
        CommandError: the file cannot be written.
    """
    with whole_file(path) as unfinished:
        save(image, unfinished, path.suffix.lower())
