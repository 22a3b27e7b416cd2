"""Defines the stages of training but for the fusion networks', in the order of their needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load_file
from torch import nn

from facefusion.training.loop import Task
from facefusion.training.samples.data import AlignedFaces, FaceImage, align_faces

#: Name in `Stage.needs` of the identity networks' teacher, MobileFaceNet, an ONNX file.
TEACHER: Final = "teacher"

#: Names in `Stage.needs` of the parser's inputs: NPZ files of `samples.part_maps` and
#: `samples.cut_hands`.
MAPS: Final = "maps"
HANDS: Final = "hands"
#: Files that no stage makes, with what they are.
GIVEN: Final = {
    TEACHER: "MobileFaceNet ONNX file",
    MAPS: "NPZ file of facefusion.training.samples.part_maps",
    HANDS: "NPZ file of facefusion.training.samples.cut_hands",
}

#: Task of a stage, and a second instance of its network for the moving average.
TaskAndNet = tuple[Task[Any], nn.Module]


@dataclass(frozen=True)
class Inputs:
    """Inputs of a stage.

    Attributes:
        train, val: images of both splits, at least one each.
        files: the file of each name in `Stage.needs`: safetensors of a stage, ONNX of the teacher.
    """

    train: list[FaceImage]
    val: list[FaceImage]
    files: Mapping[str, Path]

    def aligned(self) -> tuple[AlignedFaces, AlignedFaces]:
        """Returns both splits as aligned crops."""
        return align_faces(self.train), align_faces(self.val)


@dataclass(frozen=True)
class Stage:
    """One training stage.

    Attributes:
        make: builds the task and a second instance of its network, for the moving average. It
            imports what it needs itself, so that one stage does not need the packages of another.
        needs: names of the stages whose networks it loads, and `TEACHER`.
        ships: whether the network is exported to ONNX; otherwise it is saved for training only.
    """

    make: Callable[[Inputs], TaskAndNet]
    needs: tuple[str, ...] = ()
    ships: bool = True


def _detector(inputs: Inputs) -> TaskAndNet:
    from facefusion.training.tasks.detector import DetectorNet, DetectorTask

    return DetectorTask(inputs.train, inputs.val), DetectorNet()


def _mesh(inputs: Inputs) -> TaskAndNet:
    from facefusion.training.tasks.mesh import MeshNet, MeshTask

    return MeshTask(*inputs.aligned()), MeshNet()


def _identity(inputs: Inputs) -> TaskAndNet:
    from facefusion.training.tasks.identity import IdentityNet, IdentityTask

    return IdentityTask(*inputs.aligned(), inputs.files[TEACHER]), IdentityNet()


def _judge(inputs: Inputs) -> TaskAndNet:
    from facefusion.nets.identity import JUDGE_BLOCKS
    from facefusion.training.tasks.identity import IdentityNet, JudgeTask

    net = IdentityNet(JUDGE_BLOCKS)
    net.load_state_dict(load_file(inputs.files["identity"]), strict=False)
    task = JudgeTask(*inputs.aligned(), inputs.files[TEACHER], net)
    return task, IdentityNet(JUDGE_BLOCKS)


def _spectacles(inputs: Inputs) -> TaskAndNet:
    from facefusion.training.tasks.spectacles import SpectaclesNet, SpectaclesTask

    return SpectaclesTask(*inputs.aligned()), SpectaclesNet()


def _parser(inputs: Inputs) -> TaskAndNet:
    from facefusion.training.samples.parsed_faces import both_splits
    from facefusion.training.tasks.parser import FaceParserNet, ParserTask

    return ParserTask(*both_splits(inputs.files)), FaceParserNet()


def _eyelids(inputs: Inputs) -> TaskAndNet:
    from facefusion.training.tasks.eyelids import EyelidsNet, EyelidsTask

    return EyelidsTask(inputs.train, inputs.val), EyelidsNet()


STAGES: Final[dict[str, Stage]] = {
    "detector": Stage(_detector),
    "mesh": Stage(_mesh),
    "identity": Stage(_identity, needs=(TEACHER,)),
    "judge": Stage(_judge, needs=(TEACHER, "identity"), ships=False),
    "spectacles": Stage(_spectacles, ships=False),
    "parser": Stage(_parser, needs=("spectacles", MAPS, HANDS)),
    "eyelids": Stage(_eyelids),
}
