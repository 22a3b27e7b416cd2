"""Exports trained fusion networks: ONNX with its manifest entry, and safetensors."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from facefusion.training.tensors.stages import FusionStage


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `python -m facefusion.training export`, with the process's arguments by default."""
    parser = argparse.ArgumentParser(prog="python -m facefusion.training export")
    parser.description = "Exports coarse and refine, those of them that a training has written."
    add = parser.add_argument
    add("folder", type=Path, help="folder of coarse.safetensors, refine.safetensors or both")
    add("--weights", type=Path, default=Path("weights"), help="folder of the ONNX files")
    add("--checkpoints", type=Path, default=Path("checkpoints"), help="folder of safetensors files")
    args = parser.parse_args(arguments)
    from facefusion.export.onnx import export_network

    names = [
        name for name in ("coarse", "refine") if (args.folder / f"{name}.safetensors").is_file()
    ]
    if not names:
        raise SystemExit(f"there is no network in {args.folder}. Please train one first.")
    stage = FusionStage("joint")
    stage.load(args.folder)
    for name in names:
        export_network(name, stage.parts()[name], args.weights, args.checkpoints)
    return 0
