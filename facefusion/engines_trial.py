"""Compares engines in a child process that `engines.try_apart` starts."""

from __future__ import annotations

import json
import sys

from facefusion.child import end_with_parent
from facefusion.engines import answered, try_engines, unpacked


def main() -> None:
    """Answers one request from standard input."""
    end_with_parent()
    files, threads = unpacked(json.load(sys.stdin))
    print(json.dumps(answered(try_engines(files, threads))))


if __name__ == "__main__":
    main()
