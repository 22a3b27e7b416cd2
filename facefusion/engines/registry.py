"""The table of engines: packages that can run the fusion networks, one entry an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from facefusion.engines.sessions import Network, make_session
from facefusion.errors import WeightsError
from facefusion.models.manifest import WeightFile
from facefusion.models.networks import INT8, INT8_TFLITE, NETWORKS


class Engine(StrEnum):
    """Names of the engines that ship, keys of `ENGINES`."""

    ONNXRUNTIME = "onnxruntime"
    ONNXRUNTIME_INT8 = "onnxruntime-int8"
    OPENVINO = "openvino"
    OPENVINO_INT8 = "openvino-int8"
    LITERT = "litert"
    LITERT_INT8 = "litert-int8"


#: The engine that is always installed, and that others are compared with.
REFERENCE: Final = Engine.ONNXRUNTIME


@dataclass(frozen=True)
class EngineSpec:
    """A package that runs networks, and the weights that it reads.

    Attributes:
        package: name of the package to import.
        distribution: name of the distribution that is installed; its version is a part of the key
            under which measurements are kept.
        find_weights: returns the file of a network, given the manifest's files and the name, or
            None if there is none.
        open: opens that file, given the network's name and the number of threads (None for
            `session_threads`); any exception rejects the engine.
        int8: whether it computes in 8 bits.
    """

    package: str
    distribution: str
    find_weights: Callable[[Mapping[str, WeightFile], str], Path | None]
    open: Callable[[Path, str, int | None], Network]
    int8: bool = False

    @property
    def installed(self) -> bool:
        """Whether the package can be imported."""
        return find_spec(self.package) is not None

    @property
    def version(self) -> str:
        """Version of the installed distribution."""
        return version(self.distribution)


def _onnx(files: Mapping[str, WeightFile], name: str) -> Path | None:
    return files[name].path


def _onnx_int8(files: Mapping[str, WeightFile], name: str) -> Path | None:
    return _quantized(files, name, INT8)


def _tflite(files: Mapping[str, WeightFile], name: str) -> Path | None:
    exported = files[name].path.with_suffix(".tflite")  # from `facefusion export --format tflite`
    return exported if exported.is_file() else None


def _tflite_int8(files: Mapping[str, WeightFile], name: str) -> Path | None:
    return _quantized(files, name, INT8_TFLITE)


def _quantized(files: Mapping[str, WeightFile], name: str, suffix: str) -> Path | None:
    """Returns INT8 weights, unless they were made from weights other than those in `files`."""
    file = files.get(name + suffix)
    return file.path if file is not None and file.made_from == files[name].sha256 else None


def _open_onnxruntime(path: Path, name: str, threads: int | None) -> Network:
    session: Network = make_session(path, threads)
    return session


def _open_openvino(path: Path, name: str, threads: int | None) -> Network:
    from facefusion.engines.openvino import OpenVinoNetwork

    return OpenVinoNetwork(path, threads)


def _open_litert(path: Path, name: str, threads: int | None) -> Network:
    from facefusion.engines.litert import LiteRtNetwork

    network = LiteRtNetwork(path, threads)
    network.check(name, NETWORKS[name].largest_side)
    return network


#: All engines by name, the reference first.
ENGINES: Final[dict[str, EngineSpec]] = {
    Engine.ONNXRUNTIME: EngineSpec("onnxruntime", "onnxruntime", _onnx, _open_onnxruntime),
    Engine.ONNXRUNTIME_INT8: EngineSpec(
        "onnxruntime", "onnxruntime", _onnx_int8, _open_onnxruntime, int8=True
    ),
    Engine.OPENVINO: EngineSpec("openvino", "openvino", _onnx, _open_openvino),
    Engine.OPENVINO_INT8: EngineSpec("openvino", "openvino", _onnx_int8, _open_openvino, int8=True),
    Engine.LITERT: EngineSpec("ai_edge_litert", "ai-edge-litert", _tflite, _open_litert),
    Engine.LITERT_INT8: EngineSpec(
        "ai_edge_litert", "ai-edge-litert", _tflite_int8, _open_litert, int8=True
    ),
}


def available(files: Mapping[str, WeightFile], name: str) -> list[str]:
    """Returns the installed engines with weights of the network `name`, the reference first."""
    return [
        engine
        for engine, spec in ENGINES.items()
        if spec.installed and spec.find_weights(files, name)
    ]


def open_network(
    engine: str, files: Mapping[str, WeightFile], name: str, threads: int | None = None
) -> Network:
    """Opens the network `name` in an engine, with `threads` threads (`session_threads` by default).

    Raises:
        WeightsError: the engine has no weights of the network or cannot open them, or they belong
            to another network.
    """
    spec = ENGINES[engine]
    path = spec.find_weights(files, name)
    if path is None:
        raise WeightsError(f"There are no weights of the {name} network for {engine}.")
    try:
        return spec.open(path, name, threads)
    except (WeightsError, ImportError):
        raise
    except Exception as error:  # each package has its own exceptions
        raise WeightsError(f"{engine} cannot open {path.name}: {type(error).__name__}.") from error
