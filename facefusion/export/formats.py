"""The fusion networks for elsewhere: ONNX, TFLite (Android), Core ML (iOS, macOS) and ONNX as
TensorRT accepts it.

Each format needs its own package, which is imported only when it is asked for:
    `requirements-dev.txt` names them.
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

from facefusion.engines import Engine
from facefusion.evaluation.pairs import read_pairs
from facefusion.export.calibration import record
from facefusion.export.onnx import CONTRACTS
from facefusion.export.quantize import CONVOLUTIONS, Recipe, prepared, quantize
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import EnhancementNet
from facefusion.pipeline import FusionPipeline
from facefusion.runtime import EMBEDDED_WEIGHTS, INT8, INT8_TFLITE, read_manifest

CHECKPOINTS: Final = EMBEDDED_WEIGHTS.parent / "checkpoints"
NETS: Final[dict[str, type[nn.Module]]] = {"coarse": CoarseFusionModel, "refine": EnhancementNet}
#: What 8-bit scales for TensorRT are calibrated on, and how many of its pairs: the last one is a
#: real person.
EXAMPLES: Final = EMBEDDED_WEIGHTS.parent / "examples"
CALIBRATION: Final = 3
#: What the files in 8 bits have in their names, and how TensorRT wants them.
EIGHT: Final = ".int8"
TENSORRT: Final = Recipe(per_channel=True, kinds=CONVOLUTIONS, keep=True, symmetric=True)
#: Sides at which each network is made where sizes are fixed: all that the pipeline uses.
SIDES: Final = {"coarse": (128,), "refine": (256, 384, 512)}


def trained(name: str, checkpoints: Path) -> nn.Module:
    """The network `name` with its trained weights, ready to answer."""
    net = NETS[name]()
    net.load_state_dict(load_file(str(checkpoints / f"{name}.safetensors")))
    return net.eval()


def shapes(name: str, side: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a network's inputs at a side."""
    given = CONTRACTS[name].inputs
    return {
        key: (*shape[:2], side, side) if len(shape) == 4 else shape for key, shape in given.items()
    }


def example(name: str, side: int, seed: int = 0) -> dict[str, Tensor]:
    """Inputs to trace a network with."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.rand(shape, generator=generator) for key, shape in shapes(name, side).items()
    }


def to_onnx(weights: Path, checkpoints: Path, out: Path) -> Iterator[Path]:
    """The files as they serve, 32 and 8 bits, with their manifest's entries."""
    kept = {
        name: file
        for name, file in read_manifest(weights).items()
        if name.removesuffix(INT8) in NETS
    }
    for file in kept.values():
        shutil.copyfile(file.path, out / file.path.name)
        yield out / file.path.name
    entries = json.loads((weights / "manifest.json").read_text(encoding="utf-8"))["networks"]
    manifest = {"networks": {name: entries[name] for name in kept}}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def tflite(name: str, checkpoints: Path, out: Path) -> Path:
    """A TFLite file of a network, 32 bits, with a signature `sSIDE` for every side, that share the
    weights.
    """
    import litert_torch

    net, converter = trained(name, checkpoints), litert_torch
    for side in SIDES[name]:
        converter = converter.signature(f"s{side}", net, sample_kwargs=example(name, side))
    path = out / f"{name}.tflite"
    converter.convert().export(str(path))
    return path


def to_tflite(weights: Path, checkpoints: Path, out: Path) -> Iterator[Path]:
    """TFLite, 32 bits, one file a network; of what also serves in 8 bits (`export.litert`) the file
    as it serves.
    """
    for name in NETS:
        yield tflite(name, checkpoints, out)
    for small in (
        file for name, file in read_manifest(weights).items() if name.endswith(INT8_TFLITE)
    ):
        shutil.copyfile(small.path, out / small.path.name)
        yield out / small.path.name


def to_coreml(weights: Path, checkpoints: Path, out: Path) -> Iterator[Path]:
    """Core ML programs for iOS 16 and macOS 13 on, 16 bits, one for every side."""
    import coremltools
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.torch import register_torch_op
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs

    def logit(context: Any, node: Any) -> None:
        """The one operation that the converter lacks."""
        x, eps = _get_inputs(context, node)
        low = float(eps.val)
        held = Builder.clip(x=x, alpha=low, beta=1 - low)
        odds = Builder.real_div(x=held, y=Builder.sub(x=1.0, y=held))
        context.add(Builder.log(x=odds, epsilon=0.0, name=node.name))

    register_torch_op(logit, override=True)
    for name in NETS:
        for side in SIDES[name]:
            given = example(name, side)
            with torch.no_grad():
                traced = torch.jit.trace(
                    trained(name, checkpoints), tuple(given.values()), check_trace=False
                )
            model = coremltools.convert(
                traced,
                inputs=[
                    coremltools.TensorType(name=key, shape=tuple(value.shape))
                    for key, value in given.items()
                ],
                outputs=[coremltools.TensorType(name=key) for key in CONTRACTS[name].outputs],
                convert_to="mlprogram",
                minimum_deployment_target=coremltools.target.iOS16,
            )
            path = out / f"{name}-{side}.mlpackage"
            model.save(str(path))
            yield path


def to_tensorrt(weights: Path, checkpoints: Path, out: Path) -> Iterator[Path]:
    """ONNX with every shape fixed, in 32 bits and with 8-bit scales (QDQ) as TensorRT takes them.

    TensorRT refuses the scales of the INT8 networks that serve here, which are of unsigned numbers.
    Symmetric ones are calibrated anew, on fusions of the examples.
    """
    files = read_manifest(weights)
    pairs = read_pairs(EXAMPLES / "pairs.csv", EXAMPLES)[:CALIBRATION]
    heard = record(
        FusionPipeline.from_pretrained(weights, engine=Engine.ONNXRUNTIME), EXAMPLES, pairs
    )
    for name in NETS:
        with tempfile.TemporaryDirectory() as folder:
            eight = Path(folder, "int8.onnx")
            quantize(prepared(files[name].path, Path(folder)), eight, TENSORRT, heard[name])
            for side, (file, suffix) in product(
                SIDES[name], ((files[name].path, ""), (eight, EIGHT))
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
    """The command that builds a TensorRT engine of a file of `to_tensorrt`."""
    bits = "--int8 --fp16" if path.stem.endswith(EIGHT) else "--fp16"
    return f"trtexec --onnx={path} --saveEngine={path.with_suffix('.plan')} {bits}"


FORMATS: Final[dict[str, Callable[[Path, Path, Path], Iterator[Path]]]] = {
    "onnx": to_onnx,
    "tflite": to_tflite,
    "coreml": to_coreml,
    "tensorrt": to_tensorrt,
}


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a directory."""
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
        Of each file its `path` and `bytes`, and what to do next as `command`, or None.

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
