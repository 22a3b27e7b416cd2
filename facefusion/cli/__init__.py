"""The command line: one file a command."""

from __future__ import annotations

from typing import Final

#: Exit code of everything the user can mend; argparse uses the same for a command that is not
#: understood.
FAILED: Final = 2
