"""Fuses many photos, one after another: `facefusion batch PAIRS.csv --out DIR`."""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from facefusion.cli import FAILED
from facefusion.cli.files import CommandError, open_input, read_input, write_result
from facefusion.cli.fuse import add_options, check_consent, open_pipeline
from facefusion.errors import FusionError
from facefusion.images.saving import extension_for
from facefusion.words import say


@dataclass(frozen=True)
class Pair:
    """A row of the list: `number` from 1 below the header, and resolved paths."""

    number: int
    source: Path
    target: Path

    def result_name(self, extension: str) -> str:
        """Returns the file name of the result.

        The number keeps pairs of equal names apart; long names are cut to stay writable.
        """
        return f"{self.number:04d}-{self.source.stem[:60]}-{self.target.stem[:60]}{extension}"


def add_parser(commands: Any) -> None:
    """Adds the command to argparse's sub-parsers."""
    parser = commands.add_parser(
        "batch", help="fuse a list of pairs", description="Fuses every pair of a list."
    )
    parser.add_argument(
        "pairs",
        type=Path,
        metavar="PAIRS.csv",
        help="columns source and target: files, relative to the list's directory",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="directory of the results, each in its target's format",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def read_pairs(path: Path) -> list[Pair]:
    """Reads a list of pairs, CSV with the columns `source` and `target`; other columns are ignored.

    Raises:
        CommandError: it is missing, not CSV, lacks a column or has no rows.
    """
    try:
        # Spreadsheets write a byte order mark.
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            if not {"source", "target"} <= set(rows.fieldnames or ()):
                raise CommandError(
                    f"The list {path} needs a first line with the columns source and target."
                )
            # A column is None if its row is too short.
            names = [(row["source"] or "", row["target"] or "") for row in rows]
    except OSError as error:
        raise CommandError(f"The list {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"The list {path} is not a CSV file in UTF-8.") from error
    if not names:
        raise CommandError(f"The list {path} holds no pairs.")
    return [
        Pair(i, path.parent / source, path.parent / target)
        for i, (source, target) in enumerate(names, 1)
    ]


def run(args: argparse.Namespace) -> int:
    """Fuses every pair; a pair that fails is reported and skipped.

    Returns:
        0, or `FAILED` if any pair failed.

    Raises:
        CommandError, WeightsError: no pair can be fused at all.
    """
    check_consent(args)
    pairs = read_pairs(args.pairs)
    directory: Path = args.out
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"The directory {directory} cannot be made: {error.strerror}."
        ) from error
    pipeline = open_pipeline(args)
    failed = 0
    for pair in tqdm(pairs, desc="fusing", unit="pair"):
        try:
            source = read_input(pair.source, "source")
            target, original = open_input(pair.target, "target")
            result = pipeline(source, target, tier=args.tier, likeness=args.likeness)
            extension = extension_for(original.belongings)
            write_result(result, target, original, directory / pair.result_name(extension))
            for note in original.notes_for("target", extension):
                tqdm.write(f"row {pair.number}: {say(f'note.{note}')}", file=sys.stderr)
        except (CommandError, FusionError) as error:
            failed += 1
            tqdm.write(f"row {pair.number}: {error}", file=sys.stderr)
        except Exception as error:  # a bug must not end a long list either
            failed += 1
            message = f"unexpected {type(error).__name__}: {error}"
            tqdm.write(f"row {pair.number}: {message}", file=sys.stderr)
    print(f"{len(pairs) - failed} of {len(pairs)} pairs fused into {directory}, {failed} failed")
    return FAILED if failed else 0
