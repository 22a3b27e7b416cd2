"""The table of the networks: tensors, sizes and description of each, one entry a network.

The manifest requires the weights of every entry, contracts check them, engines and other formats
run those with `sides`, and the export writes ONNX files with these tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: Tensors by name, as in the manifest: "float32[batch, 3, 112, 112]", where a word is any size.
Tensors = Mapping[str, str]

#: Suffix of a network's name for INT8 weights in ONNX.
INT8: Final = "_int8"
#: Suffix of a network's name for INT8 weights in TFLite, for LiteRT.
INT8_TFLITE: Final = "_int8_tflite"


@dataclass(frozen=True)
class NetworkSpec:
    """Interface of one network.

    Attributes:
        inputs, outputs: its tensors, in the order of the ONNX file.
        format: name of the kind of network, for the manifest.
        input_text, output_text: layout, range and meaning of the tensors, for the manifest.
        traced: sizes in the example that the export traces, by their word in `inputs`; 1 if absent.
        half: whether the ONNX file stores weights in 16 bits; the network still computes in 32.
        sides: sides in pixels of the square crops that the pipeline gives it, smallest first, if
            engines other than ONNX Runtime may run it: the fusion networks.
    """

    inputs: Tensors
    outputs: Tensors
    format: str
    input_text: str
    output_text: str
    traced: Mapping[str, int] = field(default_factory=dict)
    half: bool = False
    sides: tuple[int, ...] = ()

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in the order of the ONNX file."""
        return list(self.outputs)

    @property
    def largest_side(self) -> int:
        """Side in pixels of the largest crop that engines run."""
        return self.sides[-1]

    @property
    def description(self) -> dict[str, str]:
        """Entry `contract` of the manifest."""
        return {"format": self.format, "input": self.input_text, "output": self.output_text}


def sizes(tensor: str) -> list[str]:
    """Returns the sizes of a tensor, numbers or words: `["batch", "3", "112", "112"]`."""
    return re.findall(r"[^,\s\]]+", tensor.partition("[")[2])


def base_name(name: str) -> str:
    """Returns the network that weights belong to: "coarse" for "coarse_int8"."""
    return name.removesuffix(INT8_TFLITE).removesuffix(INT8)


def fusion_networks() -> dict[str, NetworkSpec]:
    """Returns the networks that engines may run, by name."""
    return {name: spec for name, spec in NETWORKS.items() if spec.sides}


#: The networks that a pipeline needs, by name. After a change here, raise `manifest.INTERFACE`.
NETWORKS: Final[dict[str, NetworkSpec]] = {
    "detector": NetworkSpec(
        {"input": "float32[1, 3, height, width]"},
        {
            f"{kind}_{stride}": f"float32[anchors_{kind}_{stride}, {size}]"
            for kind, size in (("score", 1), ("bbox", 4), ("kps", 10))
            for stride in (8, 16, 32)
        },
        "SCRFD",
        "input: (1, 3, H, W) float32 RGB, (x - 127.5) / 128, H and W multiples of 32",
        "score_*, bbox_*, kps_* for strides 8, 16, 32: (h * w * 2, 1 | 4 | 10), distances in stride units",
        traced={"height": 640, "width": 640},
    ),
    "mesh": NetworkSpec(
        {"input": "float32[batch, 3, 192, 192]"},
        {"mesh": "float32[batch, 468, 3]"},
        "MediaPipe face-mesh topology",
        "input: (N, 3, 192, 192) float32 RGB, (x - 127.5) / 127.5, face upright and 2/3 of the crop",
        "mesh: (N, 468, 3) float32, x, y, z in units of the crop's side",
        half=True,
    ),
    "identity": NetworkSpec(
        {"input": "float32[batch, 3, 112, 112]"},
        {"embedding": "float32[batch, 128]"},
        "ArcFace",
        "input: (N, 3, 112, 112) float32 RGB, (x - 127.5) / 127.5, ArcFace five-point crop",
        "embedding: (N, 128) float32, compare by cosine",
    ),
    "parser": NetworkSpec(
        {"face": "float32[1, 3, 256, 256]"},
        {"parts": "float32[1, 13, 256, 256]"},
        "FaceFusion parts",
        "face: (1, 3, 256, 256) float32 RGB, (x - 127.5) / 127.5, the face upright and 60 % of the crop",
        "parts: (1, 13, 256, 256) float32, probabilities that sum to 1: background, skin, brows, eyes, lips, "
        "inside of the mouth, beard, hair, frame of glasses, dark glass, cloth, hand, other things",
        half=True,
    ),
    "eyelids": NetworkSpec(
        {"eyes": "float32[batch, 3, 32, 48]"},
        {"shut": "float32[batch, 1]"},
        "FaceFusion eyelids",
        "eyes: (N, 3, 32, 48) float32 RGB, (x - 127.5) / 127.5, an eye from corner to corner over 60 % of the "
        "width, its outer corner on the left",
        "shut: (N, 1) float32 in [0, 1], the probability that the eye is shut",
        traced={"batch": 2},
        half=True,
    ),
    "coarse": NetworkSpec(
        {
            "warped": "float32[1, 3, 128, 128]",
            "target": "float32[1, 3, 128, 128]",
            "face": "float32[1, 1, 128, 128]",
            "identity": "float32[1, 128]",
        },
        {"mask": "float32[1, 1, 128, 128]", "delta": "float32[1, 3, 128, 128]"},
        "FaceFusion coarse",
        "warped, target: (1, 3, 128, 128) float32 RGB in [0, 1]; face: (1, 1, 128, 128) float32 in [0, 1]; "
        "identity: (1, 128) float32, the source's embedding, of length 1",
        "mask: (1, 1, 128, 128) in [0, 1]; delta: (1, 3, 128, 128) RGB in [-1, 1]; "
        "fused = target + mask * (warped + delta - target)",
        sides=(128,),
    ),
    "refine": NetworkSpec(
        {
            "warped": "float32[1, 3, size, size]",
            "target": "float32[1, 3, size, size]",
            "face": "float32[1, 1, size, size]",
            "mask": "float32[1, 1, size, size]",
            "delta": "float32[1, 3, size, size]",
        },
        {
            "refined_mask": "float32[1, 1, size, size]",
            "refined_delta": "float32[1, 3, size, size]",
        },
        "FaceFusion refine",
        "warped, target: (1, 3, S, S) float32 RGB in [0, 1]; face, mask: (1, 1, S, S); delta: (1, 3, S, S); "
        "S a multiple of 16, 256 to 512; mask and delta of the coarse network, upsampled",
        "refined_mask: (1, 1, S, S) in [0, 1]; refined_delta: (1, 3, S, S) RGB, within "
        "0.5 of delta; fused as in the coarse network's contract",
        traced={"size": 256},
        sides=(256, 384, 512),
    ),
}
