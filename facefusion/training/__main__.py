"""Runs `python -m facefusion.training STAGE --data DIR`, and the commands of `COMMANDS`."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

from facefusion.training.environment import restart

#: Module of each command that is no stage: `prepare` makes a data folder, `pack` makes one file of
#: it, `teacher` converts MobileFaceNet, and `fusion` trains the fusion networks on them.
COMMANDS: Final = {
    "prepare": "facefusion.training.prepare",
    "pack": "facefusion.training.tensors.pack",
    "teacher": "facefusion.training.tensors.teacher",
    "fusion": "facefusion.training.tensors.command",
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:  # without torch, and without the settings of training
        sys.exit(import_module(COMMANDS["prepare"]).main(sys.argv[2:]))
    restart("facefusion.training")
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        sys.exit(import_module(COMMANDS[sys.argv[1]]).main(sys.argv[2:]))
    from facefusion.training.command import main

    sys.exit(main())
