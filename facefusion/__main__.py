"""Runs the command line: `python -m facefusion COMMAND`."""

from __future__ import annotations

import sys
from typing import Final

from facefusion.cli.main import main
from facefusion.machine.process import end_without_room, own_process

#: Threads that a command starts beside its own, at most, with networks of one thread.
LEAST_TASKS: Final = 4


def run() -> int:
    """Runs the command `facefusion` in a process of its own."""
    own_process()
    end_without_room(LEAST_TASKS)
    return main()


if __name__ == "__main__":
    sys.exit(run())
