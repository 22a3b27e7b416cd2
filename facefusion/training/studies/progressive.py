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
from facefusion.geometry.topology import eye_distance
from facefusion.machine.cpu import describe_machine
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import COARSE_SIDE, EnhancementNet
from facefusion.training.environment import restart
from facefusion.training.judges import JUDGING, Judges
from facefusion.training.loop import Schedule, train
from facefusion.training.samples.data import align_faces, load_faces
from facefusion.training.studies.ablation import reconstruction_scores, remembered
from facefusion.training.tasks.coarse import CoarseTask
from facefusion.training.tasks.refine import (
    LEAST_EYE_DISTANCE,
    REFINE_CROP,
    VIEW,
    ProgressiveTask,
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


def at(contract: Contract, side: int) -> Contract:
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
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        answer = net.train()(*inputs)
    weights = {p.untyped_storage().data_ptr() for p in net.parameters()}
    total = sum(size for pointer, size in kept.items() if pointer not in weights) / 1e6
    del answer
    return total


def images(side: int) -> list[Tensor]:
    """Returns one random input of the coarse network: warped source, target, face, identity."""
    return [*torch.rand(2, 1, 3, side, side), torch.ones(1, 1, side, side), torch.rand(1, 128)]


def compare(data: Path, checkpoints: Path, runs: Path, steps: int) -> dict[str, dict[str, float]]:
    """Trains both designs and returns their figures by name.

    Finished designs are not trained again.
    """
    faces = [
        align_faces(
            [
                face
                for face in load_faces(data, split)
                if eye_distance(face.mesh) >= LEAST_EYE_DISTANCE
            ],
            REFINE_CROP,
        )
        for split in ("train", "val")
    ]
    judges = Judges(*(checkpoints / f"{name}.safetensors" for name in JUDGING))
    schedule = Schedule(
        steps=steps, batch=8, rate=1e-3, warmup=40, ema=0.99, threads=2, evaluate_every=steps
    )
    half = replace(schedule, steps=steps // 2, evaluate_every=steps // 2)

    def direct() -> dict[str, float]:
        torch.manual_seed(0)
        task = DirectTask(faces[0], faces[1], judges)
        net = train(task, schedule, runs / "direct", CoarseFusionModel())
        figures = reconstruction_scores(task, net) | task.evaluate(net)
        kept = training_memory(CoarseFusionModel(), images(SIDE))
        return (
            figures
            | cost([(net, at(CONTRACTS["coarse"], SIDE))])
            | {"kept": kept, "parameters": _size(net)}
        )

    def staged() -> dict[str, float]:
        torch.manual_seed(0)
        small = CoarseTask(faces[0], faces[1], judges)
        coarse = train(small, half, runs / "coarse", CoarseFusionModel())
        file = runs / "coarse.safetensors"
        save_file(
            {key: value.contiguous() for key, value in coarse.state_dict().items()}, str(file)
        )
        torch.manual_seed(0)
        task = ProgressiveTask(progressive(file, None), faces[0], faces[1], judges, frozen=True)
        net = train(task, half, runs / "refine", progressive(file, None))
        figures = reconstruction_scores(task, net) | task.evaluate(net)
        parts: list[tuple[nn.Module, Contract]] = [
            (net.coarse, CONTRACTS["coarse"]), (net.refine, at(CONTRACTS["refine"], SIDE))
        ]  # fmt: skip
        refine_in = [*images(SIDE)[:3], torch.rand(1, 1, SIDE, SIDE), torch.rand(1, 3, SIDE, SIDE)]
        # The stages are trained one after another: memory must hold the larger of the two.
        kept = max(
            training_memory(CoarseFusionModel(), images(COARSE_SIDE)),
            training_memory(EnhancementNet(), refine_in),
        )
        return figures | cost(parts) | {"kept": kept, "parameters": _size(net)}

    ways = {"progressive: 128, then refined": staged, "one step": direct}
    return {name: remembered(runs / f"{way.__name__}.json", way) for name, way in ways.items()}


def _size(net: nn.Module) -> float:
    return float(sum(p.numel() for p in net.parameters()))


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
    for name, f in results.items():
        lines.append(
            f"| {name} | {f['ssim']:.4f} | {f['psnr']:.2f} | {f['val_id']:.3f} | {f['parameters']:,.0f} | {f['ms']:.0f} "
            f"| {f['mb']:.0f} | {f['kept']:.0f} |"
        )
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
    results = compare(args.data, args.checkpoints, args.runs / str(args.steps), args.steps)
    report = table(results, args.steps, describe_machine())
    print(report)
    if args.out:
        args.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    restart("facefusion.training.studies.progressive")
    main()
