"""Runs `python -m facefusion.training STAGE --data DIR`, or `prepare` to make a data folder."""

from __future__ import annotations

import sys

from facefusion.training.environment import restart

if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:  # without torch, and without the settings of training
        from facefusion.training.prepare import main as prepare

        sys.exit(prepare(sys.argv[2:]))
    restart("facefusion.training")
    from facefusion.training.command import main

    sys.exit(main())
