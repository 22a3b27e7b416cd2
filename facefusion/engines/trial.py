"""Compares engines in a child process that `trials.try_in_child` starts."""

from __future__ import annotations

import json
import sys

from facefusion.engines.trials import decode_request, encode_trials, try_engines
from facefusion.machine.child import end_with_parent


def main() -> None:
    """Answers one request from standard input."""
    end_with_parent()
    files, threads = decode_request(json.load(sys.stdin))
    print(json.dumps(encode_trials(try_engines(files, threads))))


if __name__ == "__main__":
    main()
