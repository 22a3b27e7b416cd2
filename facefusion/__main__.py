"""`python -m facefusion fuse | batch | bench | evaluate | export`."""

from __future__ import annotations

import sys

from facefusion.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
