"""Measures what each part of the coarse network contributes, by training without it.

`python -m facefusion.training.studies.ablation --data DIR --out benchmarks/ablation.md` trains each variant
from the same seed on the same samples and writes a table. Finished variants are not trained again,
interrupted ones resume.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from facefusion.export.onnx import CONTRACTS, export_onnx
from facefusion.machine.cpu import describe_machine
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.training.environment import restart
from facefusion.training.loop import Schedule, train
from facefusion.training.loss_networks import LossNetworks
from facefusion.training.samples.data import AlignedFaces, align_faces, load_faces
from facefusion.training.tasks.coarse import CoarseTask
from facefusion.training.tasks.fusion import FusionTask

#: Keyword arguments of the network by the variant's name.
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "FAAM on skips and bottleneck, told the identity": {"skips": "gated"},
    "FAAM, not told the identity": {"skips": "gated", "conditioned": False},
    "FAAM on skips only": {"skips": "gated", "bottleneck": False, "conditioned": False},
    "no FAAM, plain skips": {"skips": "plain", "bottleneck": False},
    "no FAAM, no skips": {"skips": "none", "bottleneck": False},
}
#: Number of timed runs of a network.
RUNS: Final = 40


@torch.no_grad()
def reconstruction_scores(task: FusionTask[Any], net: nn.Module) -> dict[str, float]:
    """Returns SSIM and PSNR of the val split's reconstructions, within the face's box."""
    batch = task.val_batch
    paired = torch.nonzero(batch["paired"][:, 0] > 0)[:, 0]
    ssim, psnr = [], []
    for part in paired.split(32):
        x = task.run_batch(
            net, {key: value[part] for key, value in batch.items()}, task.val_identities
        )
        for fused, truth, face in zip(x["fused"], x["truth"], x["face"][:, 0] > 0.5, strict=True):
            window = _box(face)
            found, wanted = fused[window].clamp(0, 1).numpy(), truth[window].numpy()
            ssim.append(structural_similarity(found, wanted, channel_axis=0, data_range=1.0))
            error = max(float(((found - wanted) ** 2).mean()), 1e-9)
            psnr.append(float(-10 * np.log10(error)))
    return {"ssim": float(np.mean(ssim)), "psnr": float(np.mean(psnr))}


def _box(face: Tensor) -> tuple[slice, slice, slice]:
    """Returns the window of all channels, rows and columns in which `face` (H, W) is true."""
    rows, columns = (torch.nonzero(face.any(axis))[:, 0] for axis in (1, 0))
    row_window = slice(int(rows[0]), int(rows[-1]) + 1)
    return slice(None), row_window, slice(int(columns[0]), int(columns[-1]) + 1)


def parameter_count(net: nn.Module) -> float:
    """Counts the parameters of a network."""
    return float(sum(p.numel() for p in net.parameters()))


def milliseconds(net: CoarseFusionModel) -> float:
    """Returns the median time of the exported network in ms, on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        export_onnx(net, CONTRACTS["coarse"], path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    shapes = CONTRACTS["coarse"].inputs
    # The exported file lacks the inputs that a variant ignores.
    feeds = {
        i.name: np.random.rand(*shapes[i.name]).astype(np.float32) for i in session.get_inputs()
    }
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        session.run(None, feeds)
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times))


def measure_variant(
    options: dict[str, Any],
    faces: tuple[AlignedFaces, AlignedFaces],
    networks: LossNetworks,
    schedule: Schedule,
    run: Path,
) -> dict[str, float]:
    """Trains a variant and measures it."""
    torch.manual_seed(schedule.seed)
    task = CoarseTask(*faces, networks, CoarseFusionModel(**options))
    net = train(task, schedule, run, CoarseFusionModel(**options))
    figures = reconstruction_scores(task, net) | task.evaluate(net)
    return figures | {"parameters": parameter_count(net), "ms": milliseconds(net)}


def saved_figures(file: Path, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Returns the figures in a JSON file; measures and writes them if it does not exist."""
    if not file.exists():
        figures = measure()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(figures), encoding="utf-8")
    saved: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return saved


def table(results: dict[str, dict[str, float]], steps: int) -> str:
    """Writes the report as Markdown."""
    first = next(iter(results.values()))
    lines = [
        "# Ablations of the coarse network\n",
        f"`python -m facefusion.training.studies.ablation --data DIR --steps {steps} --out benchmarks/ablation.md`\n",
        f"Each variant: {steps} steps from the same seed and samples; val split. SSIM and PSNR are of reconstructions,",
        "identity (higher is better) and expression (lower is better, in eye distances) of real ones, by our own networks.",
        f"Milliseconds: ONNX Runtime, one thread of {describe_machine()['cpu']}. In brackets: against the first row.\n",
        "| variant | SSIM | PSNR, dB | identity | expression | parameters | ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, figures in results.items():
        ssim = f"{figures['ssim']:.4f} ({100 * (figures['ssim'] / first['ssim'] - 1):+.1f} %)"
        size = f"{figures['parameters']:,.0f} ({figures['parameters'] - first['parameters']:+,.0f})"
        lines.append(
            f"| {name} | {ssim} | {figures['psnr']:.2f} | {figures['val_id']:.3f} | {figures['val_expression']:.4f} "
            f"| {size} | {figures['ms']:.1f} ({figures['ms'] - first['ms']:+.1f}) |"
        )
    lines.append(
        "\nThe method's author claims that FAAM gains 7.2 % SSIM for 0.1M parameters and 15 ms.\n"
    )
    lines.append(
        "The face's shape moved or held: last two rows of `likeness.md`. Two stages or one: `progressive.md`.\n"
    )
    return "\n".join(lines)


def main() -> None:
    """Trains the variants that are not yet trained, prints the table and writes it."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training.studies.ablation", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    faces = align_faces(load_faces(args.data, "train")), align_faces(load_faces(args.data, "val"))
    networks = LossNetworks.from_folder(args.checkpoints)
    schedule = Schedule(
        steps=args.steps,
        batch=16,
        rate=2e-3,
        warmup=60,
        ema=0.99,
        threads=2,
        evaluate_every=args.steps,
    )
    results: dict[str, dict[str, float]] = {}
    for name, options in VARIANTS.items():
        run = args.runs / str(args.steps) / name.replace(" ", "-").replace(",", "")
        results[name] = saved_figures(
            run / "figures.json", partial(measure_variant, options, faces, networks, schedule, run)
        )
    report = table(results, args.steps)
    print(report)
    if args.out:
        args.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    restart("facefusion.training.studies.ablation")
    main()
