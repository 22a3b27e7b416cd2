"""Exports the fusion networks as ONNX, TFLite (Android), Core ML (iOS, macOS) and TensorRT's ONNX.

Each format needs its own package, listed in `requirements-dev.txt` and imported on demand.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from onnxruntime.tools.onnx_model_utils import fix_output_shapes, make_input_shape_fixed
from safetensors.torch import load_file
from torch import Tensor, nn

from facefusion.engines.registry import Engine
from facefusion.evaluation.pairs import read_pairs
from facefusion.export.calibration import record
from facefusion.export.onnx import CONTRACTS
from facefusion.export.quantize import CONVOLUTIONS, Recipe, prepare, quantize
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.models.networks import INT8, INT8_TFLITE, NETWORKS
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import EnhancementNet
from facefusion.pipeline.pipeline import FusionPipeline

CHECKPOINTS: Final = EMBEDDED_WEIGHTS.parent / "checkpoints"
NETS: Final[dict[str, type[nn.Module]]] = {"coarse": CoarseFusionModel, "refine": EnhancementNet}
#: Folder of the photos that TensorRT's 8-bit scales are calibrated on.
EXAMPLES: Final = EMBEDDED_WEIGHTS.parent / "examples"
#: Number of pairs in it to calibrate on; the last one is of a real person.
CALIBRATION: Final = 3
#: Suffix of the names of 8-bit files.
INT8_SUFFIX: Final = ".int8"
#: Recipe for TensorRT, which accepts symmetric scales only.
TENSORRT: Final = Recipe(per_channel=True, kinds=CONVOLUTIONS, keep=True, symmetric=True)


def load_trained(name: str, checkpoints: Path) -> nn.Module:
    """Loads the network `name` with its trained weights, in eval mode."""
    net = NETS[name]()
    net.load_state_dict(load_file(str(checkpoints / f"{name}.safetensors")))
    return net.eval()


def shapes(name: str, side: int) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a network's inputs by name, for images of `side` pixels."""
    given = CONTRACTS[name].inputs
    return {
        key: (*shape[:2], side, side) if len(shape) == 4 else shape for key, shape in given.items()
    }


def example(name: str, side: int, seed: int = 0) -> dict[str, Tensor]:
    """Returns random inputs to trace a network with."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.rand(shape, generator=generator) for key, shape in shapes(name, side).items()
    }


def to_onnx(weights: Path, checkpoints: Path, out: Path) -> Iterator[Path]:
    """Copies the shipped ONNX files, 32 and 8 bits, with their manifest entries."""
    shipped = {
        name: file
        for name, file in read_manifest(weights).items()
        if name.removesuffix(INT8) in NETS
    }
    for file in shipped.values():
        shutil.copyfile(file.path, out / file.path.name)
        yield out / file.path.name
    entries = json.loads((weights / "manifest.json").read_text(encoding="utf-8"))["networks"]
    manifest = {"networks": {name: entries[name] for name in shipped}}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def tflite(name: str, checkpoints: Path, out: Path) -> Path:
    """Writes a network as TFLite in 32 bits.

    The file has one signature, `sSIDE`, for each side; they share the weights.
    """
    import litert_torch

    net, converter = load_trained(name, checkpoints), litert_torch
    for side in NETWORKS[name].sides:
        converter = converter.signature(f"s{side}", net, sample_kwargs=example(name, side))
    path = out / f"{name}.tflite"
    converter.convert().export(str(path))
    return path


def to_tflite(weights: Path, checkpoints: Path, out: Path) -> Iterator[Path]:
    """Writes one TFLite file for each network, in 32 bits.

    Networks that also ship in 8 bits (`export.litert`) are copied as they ship.
    """
    for name in NETS:
        yield tflite(name, checkpoints, out)
    for name, file in read_manifest(weights).items():
        if name.endswith(INT8_TFLITE):
            shutil.copyfile(file.path, out / file.path.name)
            yield out / file.path.name


def to_coreml(weights: Path, checkpoints: Path, out: Path) -> Iterator[Path]:
    """Writes Core ML programs for iOS 16 and macOS 13 or later, 16 bits, one for each side."""
    import coremltools
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.torch import register_torch_op
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs

    def logit(context: Any, node: Any) -> None:
        """Converts `logit`, the one operation that the converter lacks."""
        x, eps = _get_inputs(context, node)
        low = float(eps.val)
        clipped = Builder.clip(x=x, alpha=low, beta=1 - low)
        odds = Builder.real_div(x=clipped, y=Builder.sub(x=1.0, y=clipped))
        context.add(Builder.log(x=odds, epsilon=0.0, name=node.name))

    register_torch_op(logit, override=True)
    for name in NETS:
        for side in NETWORKS[name].sides:
            given = example(name, side)
            with torch.no_grad():
                traced = torch.jit.trace(
                    load_trained(name, checkpoints), tuple(given.values()), check_trace=False
                )
            model = coremltools.convert(
                traced,
                inputs=[
                    coremltools.TensorType(name=key, shape=tuple(value.shape))
                    for key, value in given.items()
                ],
                outputs=[coremltools.TensorType(name=key) for key in NETWORKS[name].outputs],
                convert_to="mlprogram",
                minimum_deployment_target=coremltools.target.iOS16,
            )
            path = out / f"{name}-{side}.mlpackage"
            model.save(str(path))
            yield path


def to_tensorrt(weights: Path, checkpoints: Path, out: Path) -> Iterator[Path]:
    """Writes ONNX with fixed shapes for TensorRT, in 32 bits and with 8-bit scales (QDQ).

    TensorRT refuses the unsigned scales of the INT8 networks that ship. Symmetric ones are
    calibrated here, on fusions of the examples.
    """
    files = read_manifest(weights)
    pairs = read_pairs(EXAMPLES / "pairs.csv", EXAMPLES)[:CALIBRATION]
    calibration = record(
        FusionPipeline.from_pretrained(weights, engine=Engine.ONNXRUNTIME), EXAMPLES, pairs
    )
    for name in NETS:
        with tempfile.TemporaryDirectory() as folder:
            int8 = Path(folder, "int8.onnx")
            quantize(prepare(files[name].path, Path(folder)), int8, TENSORRT, calibration[name])
            for side, (file, suffix) in product(
                NETWORKS[name].sides, ((files[name].path, ""), (int8, INT8_SUFFIX))
            ):
                model = onnx.load(str(file))
                for key, shape in shapes(name, side).items():
                    make_input_shape_fixed(model.graph, key, list(shape))
                fix_output_shapes(model)
                model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
                onnx.checker.check_model(model)
                path = out / f"{name}-{side}{suffix}.onnx"
                onnx.save(model, str(path))
                yield path


def trtexec(path: Path) -> str:
    """Returns the command that builds a TensorRT engine from a file of `to_tensorrt`."""
    bits = "--int8 --fp16" if path.stem.endswith(INT8_SUFFIX) else "--fp16"
    return f"trtexec --onnx={path} --saveEngine={path.with_suffix('.plan')} {bits}"


FORMATS: Final[dict[str, Callable[[Path, Path, Path], Iterator[Path]]]] = {
    "onnx": to_onnx,
    "tflite": to_tflite,
    "coreml": to_coreml,
    "tensorrt": to_tensorrt,
}


def size(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a directory."""
    return (
        sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
        if path.is_dir()
        else path.stat().st_size
    )


def export(
    form: str, weights: Path | None, checkpoints: Path | None, out: Path
) -> list[dict[str, Any]]:
    """Writes the fusion networks in a format.

    Returns:
        For each file its `path`, `bytes` and the next step as `command`, or None.

    Raises:
        ImportError: the format's package is not installed.
        WeightsError: the weights are missing or damaged.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = FORMATS[form](weights or EMBEDDED_WEIGHTS, checkpoints or CHECKPOINTS, out)
    return [
        {
            "path": path,
            "bytes": size(path),
            "command": trtexec(path) if form == "tensorrt" else None,
        }
        for path in paths
    ]
