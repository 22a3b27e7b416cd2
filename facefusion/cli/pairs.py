"""Reads what `facefusion batch` fuses: a list of pairs, or one face and its target photos."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from facefusion.cli.files import CommandError, reason

#: Most bytes of a photo's name in the name of a result: two of them, number and extension are less
#: than 143 bytes, which encrypted file systems (eCryptfs) allow; others allow 255.
NAME_BYTES: Final = 60
#: Extensions of the photos of a folder.
EXTENSIONS: Final = frozenset(
    (".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
#: Directories of pipes and standard input, to which the files of a list are not relative.
_STREAMS: Final = (Path("/dev"), Path("/proc"))


@dataclass(frozen=True)
class Pair:
    """A fusion of a batch.

    Attributes:
        number: of the row, from 1 below the header, or of the target photo.
        sources: photos of one person.
        target: the photo that gets the face.
        fault: why it cannot be fused, or empty.
    """

    number: int
    sources: tuple[Path, ...]
    target: Path
    fault: str = ""

    def result_name(self, extension: str) -> str:
        """Returns the file name of the result.

        The number keeps pairs of equal names apart; long names are cut to stay writable.
        """
        names = "-".join(shortened(path.stem) for path in (self.sources[0], self.target))
        return f"{self.number:04d}-{names}{extension}"


def shortened(name: str) -> str:
    """Cuts a name to `NAME_BYTES`, which is what file systems count, between two characters."""
    while len(os.fsencode(name)) > NAME_BYTES:
        name = name[:-1]
    return name


def read_pairs(path: Path) -> list[Pair]:
    """Reads a list of pairs, CSV with the columns `source` and `target`; other columns are ignored.

    A row that cannot be used is a pair with a `fault`.

    Raises:
        CommandError: it is missing, not CSV, lacks a column or has no rows.
    """
    base = Path() if any(path.is_relative_to(each) for each in _STREAMS) else path.parent
    try:
        # Spreadsheets write a byte order mark; other bytes than UTF-8 may still name a file.
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            pairs = [_pair(i, row, base) for i, row in enumerate(_rows(path, file), 1)]
    except (OSError, ValueError) as error:
        raise CommandError(f"The list {path} cannot be read: {reason(error)}.") from error
    if not pairs:
        raise CommandError(f"The list {path} holds no pairs.")
    return pairs


def _rows(path: Path, file: IO[str]) -> Iterator[dict[str, str] | csv.Error]:
    """Yields the rows of a list, or the error of a row that is no CSV."""
    rows = csv.DictReader(file, skipinitialspace=True)
    try:
        columns = set(rows.fieldnames or ())
        "".join(columns).encode()
    except (csv.Error, UnicodeEncodeError) as error:
        raise CommandError(f"The list {path} is not a CSV file in UTF-8.") from error
    if not {"source", "target"} <= columns:
        raise CommandError(
            f"The list {path} needs a first line with the columns source and target."
        )
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield error


def _pair(number: int, row: dict[str, str] | csv.Error, base: Path) -> Pair:
    if isinstance(row, csv.Error):
        return Pair(number, (base,), base, f"This is no row of a CSV file: {row}.")
    # A column is None if its row is too short.
    source, target = row["source"] or "", row["target"] or ""
    missing = [name for name, value in (("source", source), ("target", target)) if not value]
    fault = f"The row has no {' and no '.join(missing)}." if missing else ""
    return Pair(number, (base / source,), base / target, fault)


def pairs_of(faces: Sequence[Path], targets: Iterable[Path], out: Path) -> list[Pair]:
    """Returns the pairs of one face with target photos, and with the photos in folders.

    Args:
        faces: photos of one person.
        targets: photos, and folders, whose subfolders are left out.
        out: directory of the results, which is none of the folders.

    Raises:
        CommandError: a folder cannot be read, holds no photos, or is `out`.
    """
    photos: list[Path] = []
    for target in targets:
        photos += _photos(target, out) if os.path.isdir(target) else [target]
    return [Pair(i, tuple(faces), photo) for i, photo in enumerate(photos, 1)]


def _photos(folder: Path, out: Path) -> list[Path]:
    """Lists the photos in a folder by name, without pipes and folders that are named as photos."""
    if _is_same(folder, out):
        raise CommandError(f"The results must go to another directory than {folder}.")
    try:
        photos = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in EXTENSIONS
            and not path.name.startswith(".")
            and (path.is_file() or path.is_symlink())
        ]
    except OSError as error:
        raise CommandError(f"The folder {folder} cannot be read: {reason(error)}.") from error
    if not photos:
        raise CommandError(f"The folder {folder} holds no photos.")
    return sorted(photos)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # the other one is not there yet
        return False
