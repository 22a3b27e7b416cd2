"""Checks inputs and outputs of ONNX files against the pipeline's contracts and the manifest.

The outermost fields of an ONNX file are read without the onnx package, which is not installed for
serving, and without opening a session, which takes a hundred times as long:
https://protobuf.dev/programming-guides/encoding,
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from facefusion.errors import WeightsError

#: Tensors by name, as in the manifest: "float32[batch, 3, 112, 112]", where a word is any size.
Tensors = Mapping[str, str]

_PICTURE: Final = "float32[1, 3, 128, 128]"
_REFINED: Final = {"one": "float32[1, 1, size, size]", "three": "float32[1, 3, size, size]"}
#: Inputs and outputs of the networks that the pipeline calls, in `manifest.INTERFACE`.
CONTRACTS: Final[dict[str, tuple[Tensors, Tensors]]] = {
    "detector": (
        {"input": "float32[1, 3, height, width]"},
        {
            f"{kind}_{stride}": f"float32[anchors, {size}]"
            for kind, size in (("score", 1), ("bbox", 4), ("kps", 10))
            for stride in (8, 16, 32)
        },
    ),
    "mesh": ({"input": "float32[batch, 3, 192, 192]"}, {"mesh": "float32[batch, 468, 3]"}),
    "identity": ({"input": "float32[batch, 3, 112, 112]"}, {"embedding": "float32[batch, 128]"}),
    "spectacles": ({"eyes": "float32[1, 3, 88, 144]"}, {"opacity": "float32[1, 2, 88, 144]"}),
    "hair": ({"head": "float32[1, 3, 64, 96]"}, {"opacity": "float32[1, 1, 64, 96]"}),
    "eyelids": ({"eyes": "float32[batch, 3, 32, 48]"}, {"shut": "float32[batch, 1]"}),
    "coarse": (
        {"warped": _PICTURE, "target": _PICTURE, "face": "float32[1, 1, 128, 128]", "identity": "float32[1, 128]"},
        {"mask": "float32[1, 1, 128, 128]", "delta": _PICTURE},
    ),
    "refine": (
        {
            "warped": _REFINED["three"], "target": _REFINED["three"], "face": _REFINED["one"],
            "mask": _REFINED["one"], "delta": _REFINED["three"],
        },
        {"refined_mask": _REFINED["one"], "refined_delta": _REFINED["three"]},
    ),
}  # fmt: skip

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
        name: name of the network, such as "mesh" or "coarse_int8"; the part before "_" is a key of
            `CONTRACTS`.
        path: ONNX file.
        inputs, outputs: tensors of the manifest; empty if it has none.

    Raises:
        WeightsError: they differ from `CONTRACTS` or from the manifest.
        OSError: the file cannot be read.
    """
    try:
        found = declared(path.read_bytes())
    except (ValueError, IndexError, UnicodeDecodeError):
        raise WeightsError(f"The {name} network ({path.name}) is no ONNX file.") from None
    needed = CONTRACTS[name.partition("_")[0]]
    for fault, wanted in (
        ("does not fit this pipeline", needed),
        ("is not as its manifest says", (inputs, outputs)),
    ):
        for word, mine, theirs in zip(("input", "output"), found, wanted, strict=True):
            if theirs and (told := difference(word, mine, theirs)):
                raise WeightsError(f"The {name} network ({path.name}) {fault}: {told}.")


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
    (kind, sizes), (wanted_kind, wanted_sizes) = (_parts(each) for each in (found, wanted))
    if kind != wanted_kind or len(sizes) != len(wanted_sizes):
        return False
    return all(
        not size.isdigit() or size == other for size, other in zip(sizes, wanted_sizes, strict=True)
    )


def _parts(tensor: str) -> tuple[str, list[str]]:
    kind, _, sizes = tensor.partition("[")
    return kind, re.findall(r"[^,\s\]]+", sizes)


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
    sizes = []
    shape = _last(tensor, 2)
    for number, size in _fields(shape if shape is not None else memoryview(b"")):
        if number == 1 and not isinstance(size, int):  # dim: dim_value or dim_param
            known = [value for part, value in _fields(size) if part in (1, 2)]
            last = known[-1] if known else memoryview(b"")
            sizes.append(str(last) if isinstance(last, int) else _text(last) or "any")
    kind = kinds[-1] if kinds else 0
    return f"{_TYPES.get(kind, f'type {kind}')}[{', '.join(sizes)}]"


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
