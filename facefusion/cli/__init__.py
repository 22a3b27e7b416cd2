"""Runs the command line; each command has its own file."""

from __future__ import annotations

from typing import Final

#: Exit code of every error that the user can correct; argparse uses the same for wrong arguments.
FAILED: Final = 2
