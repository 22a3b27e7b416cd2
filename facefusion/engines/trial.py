"""Compares engines in a child process that `selection.try_apart` starts."""

from __future__ import annotations

import json
import sys

from facefusion.engines.selection import answered, try_engines, unpacked
from facefusion.machine.child import end_with_parent


def main() -> None:
    """Answers one request from standard input."""
    end_with_parent()
    files, threads = unpacked(json.load(sys.stdin))
    print(json.dumps(answered(try_engines(files, threads))))


if __name__ == "__main__":
    main()
