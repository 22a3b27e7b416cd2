"""`python -m facefusion.training STAGE --data DIR`: trains one network and exports it to `weights/`."""

from __future__ import annotations

import os
import sys

#: glibc gives large blocks back to the kernel and faults them in again at each step; keeping them makes CPU training two
#: to three times faster. It reads these settings at start only, so the process starts itself anew with them.
_MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "268435456"}
#: The samples have small matrix products: OpenBLAS would spin a second thread eight times longer than they take.
_ENVIRONMENT = {**_MALLOC, "OPENBLAS_NUM_THREADS": "1"}

if __name__ == "__main__":
    if sys.platform == "linux" and "MALLOC_MMAP_MAX_" not in os.environ:
        command = [sys.executable, "-m", "facefusion.training", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **_ENVIRONMENT})
    from facefusion.training.stages import main

    sys.exit(main())
