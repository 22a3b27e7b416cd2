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

#: Default folder of the report.
OUT: Final = Path("out/evaluation")
#: Default number of rows of a sheet.
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
    _add_inputs(parser)
    _add_outputs(parser)
    parser.set_defaults(run=run)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    """Adds the options of what is fused and judged."""
    file: dict[str, Any] = {"type": Path, "metavar": "FILE"}
    table: dict[str, Any] = {"type": Path, "metavar": "CSV"}
    folder: dict[str, Any] = {"type": Path, "metavar": "DIR"}
    parser.add_argument(
        "--data", required=True, help="folder with faces.csv, mesh468.npz, images", **folder
    )
    parser.add_argument(
        "--pairs", help="columns source, target, relative to DIR (default: drawn)", **table
    )
    parser.add_argument(
        "--hard", help="pairs for a section of their own; may have a column why", **table
    )
    parser.add_argument(
        "--tiers",
        type=_tiers,
        default=list(TIERS),
        metavar="LIST",
        help="such as fast,best (default: all)",
    )
    parser.add_argument(
        "--limit", type=_positive, metavar="N", help="only the first N pairs of each list"
    )
    parser.add_argument(
        "--identity-judge", help="MobileFaceNet ONNX (default: our own network)", **file
    )
    parser.add_argument("--gallery", help=".npy, embeddings of other people by that judge", **file)
    parser.add_argument("--weights", help="directory of the networks (default: embedded)", **folder)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds the options of what is written."""
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="FOLDER",
        help="for the report (default: %(default)s)",
    )
    parser.add_argument(
        "--worst", type=_count, default=WORST, metavar="N", help="rows of a sheet, 0 for no sheets"
    )
    tables = parser.add_mutually_exclusive_group()
    for name, text in TABLES.items():
        tables.add_argument(
            f"--{name}", dest="table", action="store_const", const=name, default="", help=text
        )


def _tiers(text: str) -> list[Tier]:
    """Parses a list of tiers; Auto and Studio are none of `TIERS`."""
    try:
        tiers = dict.fromkeys(Tier(word.strip()) for word in text.split(","))
        return [tier for tier in tiers if TIERS[tier]]
    except (ValueError, KeyError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(TIERS)}") from error


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _count(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def run(args: argparse.Namespace) -> int:
    """Evaluates and writes the report; failed pairs do not change the exit code.

    Raises:
        CommandError, WeightsError: see their messages.
    """
    # Imported late: serving includes the command line, but must not import the evaluation.
    from facefusion.evaluation.pairs import DataError
    from facefusion.evaluation.run import Request

    machine = describe_machine()  # before the work adds to the load
    request = Request(**{name: value for name, value in vars(args).items() if name != "run"})
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        print("\n".join(_write(request, machine)))
    except DataError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            f"The report cannot be written to {request.out}: {error.strerror or error}."
        ) from error
    return 0


def _write(request: Request, machine: dict[str, Any]) -> list[str]:
    """Writes the requested report, and returns a summary of it."""
    if request.table == "steps":
        from facefusion.evaluation.steps_report import steps_report

        path, failed = steps_report(request, machine)
        return [f"{failed} results failed", f"{path}: the table"]
    if request.table == "degraded":
        from facefusion.evaluation.degraded_report import degraded_report

        path, failed = degraded_report(request, machine)
        return [f"{failed} results failed", f"{path}: the table"]
    from facefusion.evaluation.run import evaluate

    path, sections = evaluate(request, machine)
    summary = []
    for section in sections:
        failed = sum(case.failure is not None for case in section.cases)
        summary.append(f"{section.title}: {len(section.cases)} results, {failed} failed")
    return [*summary, f"{path}: the report"]
