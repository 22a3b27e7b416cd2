"""Time of decoding photos in the server's process, in another one, and by another Pillow.

`python -m benchmarks.decoding --out decoding.md`

`--pillow DIR` names a directory into which a wheel of another Pillow was unpacked (`python -m
zipfile -e pillow.whl DIR`); it is put first on the path of a process of its own, and not installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import PIL
from PIL import Image

from benchmarks import heic
from benchmarks.timing import seconds_of
from facefusion.decoding.pool import DecoderPool
from facefusion.images.reading import read_photo
from facefusion.machine.cpu import describe_machine

EXAMPLE: Final = Path(__file__).resolve().parents[1] / "examples" / "portrait-1.jpg"
#: Sides by megapixels, and options of each format as cameras and editors choose them.
SIDES: Final = {1: (1200, 900), 4: (2304, 1728), 12: (4000, 3000), 48: (8000, 6000)}
FORMATS: Final = {
    "jpg": {"quality": 92},
    "png": {"compress_level": 3},
    "webp": {"quality": 85, "method": 0},
}
#: HEIC as iPhones write it, in tiles; above these megapixels its encoder takes minutes.
HEIC: Final = {"quality": 60, "tile_size": 512, "enc_params": {"preset": "ultrafast"}}
HEIC_MOST: Final = 12
#: Rounds, in each of which every way decodes the photo once.
ROUNDS: Final = 25
#: Rounds of a large photo.
LARGE_ROUNDS: Final = 9
#: Megapixels from which on a photo is large.
LARGE: Final = 40
WHY: Final = """\
The server decodes in the other process (`facefusion.decoding`). Pillow 12.3.0 has published memory faults in its JPEG and
tiled TIFF decoders, which 13.0 mends and Gradio's bound excludes: an installation over the bound would not resolve on a
Space. The process costs a few milliseconds, and it answers for faults that nobody has published yet, too: whatever a file
does to a decoder happens under limits on memory, time and files, in a process that holds nobody's photos, and ends with it.

HEIC is in tiles of 512 pixels, as iPhones write it; two threads decode them.
"""


def photo_files(folder: Path) -> Iterator[tuple[str, int, Path]]:
    """Writes the example at every size in every format, with noise like a camera's.

    Yields:
        Name, rounds and file of each photo.
    """
    example = cv2.cvtColor(cv2.imread(str(EXAMPLE)), cv2.COLOR_BGR2RGB)
    for megapixels, size in SIDES.items():
        noise = np.random.default_rng(0).integers(0, 7, (size[1], size[0], 3), dtype=np.uint8)
        photo = Image.fromarray(
            cv2.add(cv2.resize(example, size, interpolation=cv2.INTER_CUBIC), noise)
        )
        for kind, options in FORMATS.items():
            path = folder / f"{megapixels}.{kind}"
            photo.save(path, **options)
            yield (
                f"{megapixels} MP {kind.upper()}",
                LARGE_ROUNDS if megapixels >= LARGE else ROUNDS,
                path,
            )
        if megapixels <= HEIC_MOST:
            path = folder / f"{megapixels}.heic"
            path.write_bytes(heic.encoded(np.asarray(photo), **HEIC))
            yield f"{megapixels} MP HEIC", ROUNDS, path


@contextmanager
def decoder(pillow: Path | None) -> Iterator[tuple[str, Callable[[Path], float]]]:
    """Starts a process, by default with the installed Pillow.

    Yields:
        Pillow's version there, and a function that decodes a file there and returns the seconds.
    """
    environment = dict(os.environ) | ({} if pillow is None else {"PYTHONPATH": str(pillow)})
    command = [sys.executable, "-m", "benchmarks.decoding", "--serve"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None and answers is not None

        def decode(path: Path) -> float:
            print(path, file=requests, flush=True)
            return float(answers.readline())

        yield answers.readline().strip(), decode
        requests.close()


def serve() -> None:
    """Decodes the files whose paths come from standard input, and prints the seconds of each."""
    print(PIL.__version__, flush=True)
    for line in sys.stdin:
        path = Path(line.strip())
        print(seconds_of(partial(read_photo, path, "target")), flush=True)


def measured(pillow: Path | None) -> str:
    """Decodes all photos in all ways, and formats the table."""
    with (
        tempfile.TemporaryDirectory() as name,
        DecoderPool() as pool,
        decoder(None) as (version, own),
    ):
        pool.start()
        ways: dict[str, Callable[[Path], float]] = {
            f"Pillow {version}, in process": own,
            f"Pillow {version}, other process": lambda path: seconds_of(
                lambda: pool.read(path, "target")
            ),
        }
        if pillow is None:
            return table(ways, Path(name))
        with decoder(pillow) as (newer, other):
            return table({**ways, f"Pillow {newer}, in process": other}, Path(name))


def table(ways: dict[str, Callable[[Path], float]], folder: Path) -> str:
    """Formats the milliseconds of every photo in every way, and the time over that of the first."""
    others = list(ways)[1:]
    head = ["photo", *ways, *(f"{way}: added" for way in others)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, rounds, path in photo_files(folder):
        for read in ways.values():
            read(path)
        seconds = np.array([[read(path) for read in ways.values()] for _ in range(rounds)])
        cells = [
            f"{np.median(each):.1f} ({each.min():.1f} to {each.max():.1f})"
            for each in 1000 * seconds.T
        ]
        for each in seconds.T[1:]:
            added, ratio = 1000 * (each - seconds[:, 0]), each / seconds[:, 0]
            least = 1000 * (each.min() - seconds[:, 0].min())
            cells.append(f"{np.median(added):+.1f} ms, x {np.median(ratio):.2f}; {least:+.1f} ms")
        lines.append(f"| {' | '.join([name, *cells])} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Prints or writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pillow", type=Path, help="directory of an unpacked wheel of another Pillow"
    )
    parser.add_argument("--out", type=Path, help="Markdown file; printed otherwise")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return
    here = describe_machine()
    text = (
        "# Decoding\n\n`python -m benchmarks.decoding`\n\n"
        f"{here['cpu']}, {here['cores']} cores, load {here['load']}. Milliseconds, median (least to most), of "
        f"{ROUNDS} rounds ({LARGE_ROUNDS} of {LARGE} MP and more) in which the ways take turns. What a way adds "
        "to the first: the median of the differences and ratios within a round, and the difference of the least, "
        "which other work on the machine disturbs less.\n\n"
        f"{measured(args.pillow)}\n\n{WHY}"
    )
    if args.out is None:
        print(text)
    else:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
