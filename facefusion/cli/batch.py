"""Fuses many photos, one after another: `facefusion batch PAIRS.csv --out DIR`.

`facefusion batch TARGET ... --face FACE --out DIR` puts one face into several photos, or into those
of a folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from facefusion.cli import FAILED
from facefusion.cli.batch_report import NAME, Report
from facefusion.cli.files import CommandError, open_input, read_input, reason, write_result
from facefusion.cli.fuse import add_options, check_consent, open_pipeline
from facefusion.cli.pairs import Pair, pairs_of, read_pairs
from facefusion.errors import FusionError
from facefusion.images.reading import MAX_SOURCES
from facefusion.images.saving import extension_for
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.types import Photo
from facefusion.words import say


def add_parser(commands: Any) -> None:
    """Adds the command to argparse's sub-parsers."""
    parser = commands.add_parser(
        "batch",
        help="fuse a list of pairs, or a face into many photos",
        description="Fuses every pair of a list, or puts one face into many photos.",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="PAIRS.csv|TARGET",
        help="a list with the columns source and target, files relative to the list's directory; "
        "with --face, photos and folders of photos",
    )
    parser.add_argument(
        "--face",
        action="append",
        type=Path,
        metavar="FACE",
        help=f"photo of the face for all targets; up to {MAX_SOURCES} of one person",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help=f"directory of the results, as JPEG, WebP or PNG as suits each target, and of the report, {NAME}",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out what the report has as done, unless a photo or an option has changed",
    )
    add_options(parser)
    parser.set_defaults(run=run)


class _Faces:
    """Reads source photos, and keeps those that were read last."""

    def __init__(self) -> None:
        self._paths: tuple[Path, ...] = ()
        self._photos: list[Photo] = []

    def read(self, paths: Sequence[Path]) -> list[Photo]:
        """Reads the photos of one person; raises what `read_input` raises."""
        if tuple(paths) != self._paths:
            self._paths = ()
            numbers = range(1, len(paths) + 1) if len(paths) > 1 else [None]
            self._photos = [
                read_input(path, "source", number=number)
                for path, number in zip(paths, numbers, strict=True)
            ]
            self._paths = tuple(paths)
        return self._photos


def run(args: argparse.Namespace) -> int:
    """Fuses every pair; a pair that fails is reported and skipped.

    Returns:
        0, or `FAILED` if any pair failed.

    Raises:
        CommandError, FusionError, WeightsError: no pair can be fused at all.
    """
    check_consent(args)
    directory: Path = args.out
    faces = _Faces()
    pairs = _planned(args)
    if args.face:
        faces.read(args.face)  # a face that cannot be read ends it at once
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise CommandError(f"The directory {directory} cannot be made: {reason(error)}.") from error
    pipeline = open_pipeline(args)
    report = Report(directory, pairs, _options(args), resume=args.resume)
    failed = 0
    for pair in tqdm(pairs, desc="fusing", unit="pair"):
        if pair.number in report.kept:
            continue
        found = _outcome(args, pipeline, report, faces, pair)
        report.add(pair, found)
        if found["status"] == "failed":
            failed += 1
            tqdm.write(f"row {pair.number}: {found['message']}", file=sys.stderr)
    made = len(pairs) - len(report.kept) - failed
    kept = f", {len(report.kept)} were there" if args.resume else ""
    print(f"{made} of {len(pairs)} pairs fused into {directory}{kept}, {failed} failed")
    return FAILED if failed else 0


def _planned(args: argparse.Namespace) -> list[Pair]:
    """Returns the pairs that the arguments name.

    Raises:
        CommandError: they name none.
    """
    if args.face:
        if len(args.face) > MAX_SOURCES:
            raise CommandError(
                f"At most {MAX_SOURCES} face photos can be given, not {len(args.face)}."
            )
        return pairs_of(args.face, args.inputs, args.out)
    if len(args.inputs) > 1:
        raise CommandError("Several targets need the photo of a face: name it with --face.")
    return read_pairs(args.inputs[0])


def _options(args: argparse.Namespace) -> str:
    """Returns the options that change a result, for the report."""
    named = {name: getattr(args, name) for name in ("tier", "likeness", "weights", "models")}
    return " ".join(f"{name}={value}" for name, value in named.items() if value is not None)


def _outcome(
    args: argparse.Namespace, pipeline: FusionPipeline, report: Report, faces: _Faces, pair: Pair
) -> dict[str, str]:
    """Fuses a pair and writes its result; returns its columns in the report."""
    try:
        return _fused(args, pipeline, report, faces, pair)
    except (CommandError, FusionError) as error:
        return {"status": "failed", "message": str(error)}
    except Exception as error:  # a bug must not end a long list either
        return {"status": "failed", "message": f"unexpected {type(error).__name__}: {error}"}


def _fused(
    args: argparse.Namespace, pipeline: FusionPipeline, report: Report, faces: _Faces, pair: Pair
) -> dict[str, str]:
    if pair.fault:
        raise CommandError(pair.fault)
    sources = faces.read(pair.sources)
    target, original = open_input(pair.target, "target")
    result = pipeline(sources, target, tier=args.tier, likeness=args.likeness)
    extension = extension_for(original.belongings)
    name = report.name_for(pair, extension)
    write_result(result, target, original, args.out / name)
    notes = [say(f"note.{note}") for note in original.notes_for("target", extension)]
    for note in notes:
        tqdm.write(f"row {pair.number}: {note}", file=sys.stderr)
    return {
        "status": "done",
        "result": name,
        "message": " ".join([*(say(f"flaw.{flaw}") for flaw in result.flaws), *notes]),
        "identity_similarity": f"{result.identity_similarity:.4f}",
        "tier": str(result.tier),
        "seconds": f"{result.timings.total:.2f}",
    }
