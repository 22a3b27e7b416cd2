"""Reads and writes picture files of the command line; an output is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facefusion.decoding.belongings import Belongings
from facefusion.errors import PhotoRole
from facefusion.images.original import Original, open_photo
from facefusion.images.reading import read_photo
from facefusion.images.saving import FORMATS, save
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


def open_input(path: Path, role: PhotoRole, *, number: int | None = None) -> tuple[Photo, Original]:
    """Reads a photo as `read_input` does, and what belongs to it.

    Raises:
        CommandError, FusionError: see `read_input`.
    """
    if not path.is_file():
        raise CommandError(f"There is no file {path}.")
    return open_photo(path, role, number=number)


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
