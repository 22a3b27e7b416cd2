"""Parses the command line; errors are one sentence and exit code 2."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

import facefusion
from facefusion.cli import FAILED, batch, bench, evaluate, export, fuse, hub
from facefusion.cli.files import CommandError
from facefusion.errors import FusionError, WeightsError

#: Exit code of a process that was interrupted, 128 + SIGINT.
INTERRUPTED: Final = 130


def make_parser() -> argparse.ArgumentParser:
    """Builds the parser; each command stores its function as `run`."""
    parser = argparse.ArgumentParser(
        prog="facefusion", description="Puts one person's face into another photo."
    )
    parser.add_argument(
        "--version", action="version", version=f"facefusion {facefusion.__version__}"
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (fuse, batch, bench, evaluate, export, hub):
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: arguments after the program's name; those of this process by default.

    Returns:
        The exit code: 0, or 2 with the reason on stderr.
    """
    _say_any_name()
    args = make_parser().parse_args(argv)
    try:
        code = int(args.run(args))
        print(end="", flush=True)
        return code
    except (CommandError, FusionError, WeightsError) as error:
        print(f"facefusion: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("facefusion: stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `facefusion ... | head`: nobody reads the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the flush at the end
        return FAILED


def _say_any_name() -> None:
    """Lets the output escape letters that its encoding lacks, such as those of a file's name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
