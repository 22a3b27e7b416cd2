"""Runs the command line: `python -m facefusion COMMAND`."""

from __future__ import annotations

import sys

from facefusion.cli.main import main
from facefusion.machine.process import own_process


def run() -> int:
    """Runs the command `facefusion` in a process of its own."""
    own_process()
    return main()


if __name__ == "__main__":
    sys.exit(run())
