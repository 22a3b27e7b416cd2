"""`python -m facefusion fuse | batch | bench | evaluate | export`."""

from __future__ import annotations

import sys

from facefusion.cli.main import main
from facefusion.runtime import own_process

if __name__ == "__main__":
    own_process()
    sys.exit(main())
