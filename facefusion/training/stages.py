"""Defines the stages of training, one entry each, in the order of their dependencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load_file
from torch import nn

from facefusion.training.loop import Task
from facefusion.training.losses import LOSS_NETWORKS
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
        parts: attributes of the network that are exported, each under its own name. Without any,
            the whole network is exported under the stage's name.
    """

    make: Callable[[Inputs], TaskAndNet]
    needs: tuple[str, ...] = ()
    ships: bool = True
    parts: tuple[str, ...] = ()

    def networks(self, name: str, net: nn.Module) -> dict[str, nn.Module]:
        """Returns the networks that the stage called `name` exports, by their names."""
        if not self.parts:
            return {name: net}
        return {part: getattr(net, part) for part in self.parts}

    def start_module(self, net: nn.Module) -> nn.Module:
        """Returns the module that `--start-from` is loaded into: the only part, or all of `net`."""
        return getattr(net, self.parts[0]) if len(self.parts) == 1 else net


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


def _coarse(inputs: Inputs) -> TaskAndNet:
    from facefusion.training.loss_networks import LossNetworks
    from facefusion.training.tasks.coarse import CoarseFusionModel, CoarseTask

    networks = LossNetworks(inputs.files)
    return CoarseTask(*inputs.aligned(), networks), CoarseFusionModel()


def _progressive(inputs: Inputs, refine: Path | None, *, frozen: bool) -> TaskAndNet:
    from facefusion.training.loss_networks import LossNetworks
    from facefusion.training.tasks.refine import ProgressiveTask, align_large_faces, progressive

    networks = LossNetworks(inputs.files)
    train, val = (align_large_faces(faces) for faces in (inputs.train, inputs.val))
    net, averaged = (progressive(inputs.files["coarse"], refine) for _ in range(2))
    return ProgressiveTask(net, train, val, networks, frozen=frozen), averaged


def _refine(inputs: Inputs) -> TaskAndNet:
    return _progressive(inputs, None, frozen=True)


def _joint(inputs: Inputs) -> TaskAndNet:
    return _progressive(inputs, inputs.files["refine"], frozen=False)


STAGES: Final[dict[str, Stage]] = {
    "detector": Stage(_detector),
    "mesh": Stage(_mesh),
    "identity": Stage(_identity, needs=(TEACHER,)),
    "judge": Stage(_judge, needs=(TEACHER, "identity"), ships=False),
    "spectacles": Stage(_spectacles, ships=False),
    "parser": Stage(_parser, needs=("spectacles", MAPS, HANDS)),
    "eyelids": Stage(_eyelids),
    "coarse": Stage(_coarse, needs=LOSS_NETWORKS),
    "refine": Stage(_refine, needs=(*LOSS_NETWORKS, "coarse"), parts=("refine",)),
    "joint": Stage(_joint, needs=(*LOSS_NETWORKS, "coarse", "refine"), parts=("coarse", "refine")),
}
