"""Fuses one photo: `facefusion fuse SOURCE [SOURCE ...] TARGET -o OUT`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from facefusion.cli.files import CommandError, check_output, open_input, write_result
from facefusion.pipeline.options import LIKENESS
from facefusion.pipeline.pipeline import MAX_SOURCES, FusionPipeline
from facefusion.studio.insightface_models import ACCEPT_VARIABLE, ARCFACE, SWAPPER
from facefusion.tiers import TIERS, Tier
from facefusion.words import grade, listed, say

#: Statement that the user makes by `--i-have-consent`.
CONSENT: Final = (
    "you may use the photos, everyone in them is an adult who agreed, and the results are not "
    "sexual and deceive nobody"
)
_LIKENESS_HELP: Final = (
    "0 keeps the photo's expression and face shape, "
    "1 takes the person's features and some of their face shape"
)


def add_parser(commands: Any) -> None:
    """Adds the command to argparse's sub-parsers."""
    parser = commands.add_parser(
        "fuse", help="put a face into a photo", description="Puts a face into a photo."
    )
    parser.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help=f"photo of the face; up to {MAX_SOURCES} of one person",
    )
    parser.add_argument(
        "target", type=Path, metavar="TARGET", help="photo whose largest face is replaced"
    )
    parser.add_argument(
        "-o", "--out", required=True, type=Path, metavar="OUT", help="result: .png, .jpg or .webp"
    )
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of all fusing commands."""
    tiers = "; ".join(f"{tier}: {spec.description.rstrip('.')}" for tier, spec in TIERS.items())
    parser.add_argument(
        "--tier",
        choices=[tier.value for tier in Tier],
        default=Tier.AUTO.value,
        help=f"auto (the default): the best for which this machine has time; {tiers}",
    )
    parser.add_argument(
        "--likeness",
        type=parse_share,
        default=LIKENESS,
        metavar="L",
        help=f"from 0 to 1: {_LIKENESS_HELP} (default: {LIKENESS})",
    )
    parser.add_argument("--i-have-consent", action="store_true", help=f"needed: {CONSENT}")
    parser.add_argument(
        "--weights",
        metavar="DIR|owner/repo@REVISION",
        help="directory or repository of the networks (default: embedded)",
    )
    parser.add_argument(
        "--models",
        metavar="DIR|owner/repo@REVISION",
        help="insightface's models, for better faces and Studio",
    )
    parser.add_argument(
        "--accept-licence", metavar="WORD", default="", help="accepts the licence of --models"
    )


def open_pipeline(args: argparse.Namespace) -> FusionPipeline:
    """Opens the pipeline from the arguments of `add_options`.

    Raises:
        WeightsError: weights or models cannot be used, or a licence is not accepted.
        CommandError: the tier needs models that were not named.
    """
    pipeline = FusionPipeline.from_pretrained(
        args.weights,
        models=args.models,
        accept_licence=args.accept_licence or os.environ.get(ACCEPT_VARIABLE, ""),
    )
    if args.tier not in pipeline.tiers:
        raise CommandError(
            f"The tier {args.tier} needs {ARCFACE} and {SWAPPER}: name their directory with --models."
        )
    return pipeline


def check_consent(args: argparse.Namespace) -> None:
    """Requires the statement that the photos may be used for this.

    Raises:
        CommandError: `--i-have-consent` is missing.
    """
    if not args.i_have_consent:
        raise CommandError(f"Please add --i-have-consent to state that {CONSENT}.")


def parse_share(text: str) -> float:
    """Parses a number between 0 and 1.

    Raises:
        ArgumentTypeError: it is no such number.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def run(args: argparse.Namespace) -> int:
    """Fuses and writes one photo.

    Raises:
        CommandError, FusionError, WeightsError: see their messages.
    """
    check_consent(args)
    paths: list[Path] = args.sources
    if len(paths) > MAX_SOURCES:
        raise CommandError(f"At most {MAX_SOURCES} face photos can be given, not {len(paths)}.")
    check_output(args.out)
    numbers = range(1, len(paths) + 1) if len(paths) > 1 else [None]
    opened = [
        open_input(path, "source", number=number)
        for path, number in zip(paths, numbers, strict=True)
    ]
    target, original = open_input(args.target, "target")
    sources = [photo for photo, _ in opened]
    result = open_pipeline(args)(sources, target, tier=args.tier, likeness=args.likeness)
    write_result(result, target, original, args.out)
    similarity = result.identity_similarity
    match = f"identity similarity {similarity:.2f}, {grade(similarity)} resemblance"
    print(f"{args.out}: {match}, {result.timings.total:.2f} s, tier {result.tier}")
    for flaw in result.flaws:
        print(say(f"flaw.{flaw}"))
    if result.kept:
        print(f"{say('stays')} {listed(f'stays.{kept}' for kept in result.kept)}.")
    for path, (_, own) in zip(paths, opened, strict=True):
        print_notes(path, own.notes_for("source", ""))
    print_notes(args.target, original.notes_for("target", args.out.suffix.lower()))
    return 0


def print_notes(path: Path, notes: Sequence[str]) -> None:
    """Prints sentences about what was special in a photo's file."""
    for note in notes:
        print(f"{path}: {say(f'note.{note}')}")
