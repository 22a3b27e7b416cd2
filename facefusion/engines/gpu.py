"""Runs the refine network on a GPU with torch: on ZeroGPU Spaces, and on request with CUDA.

Serving on a CPU never imports this module: importing torch takes longer than a fusion. Only the
refine network is worth the transfer to a GPU; the others take a few milliseconds on the CPU. If the
GPU fails, the CPU runs the network.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

try:
    import spaces  # only on Spaces; before torch, which it patches
except ImportError:
    spaces = None

import torch

from facefusion.engines.accuracy import MIN_PSNR, fused, psnr, synthetic_inputs
from facefusion.engines.sessions import Feeds, Network, make_session
from facefusion.models.manifest import EMBEDDED_WEIGHTS
from facefusion.models.networks import NETWORKS
from facefusion.nets.refine import EnhancementNet
from facefusion.types import FloatArray

#: Parameters of the refine network by their names in torch.
CHECKPOINT: Final = EMBEDDED_WEIGHTS.parent / "checkpoints" / "refine.safetensors"
REFERENCE: Final = EMBEDDED_WEIGHTS / "refine.onnx"
#: Seconds of GPU time requested from ZeroGPU: a smaller request shortens queues and uses less of a
#: visitor's quota.
DURATION: Final = 10
#: Largest absolute difference between torch's and ONNX Runtime's outputs of the same network.
TOLERANCE: Final = 1e-3

_TYPES: Final = {"F32": np.float32, "F16": np.float16, "I64": np.int64}

log = logging.getLogger("facefusion.engines.gpu")


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Reads a safetensors file: a length, a header in JSON, and the tensors one after another.

    The safetensors package is not installed for serving.
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


class GpuNetwork:
    """The refine network on a GPU, with the CPU as fallback (`sessions.Network`).

    Args:
        cpu: the network on the CPU.
        checkpoint: safetensors file of the same network.
        reference: ONNX file of the same network, in 32 bits.
        device: torch device.

    Raises:
        ValueError: the three are not the same network.
        Exception: torch's own, if the device cannot be used.
    """

    def __init__(
        self,
        cpu: Network,
        checkpoint: Path = CHECKPOINT,
        reference: Path = REFERENCE,
        device: str = "cuda",
    ) -> None:
        self._cpu = cpu
        self._device = device
        self._run: Callable[..., list[FloatArray]] = self._forward
        if spaces is not None:
            self._run = spaces.GPU(self._forward, duration=DURATION)
        self._net = EnhancementNet().eval()
        self._net.load_state_dict(read_safetensors(checkpoint))
        self._check(checkpoint, reference)
        self._net.to(device)

    def _check(self, checkpoint: Path, reference: Path) -> None:
        spec = NETWORKS["refine"]
        feeds = synthetic_inputs("refine", spec.sides[0])
        names = spec.output_names
        on_torch = self._forward(feeds, "cpu")
        exact = make_session(reference).run(names, feeds)
        served = self._cpu.run(names, feeds)
        difference = max(
            float(np.abs(one - other).max()) for one, other in zip(on_torch, exact, strict=True)
        )
        if not difference < TOLERANCE:
            raise ValueError(
                f"{checkpoint.name} is not the network of {reference.name}: they differ by {difference:.3f}"
            )
        inside = feeds["face"][0, 0] > 0.5
        decibels = psnr(fused(feeds, *served), fused(feeds, *exact), inside)
        if decibels < MIN_PSNR[True]:  # the CPU's network may be INT8
            raise ValueError(
                f"another network serves: its answers are {decibels:.0f} dB from those of {checkpoint.name}"
            )

    @torch.inference_mode()
    def _forward(self, feeds: Feeds, device: str) -> list[FloatArray]:
        answers = self._net(
            **{name: torch.from_numpy(values).to(device) for name, values in feeds.items()}
        )
        return [answer.cpu().numpy() for answer in answers]

    def run(self, outputs: list[str], feeds: Feeds, /) -> list[FloatArray]:
        """Returns both outputs; from the CPU if the GPU fails."""
        try:
            return self._run(feeds, self._device)
        # No free GPU, an exhausted quota, or a failure of CUDA: falls back to the CPU.
        except Exception as error:
            log.warning("No GPU for this fusion: %s", type(error).__name__)
            return self._cpu.run(outputs, feeds)
