"""The report of `facefusion batch`: a CSV file with a row for each pair, from which it resumes."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from facefusion.cli.files import CommandError, reason, whole_file
from facefusion.cli.pairs import Pair

#: Name of the report in the directory of the results.
NAME: Final = "report.csv"
#: Columns of the report; `options` are those that change a result.
COLUMNS: Final = (
    "row", "source", "target", "result", "status", "message", "identity_similarity", "tier", "seconds", "options",
)  # fmt: skip
#: Between the photos of one person.
_AND: Final = " + "


class Report:
    """A report that is written row by row, so that an interrupted batch leaves it complete so far.

    Args:
        directory: of the results.
        pairs: all that are to be fused.
        options: those that change a result, in words.
        resume: whether to keep the rows of an earlier report whose results need not be made again.

    Attributes:
        kept: numbers of the pairs whose results are there.

    Raises:
        CommandError: the report cannot be written.
    """

    def __init__(
        self, directory: Path, pairs: Sequence[Pair], options: str, *, resume: bool
    ) -> None:
        self._path, self._options = directory / NAME, options
        earlier = _read(self._path) if resume else []
        made = {
            tuple(row[name] for name in ("source", "target", "options")): row for row in earlier
        }
        results = _results(directory) if made else {}
        rows = [
            {**row, "row": str(pair.number), "result": results[row["result"]]}
            for pair in pairs
            if (row := made.get((*_names(pair), options)))
            and row["status"] == "done"
            and row["result"] in results
            and _is_current(directory / results[row["result"]], pair)
        ]
        self.kept = {int(row["row"]) for row in rows}
        self._names = {row["result"] for row in rows}
        with whole_file(self._path) as unfinished:
            # Spreadsheets take a file with a byte order mark for UTF-8.
            unfinished.write_text("\ufeff", encoding="utf-8")
            _append(unfinished, [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows])

    def name_for(self, pair: Pair, extension: str) -> str:
        """Returns the file name of a pair's result, which no other pair of the report has."""
        name = pair.result_name(extension)
        number = 1
        while name in self._names:
            number += 1
            name = pair.result_name(f"-{number}{extension}")
        self._names.add(name)
        return name

    def add(self, pair: Pair, found: Mapping[str, str]) -> None:
        """Writes the row of a pair.

        Args:
            pair: the pair.
            found: further columns.

        Raises:
            CommandError: it cannot be written.
        """
        source, target = _names(pair)
        row = {"row": str(pair.number), "source": source, "target": target, **found}
        try:
            _append(self._path, [{**row, "options": self._options}])
        except OSError as error:
            raise CommandError(
                f"The report {self._path} cannot be written: {reason(error)}."
            ) from error


def _names(pair: Pair) -> tuple[str, str]:
    """Returns the photos as they stand in the report, whatever the current directory."""
    source = _AND.join(map(os.path.abspath, pair.sources))
    return _printable(source), _printable(os.path.abspath(pair.target))


def _printable(name: str) -> str:
    """Escapes the bytes of a name that are no letters, which UTF-8 cannot hold."""
    return name.encode(errors="backslashreplace").decode()


def _results(directory: Path) -> dict[str, str]:
    """Returns the names in a directory by what they are in the report, `_printable`."""
    try:
        return {_printable(name): name for name in os.listdir(directory)}
    except OSError:
        return {}


def _is_current(result: Path, pair: Pair) -> bool:
    """Returns whether a result is no older than its photos."""
    try:
        made = result.stat().st_mtime_ns
        return all(path.stat().st_mtime_ns <= made for path in (*pair.sources, pair.target))
    except (OSError, ValueError):
        return False


def _read(path: Path) -> list[dict[str, str]]:
    """Reads the rows of a report; rows that are incomplete are left out, as is a missing report."""
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            for row in csv.DictReader(file):
                if all(isinstance(row.get(column), str) for column in COLUMNS):
                    rows.append(row)
    except (OSError, csv.Error):
        return rows
    return rows


def _append(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("a", newline="", encoding="utf-8", errors="backslashreplace") as file:
        csv.DictWriter(file, COLUMNS, restval="").writerows(rows)
