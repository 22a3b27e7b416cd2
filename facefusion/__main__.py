"""`python -m facefusion fuse | batch | bench | evaluate | export`."""

from __future__ import annotations

import sys

from facefusion.cli.main import main
from facefusion.runtime import share_heap

if __name__ == "__main__":
    share_heap()
    sys.exit(main())
