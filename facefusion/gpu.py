"""The refine network on a GPU, through torch: for Spaces on ZeroGPU, and for machines with CUDA
that ask for it.

Serving on a CPU never imports this module: torch costs more to import than a fusion takes. Only the
refine network is worth the way to a GPU; the others take a few milliseconds where they are.
Whatever fails there, the CPU answers.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

try:
    import spaces  # on Spaces alone; before torch, which it takes over
except ImportError:
    spaces = None

import torch

from facefusion.engines import MIN_PSNR, fused, psnr, synthetic_inputs
from facefusion.fusion.refine import LEAST_SIZE, RefineRunner
from facefusion.nets.refine import EnhancementNet
from facefusion.runtime import EMBEDDED_WEIGHTS

if TYPE_CHECKING:
    from facefusion.pipeline import FusionPipeline
    from facefusion.types import FloatArray

#: The parameters of the refine network as torch names them.
CHECKPOINT: Final = EMBEDDED_WEIGHTS.parent / "checkpoints" / "refine.safetensors"
REFERENCE: Final = EMBEDDED_WEIGHTS / "refine.onnx"
#: Seconds of GPU time to ask ZeroGPU for: with less asked for, a visitor waits less and may come
#: more often.
DURATION: Final = 10
#: Largest difference between the two networks' answers on the same input, where they are the same
#: network.
TOLERANCE: Final = 1e-3

_TYPES: Final = {"F32": np.float32, "F16": np.float16, "I64": np.int64}

log = logging.getLogger("facefusion.gpu")


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Reads a safetensors file: a length, a header in JSON, and the tensors one after another.

    The safetensors package is no part of serving, and its format is this simple.
    """
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    data = memoryview(content)[8 + length :]
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], _TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


class GpuRefineNet(RefineRunner):
    """The refine network on a GPU, with the one on the CPU behind it.

    Args:
        cpu: the network that serves where the GPU cannot.
        checkpoint: safetensors of the same network.
        reference: an ONNX file of it, in 32 bits.
        device: where it runs.

    Raises:
        ValueError: they are not the same network.
    """

    def __init__(
        self,
        cpu: RefineRunner,
        checkpoint: Path = CHECKPOINT,
        reference: Path = REFERENCE,
        device: str = "cuda",
    ) -> None:
        self._cpu, self._device = cpu, device
        self._run: Callable[..., Sequence[FloatArray]] = self._forward
        if spaces is not None:
            self._run = spaces.GPU(self._forward, duration=DURATION)
        self._net = EnhancementNet().eval()
        self._net.load_state_dict(read_safetensors(checkpoint))
        self._check(checkpoint, reference)
        self._net.to(device)

    def _check(self, checkpoint: Path, reference: Path) -> None:
        feeds = synthetic_inputs("refine", LEAST_SIZE)
        ours, exact, served = (
            self._forward(feeds, "cpu"),
            RefineRunner(reference)._answer(feeds),
            self._cpu._answer(feeds),
        )
        apart = max(
            float(np.abs(one - other).max()) for one, other in zip(ours, exact, strict=True)
        )
        if not apart < TOLERANCE:
            raise ValueError(
                f"{checkpoint.name} is not the network of {reference.name}: they differ by {apart:.3f}"
            )
        inside = feeds["face"][0, 0] > 0.5
        alike = psnr(fused(feeds, *served), fused(feeds, *exact), inside)
        if alike < MIN_PSNR[True]:  # it may be in 8 bits
            raise ValueError(
                f"another network serves: its answers are {alike:.0f} dB from those of {checkpoint.name}"
            )

    @torch.inference_mode()
    def _forward(self, feeds: dict[str, FloatArray], device: str) -> Sequence[FloatArray]:
        answers = self._net(
            **{name: torch.from_numpy(values).to(device) for name, values in feeds.items()}
        )
        return [answer.cpu().numpy() for answer in answers]

    def _answer(self, feeds: dict[str, FloatArray]) -> Sequence[FloatArray]:
        try:
            return self._run(feeds, self._device)
        except (
            Exception
        ) as error:  # no GPU is free, a visitor's share is used up, CUDA fails: the CPU is there
            log.warning("No GPU for this fusion: %s", type(error).__name__)
            return self._cpu._answer(feeds)


def move(pipeline: FusionPipeline, device: str = "cuda", **options: Any) -> bool:
    """Moves the refine network of `pipeline` to the GPU.

    Returns:
        Whether it is there; where it cannot be, it stays on the CPU and the log says why.
    """
    try:
        pipeline.refine = GpuRefineNet(pipeline.refine, device=device, **options)
    except Exception as error:
        log.warning("The refine network stays on the CPU: %s", error)
        return False
    return True
