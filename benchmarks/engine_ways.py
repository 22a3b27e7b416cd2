"""Ways to open a fusion network: in every engine, as it ships and as other quantisers make it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Final

import torch

from facefusion.engines.registry import ENGINES, Engine, open_network
from facefusion.engines.sessions import Feeds, Network
from facefusion.export import litert
from facefusion.export.formats import CHECKPOINTS, load_trained, to_tflite
from facefusion.models.manifest import EMBEDDED_WEIGHTS, WeightFile
from facefusion.types import FloatArray

REFERENCE: Final = "ONNX Runtime, fp32"
#: An open network, and the files that it is in.
Opened = tuple[Network, tuple[Path, ...]]
#: Opens a network, given a folder to write to and inputs to calibrate on.
Opener = Callable[[Path, Sequence[Feeds]], Opened]


class TorchNetwork:
    """A trained network in torch.

    Args:
        net: its inputs are called and laid out as in the ONNX file, its outputs are in the same
            order.
    """

    def __init__(self, net: torch.nn.Module) -> None:
        self._net = net

    def run(self, outputs: list[str], feeds: Feeds, /) -> list[FloatArray]:
        """Returns as many outputs as are named, in the order of the ONNX file's."""
        with torch.inference_mode():
            answers = self._net(**{name: torch.from_numpy(feed) for name, feed in feeds.items()})
        return [answer.numpy() for answer in answers[: len(outputs)]]


def open_torch(name: str) -> Opened:
    """Opens the trained network `name` in torch."""
    return TorchNetwork(load_trained(name, CHECKPOINTS)), (CHECKPOINTS / f"{name}.safetensors",)


def open_shipped(engine: Engine, files: Mapping[str, WeightFile], name: str) -> Opened:
    """Opens the network `name` as the product does.

    Raises:
        WeightsError: the engine has no weights of it.
    """
    path = ENGINES[engine].find_weights(files, name)
    return open_network(engine, files, name), (path,) if path else ()


def open_nncf(file: Path, preset: str, folder: Path, calibration: Sequence[Feeds]) -> Opened:
    """Quantises an ONNX file with NNCF and opens it in OpenVINO.

    Args:
        file: the network in 32 bits.
        preset: "performance" for symmetric activations, "mixed" for asymmetric ones.
        folder: to write to.
        calibration: inputs of the network.
    """
    os.environ.setdefault("NNCF_CI", "1")  # it would report its use over the network
    import nncf
    import openvino

    from facefusion.engines.openvino import OpenVinoNetwork

    samples = nncf.Dataset([dict(feeds) for feeds in calibration])
    model = openvino.Core().read_model(str(file))
    quantized = nncf.quantize(
        model, samples, preset=nncf.QuantizationPreset(preset), subset_size=len(calibration)
    )
    path = folder / f"{file.stem}-{preset}.xml"
    openvino.save_model(quantized, str(path), compress_to_fp16=False)
    return OpenVinoNetwork(path), (path, path.with_suffix(".bin"))


@cache
def export_tflite(folder: Path) -> dict[str, Path]:
    """Exports both networks as TFLite to a folder, once, and returns their files by name."""
    return {path.stem: path for path in to_tflite(EMBEDDED_WEIGHTS, CHECKPOINTS, folder)}


def open_litert(
    name: str, tflite: Path | None, folder: Path, calibration: Sequence[Feeds] = ()
) -> Opened:
    """Opens the exported network in LiteRT.

    Args:
        name: the network.
        tflite: folder of the exported files, or None to export them.
        folder: to write to.
        calibration: not needed.

    Raises:
        FileNotFoundError: the folder lacks its file.
    """
    from facefusion.engines.litert import LiteRtNetwork

    path = export_tflite(folder)[name] if tflite is None else tflite / f"{name}.tflite"
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path.name}")
    return LiteRtNetwork(path), (path,)


def open_quantized_litert(
    name: str, tflite: Path | None, folder: Path, calibration: Sequence[Feeds]
) -> Opened:
    """Quantises the exported network as the one that ships (`export.litert`); opens it in LiteRT.

    Args:
        name, tflite, folder: as of `open_litert`.
        calibration: inputs of the network.

    Raises:
        FileNotFoundError: as of `open_litert`.
    """
    _, (path,) = open_litert(name, tflite, folder)
    int8 = folder / "int8"
    int8.mkdir(exist_ok=True)
    litert.quantize(path, int8 / path.name, name, calibration)
    return open_litert(name, int8, folder)


def openers(name: str, files: Mapping[str, WeightFile], tflite: Path | None) -> dict[str, Opener]:
    """Returns all ways to open the network `name`, the reference first.

    Args:
        name: the network.
        files: the weights' manifest.
        tflite: folder of the exported files, or None to export them.
    """
    fp32 = files[name].path
    return {
        REFERENCE: lambda *_: open_shipped(Engine.ONNXRUNTIME, files, name),
        "ONNX Runtime, INT8 that ships": lambda *_: open_shipped(
            Engine.ONNXRUNTIME_INT8, files, name
        ),
        "torch, fp32": lambda *_: open_torch(name),
        "OpenVINO, fp32": lambda *_: open_shipped(Engine.OPENVINO, files, name),
        "OpenVINO, INT8 that ships": lambda *_: open_shipped(Engine.OPENVINO_INT8, files, name),
        "OpenVINO, INT8 by NNCF, default": partial(open_nncf, fp32, "performance"),
        "OpenVINO, INT8 by NNCF, mixed": partial(open_nncf, fp32, "mixed"),
        "LiteRT, fp32": partial(open_litert, name, tflite),
        "LiteRT, INT8 by AI Edge Quantizer": partial(open_quantized_litert, name, tflite),
    }
