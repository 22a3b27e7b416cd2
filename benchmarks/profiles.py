"""Writes ICC profiles (ICC.1:2001-04) of colour spaces from their primaries, for tests and tables."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

#: x and y of red, green, blue and the white point, and the exponent of the tone curve.
Space = tuple[tuple[tuple[float, float], ...], float]
_D65: Final = (0.3127, 0.3290)
#: Display P3 with the exponent 2.2 in place of sRGB's curve, which is near it.
DISPLAY_P3: Final[Space] = (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65), 2.2)
ADOBE_RGB: Final[Space] = (((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65), 563 / 256)
PROPHOTO: Final[Space] = (
    ((0.734699, 0.265301), (0.159597, 0.840403), (0.036598, 0.000105), (0.345704, 0.358540)),
    1.8,
)
#: The white of profiles (D50), X, Y and Z.
_D50: Final = np.array([0.9642, 1.0, 0.8249])
#: Cone responses of the Bradford adaptation (ICC.1, annex E).
_BRADFORD: Final = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def rgb_profile(chromaticities: tuple[tuple[float, float], ...], gamma: float) -> bytes:
    """Makes a profile of an RGB space from three primaries and a white point."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in chromaticities]).T
    white = columns[:, 3]
    colours = columns[:, :3] * np.linalg.solve(columns[:, :3], white)
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    adapted = np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ colours
    curve = _curve(gamma)
    tags = {f"{name}XYZ".encode(): _xyz(adapted[:, i]) for i, name in enumerate("rgb")}
    return _profile(b"RGB ", tags | {f"{name}TRC".encode(): curve for name in "rgb"})


def grey_profile(gamma: float) -> bytes:
    """Makes a profile of grey with a tone curve."""
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    name = b"a test's"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + bytes(1 + 78 + 3)
    tags = {
        b"desc": described,
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": _xyz(_D50),
        **tags,
    }
    table, data = struct.pack(">I", len(tags)), b""
    begin = 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag + struct.pack(">II", begin + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", begin + len(data), b"\0\0\0\0", 0x02400000, b"mntr", space, b"XYZ "
    )
    head += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += struct.pack(">3i", *(round(float(v) * 65536) for v in _D50))
    return head.ljust(128, b"\0") + table + data
