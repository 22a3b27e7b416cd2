"""`python -m facefusion.training STAGE --data DIR`: trains one network and exports it to
`weights/`.
"""

from __future__ import annotations

import sys

from facefusion.training.environment import restart

if __name__ == "__main__":
    restart("facefusion.training")
    from facefusion.training.stages import main

    sys.exit(main())
