"""Writes `weights/manifest.json`, the description of each weights file.

`python -m facefusion.export.manifest` writes it again from the files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from facefusion.engines.sessions import make_session
from facefusion.models.manifest import EMBEDDED_WEIGHTS, INTERFACE

#: Tensor types in the manifest by ONNX Runtime's names.
TYPES: Final = {"tensor(float)": "float32"}


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tensors(path: Path) -> dict[str, dict[str, str]]:
    """Returns the `inputs` and `outputs` of an ONNX file by name.

    Each is written as "float32[batch, 3, 112, 112]", where a word stands for any size. Empty for
    other files: their tensors are those of the network that they were made from.
    """
    if path.suffix != ".onnx":
        return {}
    session = make_session(path)

    def described(values: Iterable[Any]) -> dict[str, str]:
        return {
            value.name: f"{TYPES[value.type]}[{', '.join(map(str, value.shape))}]"
            for value in values
        }

    return {"inputs": described(session.get_inputs()), "outputs": described(session.get_outputs())}


def entry(path: Path, *, licence: str, parameters: int, contract: dict[str, str]) -> dict[str, Any]:
    """Returns the manifest entry of a network."""
    fields = {
        "file": path.name,
        "sha256": sha256(path),
        "licence": licence,
        "parameters": parameters,
        "contract": contract,
    }
    return {**fields, **tensors(path)}


def update(directory: Path, checkpoints: Path, networks: dict[str, dict[str, Any]]) -> None:
    """Writes `manifest.json`.

    Args:
        directory: folder of the ONNX files.
        checkpoints: folder of the safetensors, which are listed with their hashes.
        networks: entries that are new or changed; the others stay.
    """
    path = directory / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    manifest["interface"] = INTERFACE
    manifest["networks"] = dict(sorted({**manifest.get("networks", {}), **networks}.items()))
    files = sorted(checkpoints.glob("*.safetensors"))
    manifest["checkpoints"] = {
        file.stem: {"file": file.name, "sha256": sha256(file)} for file in files
    }
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def add_int8_entry(directory: Path, name: str, suffix: str, file: Path, precision: str) -> None:
    """Enters an INT8 network in `manifest.json`, with the hash of the one that it was made from.

    Args:
        directory: the weights' folder.
        name: the network that it was made from.
        suffix: what follows that name in the entry's (`networks.INT8`, `networks.INT8_TFLITE`).
        file: the INT8 file, in that folder.
        precision: how it was made.
    """
    path = directory / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    original = manifest["networks"][name]
    manifest["networks"][name + suffix] = {
        **original,
        "file": file.name,
        "sha256": sha256(file),
        "made_from": original["sha256"],
        "contract": {**original["contract"], "precision": precision},
        **tensors(file),
    }
    manifest["networks"] = dict(sorted(manifest["networks"].items()))
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Describes the files of a directory again: hashes, inputs and outputs; the rest stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=EMBEDDED_WEIGHTS, metavar="DIR")
    parser.add_argument(
        "--checkpoints", type=Path, default=EMBEDDED_WEIGHTS.parent / "checkpoints", metavar="DIR"
    )
    args = parser.parse_args()
    old = json.loads((args.weights / "manifest.json").read_text(encoding="utf-8"))["networks"]
    new = {}
    for name, each in old.items():
        file = args.weights / each["file"]
        new[name] = {**each, "sha256": sha256(file), **tensors(file)}
    update(args.weights, args.checkpoints, new)


if __name__ == "__main__":
    main()
