"""`facefusion fuse SOURCE [SOURCE ...] TARGET -o OUT`: one photo."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from facefusion.cli.files import CommandError, check_output, read_input, write_photo
from facefusion.pipeline import LIKENESS, MAX_SOURCES, FusionPipeline
from facefusion.tiers import TIERS, Tier

_LIKENESS = "0 keeps the photo's expression and face shape, 1 takes the person's features and some of their face shape"


def add_parser(commands: Any) -> None:
    """Adds the command to argparse's sub-parsers."""
    parser = commands.add_parser("fuse", help="put a face into a photo", description="Puts a face into a photo.")
    parser.add_argument(
        "sources", nargs="+", type=Path, metavar="SOURCE", help=f"photo of the face; up to {MAX_SOURCES} of one person"
    )
    parser.add_argument("target", type=Path, metavar="TARGET", help="photo whose largest face is replaced")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="OUT", help="result: .png, .jpg or .webp")
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what every fusing command understands."""
    tiers = "; ".join(f"{tier}: {spec.description.rstrip('.')}" for tier, spec in TIERS.items())
    parser.add_argument(
        "--tier",
        choices=[tier.value for tier in Tier],
        default=Tier.AUTO.value,
        help=f"auto (the default): the best for which this machine has time; {tiers}",
    )
    parser.add_argument(
        "--likeness", type=share, default=LIKENESS, metavar="L", help=f"from 0 to 1: {_LIKENESS} (default: {LIKENESS})"
    )
    parser.add_argument("--weights", type=Path, metavar="DIR", help="directory of the networks (default: embedded)")


def share(text: str) -> float:
    """A number between 0 and 1 from the command line."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError
    return value


def run(args: argparse.Namespace) -> int:
    """Fuses and writes one photo.

    Raises:
        CommandError, FusionError, WeightsError: see their messages.
    """
    sources: list[Path] = args.sources
    if len(sources) > MAX_SOURCES:
        raise CommandError(f"At most {MAX_SOURCES} face photos can be given, not {len(sources)}.")
    check_output(args.out)
    several = len(sources) > 1
    faces = [read_input(path, "source", number=i if several else None) for i, path in enumerate(sources, 1)]
    target = read_input(args.target, "target")
    result = FusionPipeline.from_pretrained(args.weights)(faces, target, tier=args.tier, likeness=args.likeness)
    write_photo(result.image, args.out)
    print(f"{args.out}: identity match {result.identity_similarity:.2f}, {result.timings.total:.2f} s, tier {result.tier}")
    return 0
