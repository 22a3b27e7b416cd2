"""Trains the networks of FaceFusion.

python -m facefusion.training COMMAND --help

data       prepare   makes a data folder of images
           pack      packs a data folder into one file, for coarse, refine and joint
           teacher   converts MobileFaceNet for them
stages     detector, mesh, identity, judge, spectacles, parser, eyelids --data DIR
           all       these, one after the other
           coarse, refine, joint --pack FILE
           export    exports what coarse, refine or joint have trained
studies    ablation  trains without parts of the method
           search    looks for better sizes of coarse or refine
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

from facefusion.training.environment import restart

#: Module of each command; the stages of `STAGES` have one together.
COMMANDS: Final = {
    "prepare": "facefusion.training.prepare",
    "pack": "facefusion.training.tensors.pack",
    "teacher": "facefusion.training.tensors.teacher",
    "export": "facefusion.training.tensors.export",
    "ablation": "facefusion.training.studies.ablation",
    "search": "facefusion.training.studies.search",
}
#: Module of the fusion networks' stages, and of the others: their commands begin with the stage.
FUSION: Final = "facefusion.training.tensors.command"
OTHERS: Final = "facefusion.training.command"


def main(arguments: list[str]) -> int:
    """Runs the command that the first of the arguments names."""
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help"):
        print(__doc__.strip())
        return 0
    if first in COMMANDS:
        return int(import_module(COMMANDS[first]).main(arguments[1:]))
    module = FUSION if first in ("coarse", "refine", "joint") else OTHERS
    return int(import_module(module).main(arguments))


if __name__ == "__main__":
    if sys.argv[1:2] != ["prepare"]:  # which does without torch and the settings of training
        restart("facefusion.training")
    sys.exit(main(sys.argv[1:]))
