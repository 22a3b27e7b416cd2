"""Photo files in ten formats, and random damage to them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Final

import numpy as np
from PIL import Image

from benchmarks import heic, hostile

#: Side of the undamaged photos in pixels.
SIDE: Final = 256
#: Largest number of flipped bits, of changed size fields, and of inserted bytes.
FLIPS, FIELDS, INSERTED = 64, 4, 4096
#: Bytes at the beginning of a file in which headers are.
HEADER: Final = 512

Damage = Callable[[np.random.Generator, bytes], bytes]


@cache
def originals() -> dict[str, bytes]:
    """Returns the undamaged files by format: one photo with one face."""
    face = Image.open(io.BytesIO(hostile.face(SIDE, "PNG")))
    pixels = np.asarray(face)
    alpha = np.full((*pixels.shape[:2], 1), 200, np.uint8)
    grey = pixels[..., 1].astype(np.uint16) * 257
    return {
        "JPEG": hostile.face(SIDE),
        "CMYK JPEG": hostile.encoded(face.convert("CMYK"), "JPEG"),
        "PNG": hostile.encoded(np.dstack([pixels, alpha]), "PNG"),
        "16-bit PNG": hostile.encoded(grey, "PNG"),
        "HEIC": heic.encoded(pixels),
        "AVIF": hostile.encoded(pixels, "AVIF"),
        "WebP": hostile.encoded(pixels, "WEBP"),
        "GIF": hostile.encoded(face.quantize(64), "GIF"),
        "TIFF": hostile.encoded(pixels, "TIFF", compression="tiff_lzw"),
        "BMP": hostile.encoded(pixels, "BMP"),
    }


def mutated(rng: np.random.Generator) -> tuple[str, bytes]:
    """Damages a file of a random format in a random way, sometimes in two.

    Returns:
        The format and the damage, and the file.
    """
    files = originals()
    kind = str(rng.choice(list(files)))
    data, names = files[kind], []
    damages = _damages(list(files.values()))
    for _ in range(int(rng.integers(1, 3))):
        name = str(rng.choice(list(damages)))
        data = damages[name](rng, data)
        names.append(name)
    return f"{kind}, {' and '.join(names)}", data


def _damages(others: Sequence[bytes]) -> dict[str, Damage]:
    return {
        "bits flipped": partial(_flipped, within=None),
        "header's bits flipped": partial(_flipped, within=HEADER),
        "cut": lambda rng, data: data[: int(rng.integers(0, len(data) + 1))],
        "beginning cut": lambda rng, data: data[int(rng.integers(0, HEADER)) :],
        "blocks swapped": _swapped,
        "block zeroed": _zeroed,
        "bytes inserted": _inserted,
        "sizes changed": _resized,
        "another's body": partial(_joined, others=others),
    }


def _flipped(rng: np.random.Generator, data: bytes, within: int | None) -> bytes:
    array = bytearray(data)
    for place in rng.integers(0, min(len(array), within or len(array)), rng.integers(1, FLIPS)):
        array[place] ^= 1 << int(rng.integers(8))
    return bytes(array)


def _swapped(rng: np.random.Generator, data: bytes) -> bytes:
    a, b, c = sorted(int(place) for place in rng.integers(0, len(data) + 1, 3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _zeroed(rng: np.random.Generator, data: bytes) -> bytes:
    a, b = sorted(int(place) for place in rng.integers(0, len(data) + 1, 2))
    return data[:a] + bytes(b - a) + data[b:]


def _inserted(rng: np.random.Generator, data: bytes) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + rng.bytes(int(rng.integers(1, INSERTED))) + data[place:]


def _resized(rng: np.random.Generator, data: bytes) -> bytes:
    """Writes extreme numbers into the header, where sizes and offsets are."""
    array = bytearray(data)
    for _ in range(int(rng.integers(1, FIELDS))):
        width = int(rng.choice([2, 4]))
        value = int(rng.choice([0, 1, 255, 65535, 2**31 - 1, 2**32 - 1])) % 2 ** (8 * width)
        place = int(rng.integers(0, max(min(len(array), HEADER) - width, 1)))
        array[place : place + width] = value.to_bytes(width, rng.choice(["big", "little"]))
    return bytes(array)


def _joined(rng: np.random.Generator, data: bytes, others: Sequence[bytes]) -> bytes:
    other = others[int(rng.integers(len(others)))]
    head = int(rng.integers(4, HEADER))
    return data[:head] + other[head:]
