"""Reads `manifest.json` and verifies weight files against it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from facefusion.errors import WeightsError
from facefusion.models.contracts import check
from facefusion.models.networks import INT8_TFLITE, NETWORKS, Tensors, base_name

_PACKAGE: Final = Path(__file__).resolve().parents[1]
#: Directory of the embedded weights: inside of an installed package, beside it in the repository.
EMBEDDED_WEIGHTS: Final = (
    _PACKAGE / "weights" if (_PACKAGE / "weights").is_dir() else _PACKAGE.parent / "weights"
)
#: Version of the interface between pipeline and networks; weights of another version are rejected.
INTERFACE: Final = 4


@dataclass(frozen=True)
class WeightFile:
    """One entry of `manifest.json`: the path, SHA-256, licence and contract of a network.

    `made_from` is the SHA-256 of the weights that INT8 ones were quantised from. `inputs` and
    `outputs` describe the tensors (`networks.Tensors`); both may be empty.
    """

    path: Path
    sha256: str
    licence: str
    contract: dict[str, Any]
    made_from: str | None = None
    inputs: Tensors = field(default_factory=dict)
    outputs: Tensors = field(default_factory=dict)

    def is_whole(self) -> bool:
        """Returns whether the file has the manifest's SHA-256.

        Raises:
            OSError: the file cannot be read.
        """
        return hashlib.sha256(self.path.read_bytes()).hexdigest() == self.sha256


def parse_manifest(path: Path) -> dict[str, WeightFile]:
    """Reads a `manifest.json`, without opening the files beside it.

    Raises:
        WeightsError: the manifest cannot be read, lacks a network, or has another interface.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = {
            name: _weight_file(path.parent, entry) for name, entry in manifest["networks"].items()
        }
        interface = manifest.get("interface", INTERFACE)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"The weights' manifest in {path.parent} cannot be read: {error}"
        ) from error
    if interface != INTERFACE:
        raise WeightsError(
            f"The weights in {path.parent} were made for another version of FaceFusion"
        )
    missing = [name for name in NETWORKS if name not in files]
    if missing:
        raise WeightsError(f"The weights in {path.parent} lack: {', '.join(missing)}")
    outside = [name for name, file in files.items() if file.path.parent != path.parent]
    if outside:  # a downloaded manifest must not lead to reading or writing in other directories
        raise WeightsError(
            f"The weights' manifest in {path.parent} names files outside of it: {', '.join(outside)}"
        )
    return files


def _weight_file(directory: Path, entry: dict[str, Any]) -> WeightFile:
    tensors: list[Tensors] = [
        {key: str(value) for key, value in entry.get(kind, {}).items()}
        for kind in ("inputs", "outputs")
    ]
    return WeightFile(
        directory / entry["file"],
        entry["sha256"],
        entry["licence"],
        entry["contract"],
        entry.get("made_from"),
        *tensors,
    )


def read_manifest(directory: Path) -> dict[str, WeightFile]:
    """Reads `manifest.json` and checks every ONNX file against its SHA-256.

    Raises:
        WeightsError: a file is missing or unreadable, or has another SHA-256.
    """
    files = parse_manifest(directory / "manifest.json")
    for name, file in files.items():
        try:
            whole = file.is_whole()
        except OSError as error:
            raise WeightsError(f"The {name} network cannot be read: {error}") from error
        if not whole:
            raise WeightsError(
                f"The {name} network ({file.path.name}) is damaged: its SHA-256 is not the manifest's"
            )
    return files


def check_contracts(files: Mapping[str, WeightFile]) -> None:
    """Checks the inputs and outputs of all ONNX files against `NETWORKS` and the manifest.

    Raises:
        WeightsError: a sentence that names the network and the difference.
    """
    for name, file in files.items():
        if base_name(name) in NETWORKS and not name.endswith(INT8_TFLITE):
            try:
                check(name, file.path, file.inputs, file.outputs)
            except OSError as error:
                raise WeightsError(f"The {name} network cannot be read: {error}") from error
