"""Evaluates the product, with external judges if installed: `facefusion evaluate --data DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from facefusion.cli.files import CommandError
from facefusion.machine.cpu import describe_machine
from facefusion.tiers import TIERS, Tier

if TYPE_CHECKING:
    from facefusion.evaluation.run import Request

OUT: Final = Path("out/evaluation")
WORST: Final = 8
#: Tables that can be made instead of the report, with their help texts.
TABLES: Final = {
    "steps": "instead: what each step of the warp and of composing brings, steps.md",
    "degraded": "instead: sharpness and grain of faces in noisy, blurred and small targets, degraded.md",
}


def add_parser(commands: Any) -> None:
    """Adds the command to argparse's sub-parsers."""
    parser = commands.add_parser(
        "evaluate",
        help="measure quality on a data folder",
        description="Fuses pairs of a data folder and writes a report.",
    )
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder with faces.csv, mesh468.npz, images",
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        metavar="CSV",
        help="columns source, target, relative to DIR (default: drawn)",
    )
    parser.add_argument(
        "--hard",
        type=Path,
        metavar="CSV",
        help="pairs for a section of their own; may have a column why",
    )
    parser.add_argument(
        "--tiers",
        type=_tiers,
        default=list(TIERS),
        metavar="LIST",
        help="such as fast,best (default: all)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="FOLDER",
        help="for the report (default: %(default)s)",
    )
    parser.add_argument(
        "--limit", type=_positive, metavar="N", help="only the first N pairs of each list"
    )
    parser.add_argument(
        "--worst", type=_count, default=WORST, metavar="N", help="rows of a sheet, 0 for no sheets"
    )
    parser.add_argument(
        "--identity-judge",
        type=Path,
        metavar="FILE",
        help="MobileFaceNet ONNX (default: our own network)",
    )
    parser.add_argument(
        "--gallery",
        type=Path,
        metavar="FILE",
        help=".npy, embeddings of other people by that judge",
    )
    table = parser.add_mutually_exclusive_group()
    for name, made in TABLES.items():
        table.add_argument(
            f"--{name}", dest="table", action="store_const", const=name, default="", help=made
        )
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="directory of the networks (default: embedded)"
    )
    parser.set_defaults(run=run)


def _tiers(words: str) -> list[Tier]:
    try:
        named = dict.fromkeys(Tier(word.strip()) for word in words.split(","))
        return [tier for tier in named if TIERS[tier]]
    except (ValueError, KeyError) as error:
        raise argparse.ArgumentTypeError(
            f"{words!r} is not a list of {', '.join(TIERS)}"
        ) from error


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of 1 or more")
    return int(word)


def _count(word: str) -> int:
    return 0 if word == "0" else _positive(word)


def run(args: argparse.Namespace) -> int:
    """Evaluates and writes the report; failed pairs do not change the exit code.

    Raises:
        CommandError, WeightsError: see their messages.
    """
    # Imported late: serving includes the command line, but must not import the evaluation.
    from facefusion.evaluation.pairs import DataError
    from facefusion.evaluation.run import Request

    named = describe_machine()  # before the work adds to the load
    request = Request(**{name: value for name, value in vars(args).items() if name != "run"})
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        print("\n".join(_made(request, named)))
    except DataError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            f"The report cannot be written to {request.out}: {error.strerror or error}."
        ) from error
    return 0


def _made(request: Request, named: dict[str, Any]) -> list[str]:
    """Makes the requested report, and returns a summary of it."""
    if request.table == "steps":
        from facefusion.evaluation.steps_report import steps_report

        path, failed = steps_report(request, named)
        return [f"{failed} results failed", f"{path}: the table"]
    if request.table == "degraded":
        from facefusion.evaluation.degraded_report import degraded_report

        path, failed = degraded_report(request, named)
        return [f"{failed} results failed", f"{path}: the table"]
    from facefusion.evaluation.run import evaluate

    path, sections = evaluate(request, named)
    told = []
    for section in sections:
        failed = sum(case.failure is not None for case in section.cases)
        told.append(f"{section.title}: {len(section.cases)} results, {failed} failed")
    return [*told, f"{path}: the report"]
