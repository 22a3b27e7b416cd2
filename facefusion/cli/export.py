"""Exports the networks for other runtimes: `facefusion export --format FORMAT --out DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from facefusion.cli.files import CommandError

FORMATS: Final = ("onnx", "tflite", "coreml", "tensorrt")


def add_parser(commands: Any) -> None:
    """Adds the command to argparse's sub-parsers."""
    parser = commands.add_parser(
        "export", help="write the networks in other formats", description="Exports the networks."
    )
    parser.add_argument("--format", required=True, choices=FORMATS, help="what to write")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="directory of the files (default: out/FORMAT)"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="directory of the networks (default: embedded)"
    )
    parser.add_argument(
        "--checkpoints", type=Path, metavar="DIR", help="directory of the trained networks"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exports the networks, and prints every file with its size.

    Raises:
        CommandError, WeightsError: see their messages.
    """
    out: Path = args.out or Path("out", args.format)
    try:
        from facefusion.export import formats  # imports torch

        files = formats.export(args.format, args.weights, args.checkpoints, out)
    except ImportError as error:
        needed = f"The format {args.format} needs a package that is not installed: {error.name}."
        raise CommandError(f"{needed} requirements-dev.txt says which one.") from error
    except OSError as error:
        raise CommandError(
            f"The files cannot be written to {out}: {error.strerror or error}."
        ) from error
    for file in files:
        print(f"{file['path']}: {file['bytes'] / 1e6:.2f} MB")
    for file in files:
        if file["command"]:
            print(file["command"])
    return 0
