"""Compares progressive generation (coarse and refine) with one network at full size.

`python -m facefusion.training.studies.progressive --data DIR --out benchmarks/progressive.md` trains both
from the same seed for the same number of samples, judges them on the same reconstructions, and
measures time and memory of both at 512 pixels.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from facefusion.export.onnx import CONTRACTS, Contract, export_onnx
from facefusion.machine.cpu import describe_machine
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import COARSE_SIDE, EnhancementNet
from facefusion.training.environment import restart
from facefusion.training.loop import Schedule, train
from facefusion.training.loss_networks import LossNetworks
from facefusion.training.samples.data import AlignedFaces, load_faces
from facefusion.training.studies.ablation import (
    parameter_count,
    reconstruction_scores,
    saved_figures,
)
from facefusion.training.tasks.coarse import CoarseTask
from facefusion.training.tasks.refine import (
    VIEW,
    ProgressiveTask,
    align_large_faces,
    progressive,
)

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


class DirectTask(CoarseTask):
    """Training of the coarse network's design at the full size, without a second stage."""

    view = VIEW


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


class Comparison:
    """Trains and measures both designs on the same faces.

    Args:
        data: data folder.
        checkpoints: folder of the frozen networks for the losses.
        runs: folder of the trainings.
        steps: steps of the one-step design; each stage of the other one has half as many.
    """

    def __init__(self, data: Path, checkpoints: Path, runs: Path, steps: int) -> None:
        self.faces: tuple[AlignedFaces, AlignedFaces] = (
            align_large_faces(load_faces(data, "train")),
            align_large_faces(load_faces(data, "val")),
        )
        self.networks = LossNetworks.from_folder(checkpoints)
        self.runs = runs
        self.schedule = Schedule(
            steps=steps, batch=8, rate=1e-3, warmup=40, ema=0.99, threads=2, evaluate_every=steps
        )
        self.half = replace(self.schedule, steps=steps // 2, evaluate_every=steps // 2)

    def results(self) -> dict[str, dict[str, float]]:
        """Returns the figures of both by name. Finished designs are not trained again."""
        return {
            "progressive: 128, then refined": saved_figures(
                self.runs / "staged.json", self.measure_staged
            ),
            "one step": saved_figures(self.runs / "direct.json", self.measure_direct),
        }

    def measure_direct(self) -> dict[str, float]:
        """Trains and measures one network at the full size."""
        torch.manual_seed(0)
        task = DirectTask(*self.faces, self.networks)
        net = train(task, self.schedule, self.runs / "direct", CoarseFusionModel())
        return (
            reconstruction_scores(task, net)
            | task.evaluate(net)
            | cost([(net, resized(CONTRACTS["coarse"], SIDE))])
            | {
                "activations": training_memory(CoarseFusionModel(), images(SIDE)),
                "parameters": parameter_count(net),
            }
        )

    def measure_staged(self) -> dict[str, float]:
        """Trains and measures the coarse network, then the refine network on it."""
        coarse_file = self._train_coarse()
        torch.manual_seed(0)
        task = ProgressiveTask(
            progressive(coarse_file, None), *self.faces, self.networks, frozen=True
        )
        net = train(task, self.half, self.runs / "refine", progressive(coarse_file, None))
        parts: list[tuple[nn.Module, Contract]] = [
            (net.coarse, CONTRACTS["coarse"]),
            (net.refine, resized(CONTRACTS["refine"], SIDE)),
        ]
        scores = reconstruction_scores(task, net) | task.evaluate(net)
        refine_inputs = [
            *images(SIDE)[:3],
            torch.rand(1, 1, SIDE, SIDE),
            torch.rand(1, 3, SIDE, SIDE),
        ]
        # The stages are trained one after another: memory must hold the larger of the two.
        activations = max(
            training_memory(CoarseFusionModel(), images(COARSE_SIDE)),
            training_memory(EnhancementNet(), refine_inputs),
        )
        return (
            scores | cost(parts) | {"activations": activations, "parameters": parameter_count(net)}
        )

    def _train_coarse(self) -> Path:
        """Trains the coarse network and returns its safetensors file."""
        torch.manual_seed(0)
        task = CoarseTask(*self.faces, self.networks)
        net = train(task, self.half, self.runs / "coarse", CoarseFusionModel())
        file = self.runs / "coarse.safetensors"
        save_file({key: value.contiguous() for key, value in net.state_dict().items()}, str(file))
        return file


def table(results: dict[str, dict[str, float]], steps: int, here: dict[str, Any]) -> str:
    """Writes the report as Markdown."""
    lines = [
        "# Progressive against one step\n",
        f"`python -m facefusion.training.studies.progressive --data DIR --steps {steps} --out benchmarks/progressive.md`\n",
        f"Both ways: {steps} steps of 8 samples from the same seed (the progressive way spends half of them on each stage).",
        f"Quality at {VIEW} px, val split: SSIM and PSNR of reconstructions, identity of real ones by our own network.",
        f"Time: ONNX Runtime at {SIDE} px, one thread of {here['cpu']}. Memory: growth of a process that runs the",
        f"networks at {SIDE} px; and the activations that one training sample at {SIDE} px keeps for its backward pass.\n",
        "| way | SSIM | PSNR, dB | identity | parameters | ms | MB to run | MB a training sample |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in results.items():
        cells = (
            name,
            f"{figures['ssim']:.4f}",
            f"{figures['psnr']:.2f}",
            f"{figures['val_id']:.3f}",
            f"{figures['parameters']:,.0f}",
            *(f"{figures[key]:.0f}" for key in ("ms", "mb", "activations")),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines.append(
        "\nThe method's author claims 3.2 GB -> 1.4 GB of peak memory for the progressive way.\n"
    )
    return "\n".join(lines)


def main() -> None:
    """Trains what is not yet trained, prints the table and writes it."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training.studies.progressive", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--runs", type=Path, default=Path("runs/progressive"))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    runs = args.runs / str(args.steps)
    results = Comparison(args.data, args.checkpoints, runs, args.steps).results()
    report = table(results, args.steps, describe_machine())
    print(report)
    if args.out:
        args.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    restart("facefusion.training.studies.progressive")
    main()
