"""Command line, with one file for each command."""

from __future__ import annotations

from typing import Final

#: Exit code of every error that the user can correct; argparse uses the same for wrong arguments.
FAILED: Final = 2
