"""Measures what networks cost: milliseconds and memory to run them and to train them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from facefusion.export.onnx import CONTRACTS, Contract, export_onnx
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import COARSE_SIDE, EnhancementNet

#: Side in pixels at which time and memory are compared, as in the method.
SIDE: Final = 512
#: Program for a fresh process that holds the runtime alone: runs files, prints ms and MB.
_MEASURE: Final = """
import sys, time
import numpy, onnxruntime

def peak():  # of this process alone: ru_maxrss begins with what the parent had
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
before = peak()
times = []
sessions = [onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for path in sys.argv[1:]]
feeds = [{i.name: numpy.random.rand(*i.shape).astype("float32") for i in s.get_inputs()} for s in sessions]
for _ in range(12):
    begin = time.perf_counter()
    for session, feed in zip(sessions, feeds):
        session.run(None, feed)
    times.append(time.perf_counter() - begin)
after = peak()
print(1000 * sorted(times[2:])[5], (after - before) / 1000)
"""


def resized(contract: Contract, side: int) -> Contract:
    """Returns the contract with images of another side."""
    inputs = {
        name: (*shape[:2], side, side) if len(shape) == 4 else shape
        for name, shape in contract.inputs.items()
    }
    return replace(contract, inputs=inputs, dynamic=None)


def cost(parts: list[tuple[nn.Module, Contract]]) -> dict[str, float]:
    """Measures networks that run one after another in a fresh process.

    Returns milliseconds on one thread and the growth of the process in MB.

    Raises:
        subprocess.CalledProcessError: the process failed; it reads Linux's /proc.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder, f"{i}.onnx")) for i in range(len(parts))]
        for (net, contract), file in zip(parts, files, strict=True):
            export_onnx(net, contract, Path(file))
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, *files], capture_output=True, text=True, check=True
        )
    milliseconds, megabytes = (float(word) for word in done.stdout.split())
    return {"ms": milliseconds, "mb": megabytes}


def training_memory(net: nn.Module, inputs: list[Tensor]) -> float:
    """Returns the MB of activations that a training step of `net` keeps for its backward pass."""
    sizes: dict[int, int] = {}

    def note_size(x: Tensor) -> Tensor:
        sizes[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(note_size, lambda x: x):
        outputs = net.train()(*inputs)
    weights = {p.untyped_storage().data_ptr() for p in net.parameters()}
    total = sum(size for pointer, size in sizes.items() if pointer not in weights) / 1e6
    del outputs  # until here, so that no storage is freed and counted twice
    return total


def images(side: int) -> list[Tensor]:
    """Returns one random input of the coarse network: warped source, target, face, identity."""
    return [*torch.rand(2, 1, 3, side, side), torch.ones(1, 1, side, side), torch.rand(1, 128)]


def costs_of_ways() -> tuple[dict[str, float], dict[str, float]]:
    """Returns the costs of coarse and refine, and of the coarse network alone, at `SIDE` pixels.

    `ms` on one thread, `mb` to run, and `activations`, the MB that a training sample keeps. Coarse
    and refine are trained one after the other: memory must hold the larger of the two.
    """
    coarse, refine = CoarseFusionModel().eval(), EnhancementNet().eval()
    large = resized(CONTRACTS["coarse"], SIDE)
    staged = cost([(coarse, CONTRACTS["coarse"]), (refine, resized(CONTRACTS["refine"], SIDE))])
    inputs = [
        *images(SIDE)[:3],
        torch.rand(1, 1, SIDE, SIDE),
        torch.rand(1, 3, SIDE, SIDE),
    ]
    kept = max(training_memory(coarse, images(COARSE_SIDE)), training_memory(refine, inputs))
    direct = cost([(coarse.eval(), large)])
    whole = training_memory(coarse, images(SIDE))
    return staged | {"activations": kept}, direct | {"activations": whole}
