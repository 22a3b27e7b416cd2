"""Checks inputs and outputs of ONNX files against the pipeline's contracts and the manifest.

The outermost fields of an ONNX file are read without the onnx package, which is not installed for
serving, and without opening a session, which takes a hundred times as long:
https://protobuf.dev/programming-guides/encoding,
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from facefusion.errors import WeightsError
from facefusion.models.networks import NETWORKS, Tensors, base_name, sizes

#: Names in the manifest of ONNX's element types, by their number.
_TYPES: Final = {
    1: "float32",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
#: Field numbers in onnx.proto.
_GRAPH, _INITIALIZER, _INITIALIZER_NAME, _INPUT, _OUTPUT = 7, 5, 8, 11, 12
#: Largest number of bytes of a varint in protobuf's encoding.
_LONGEST: Final = 10


def check(name: str, path: Path, inputs: Tensors, outputs: Tensors) -> None:
    """Checks an ONNX file's inputs and outputs.

    Args:
        name: name of the weights, such as "mesh" or "coarse_int8".
        path: ONNX file.
        inputs, outputs: tensors of the manifest; empty if it has none.

    Raises:
        WeightsError: they differ from `NETWORKS` or from the manifest.
        OSError: the file cannot be read.
    """
    try:
        found = declared(path.read_bytes())
    except (ValueError, IndexError, UnicodeDecodeError):
        raise WeightsError(f"The {name} network ({path.name}) is no ONNX file.") from None
    spec = NETWORKS[base_name(name)]
    for fault, wanted in (
        ("does not fit this pipeline", (spec.inputs, spec.outputs)),
        ("is not as its manifest says", (inputs, outputs)),
    ):
        for word, actual, expected in zip(("input", "output"), found, wanted, strict=True):
            if expected and (text := difference(word, actual, expected)):
                raise WeightsError(f"The {name} network ({path.name}) {fault}: {text}.")


def difference(word: str, found: Tensors, wanted: Tensors) -> str:
    """Describes how tensors differ, or returns an empty string.

    Args:
        word: "input" or "output".
        found, wanted: actual and expected tensors.
    """
    if list(found) != list(wanted):
        return f"its {word}s are {', '.join(found) or 'none'}, and should be {', '.join(wanted)}"
    wrong = [name for name in wanted if not _fits(found[name], wanted[name])]
    return " and ".join(
        f"its {word} {name} is {found[name]}, and should be {wanted[name]}" for name in wrong
    )


def _fits(found: str, wanted: str) -> bool:
    """Returns whether a tensor's type and shape match; a word in the found shape is any size."""
    if found.partition("[")[0] != wanted.partition("[")[0]:
        return False
    found_sizes, wanted_sizes = sizes(found), sizes(wanted)
    return len(found_sizes) == len(wanted_sizes) and all(
        not size.isdigit() or size == other
        for size, other in zip(found_sizes, wanted_sizes, strict=True)
    )


def declared(content: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Reads the inputs and outputs of an ONNX file, in its order, without weights among them.

    Raises:
        ValueError, IndexError: the content is no ONNX file.
    """
    graph = _last(memoryview(content), _GRAPH)
    if graph is None:
        raise ValueError("no graph")
    inputs: dict[str, str] = {}
    outputs: dict[str, str] = {}
    weights = set()
    for number, value in _fields(graph):
        if isinstance(value, int):
            continue
        if number == _INITIALIZER:
            weights.add(_text(_last(value, _INITIALIZER_NAME)))
        elif number in (_INPUT, _OUTPUT):
            tensor = _last(_last(value, 2), 1)  # type, tensor_type
            (inputs if number == _INPUT else outputs)[_text(_last(value, 1))] = _described(tensor)
    return {name: each for name, each in inputs.items() if name not in weights}, outputs


def _described(tensor: memoryview | None) -> str:
    if tensor is None:
        return "no tensor"
    kinds = [value for number, value in _fields(tensor) if number == 1 and isinstance(value, int)]
    known_sizes = []
    shape = _last(tensor, 2)
    for number, size in _fields(shape if shape is not None else memoryview(b"")):
        if number == 1 and not isinstance(size, int):  # dim: dim_value or dim_param
            known = [value for part, value in _fields(size) if part in (1, 2)]
            last = known[-1] if known else memoryview(b"")
            known_sizes.append(str(last) if isinstance(last, int) else _text(last) or "any")
    kind = kinds[-1] if kinds else 0
    return f"{_TYPES.get(kind, f'type {kind}')}[{', '.join(known_sizes)}]"


def _text(value: memoryview | None) -> str:
    return bytes(value).decode("utf-8") if value is not None else ""


def _last(message: memoryview | None, field: int) -> memoryview | None:
    """Returns a message's last field with this number, which overrides earlier ones, or None."""
    found = (
        [value for number, value in _fields(message) if number == field]
        if message is not None
        else []
    )
    if found and isinstance(found[-1], int):
        raise ValueError("a number instead of a message")
    return found[-1] if found else None  # type: ignore[return-value]


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yields numbers and values of a message's fields."""
    at = 0
    while at < len(message):
        key, at = _number(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _number(message, at)
            yield key >> 3, value
            continue
        if kind not in (1, 2, 5):
            raise ValueError("no field")
        size, at = _number(message, at) if kind == 2 else (8 if kind == 1 else 4, at)
        if at + size > len(message):
            raise ValueError("cut off")
        yield key >> 3, message[at : at + size]
        at += size


def _number(message: memoryview, at: int) -> tuple[int, int]:
    """Reads a varint, seven bits a byte, and returns it with the position of its end."""
    value = 0
    for i in range(_LONGEST):
        value |= (message[at + i] & 127) << 7 * i
        if message[at + i] < 128:
            return value, at + i + 1
    raise ValueError("no number")
