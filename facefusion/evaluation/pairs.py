"""Reads lists of source and target pairs, and draws pairs from a data folder's validation split."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

#: Number of drawn pairs if no list is given.
DEFAULT_PAIRS: Final = 60
#: Seed of the drawing.
SEED: Final = 20
#: Largest difference of yaw between the two faces of a drawn pair, in degrees.
MAX_YAW_DIFFERENCE: Final = 20.0
#: Yaw in degrees below which a face is frontal enough for the measures of realism.
FRONTAL_YAW: Final = 14.0
#: Smallest eye distance in pixels for them; a smaller face has no detail in the finest band.
LEAST_EYE_DISTANCE: Final = 60.0
#: Places in the drawn order between a source and its target.
SHIFT: Final = 11
#: Seed of this order.
ORDER_SEED: Final = 20261122


class DataError(ValueError):
    """The data or a list cannot be used; the message is a whole sentence for the user."""


@dataclass(frozen=True)
class Pair:
    """Files of source and target, relative to the data folder, and `why` they were chosen."""

    source: str
    target: str
    why: str = ""


@dataclass(frozen=True)
class ValFace:
    """A face of the validation split: `file` relative to the data folder, `yaw` in degrees."""

    file: str
    yaw: float


def _rows(path: Path, columns: set[str]) -> Iterator[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            if not columns <= set(rows.fieldnames or ()):
                raise DataError(
                    f"{path} needs a first line with the columns {', '.join(sorted(columns))}."
                )
            for row in rows:
                yield {key: value or "" for key, value in row.items() if key}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file in UTF-8.") from error


def read_pairs(path: Path, folder: Path) -> list[Pair]:
    """Reads a list of pairs.

    Args:
        path: CSV with the columns `source` and `target`, relative to `folder`, and optionally
            `why`.
        folder: the data folder.

    Raises:
        DataError: it cannot be read, lacks a column, has no rows, or names a missing file.
    """
    pairs = [
        Pair(row["source"], row["target"], row.get("why", "").strip())
        for row in _rows(path, {"source", "target"})
    ]
    if not pairs:
        raise DataError(f"{path} holds no pairs.")
    for name in (name for pair in pairs for name in (pair.source, pair.target)):
        if not (folder / name).is_file():
            raise DataError(
                f"{path} names {name or 'nothing'}, which is no file in the data folder."
            )
    return pairs


def val_faces(folder: Path) -> list[ValFace]:
    """Reads the validation split of `faces.csv`, in its order.

    Raises:
        DataError: the file cannot be read or has another form.
    """
    path = folder / "faces.csv"
    try:
        rows = _rows(path, {"file", "split", "yaw_deg"})
        return [
            ValFace(row["file"], float(row["yaw_deg"])) for row in rows if row["split"] == "val"
        ]
    except ValueError as error:
        raise (
            error
            if isinstance(error, DataError)
            else DataError(f"{path}: yaw_deg must be a number.")
        ) from error


def draw_pairs(faces: list[ValFace], count: int = DEFAULT_PAIRS, seed: int = SEED) -> list[Pair]:
    """Draws pairs whose yaws differ by less than `MAX_YAW_DIFFERENCE`, each photo once per role.

    Args:
        faces: the faces to draw from.
        count: most pairs; the first ones are the same for every count.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    targets, sources = ([faces[i] for i in rng.permutation(len(faces))] for _ in range(2))
    pairs: list[Pair] = []
    for target in targets:
        if len(pairs) == count:
            break
        for i, source in enumerate(sources):
            if source != target and abs(source.yaw - target.yaw) < MAX_YAW_DIFFERENCE:
                pairs.append(Pair(sources.pop(i).file, target.file))
                break
    return pairs


def frontal_faces(folder: Path) -> list[str]:
    """Lists the files of the validation split, in its order, for the measures of realism.

    Raises:
        DataError: `faces.csv` cannot be read or has another form.
    """
    path = folder / "faces.csv"
    try:
        return [
            row["file"]
            for row in _rows(path, {"file", "split", "yaw_deg", "eye_distance_px"})
            if row["split"] == "val"
            and abs(float(row["yaw_deg"])) < FRONTAL_YAW
            and float(row["eye_distance_px"]) > LEAST_EYE_DISTANCE
        ]
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: yaw_deg and eye_distance_px must be numbers.") from error


def shifted_pairs(files: list[str], shift: int = SHIFT, seed: int = ORDER_SEED) -> list[Pair]:
    """Pairs each file with the one `shift` places later in a drawn order, each once per role.

    Args:
        files: the files to pair; a single one gives no pair.
        shift: places, modulo the number of files.
        seed: of the order.
    """
    order = [files[i] for i in np.random.default_rng(seed).permutation(len(files))]
    count = len(order)
    pairs = [Pair(order[i], order[(i + shift) % count]) for i in range(count)]
    return [pair for pair in pairs if pair.source != pair.target]
