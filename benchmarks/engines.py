"""Compares the fusion networks in every engine, in 32 and in 8 bits.

`python -m benchmarks.engines --data DIR`. What the product can use is opened as the product opens
it. Beside the INT8 networks that ship for ONNX Runtime, two more ways to 8 bits are tried,
calibrated on fusions of the same photos: NNCF's for OpenVINO, and AI Edge Quantizer's for LiteRT, of
which the refine network ships. Packages that are not installed are named in the table; onnxruntime
and torch are enough for the rest of it. They live together in one environment: `pip install -r
requirements-dev.txt nncf==3.4.0`.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.engine_ways import REFERENCE, Opener, openers
from facefusion.engines.accuracy import fused, psnr
from facefusion.engines.sessions import Feeds, Network
from facefusion.evaluation.pairs import DataError
from facefusion.export import calibration as calibrated
from facefusion.export.formats import size
from facefusion.export.litert import resize_inputs
from facefusion.machine.cpu import describe_machine
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.models.networks import NETWORKS, fusion_networks
from facefusion.types import FloatArray

#: Timed rounds, in each of which every engine runs once.
ROUNDS: Final = 25
#: Seconds between two engines, in which the threads of the one before stop spinning.
PAUSE: Final = 0.03
PACKAGES: Final = (
    "onnxruntime",
    "torch",
    "openvino",
    "nncf",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "litert-torch",
)
#: Letters of an error's message that fit the table.
REASON_LENGTH: Final = 100


@dataclass(frozen=True)
class Row:
    """Measurements of a way to run a network, compared with the reference.

    Attributes:
        megabytes: of its files, 10^6 bytes.
        psnr, least: mean and worst PSNR in dB between their fused crops inside the face.
        ratio: time as a share of the reference's.
        reason: reason why nothing could be measured, or empty.
    """

    megabytes: float = 0.0
    psnr: float = 0.0
    least: float = 0.0
    ratio: float = 0.0
    reason: str = ""


def compare(
    ways: Mapping[str, Opener],
    name: str,
    folder: Path,
    calibration: Sequence[Feeds],
    judging: Sequence[Feeds],
    rounds: int,
) -> dict[str, Row]:
    """Judges all ways to run the network `name`, and times them in turns at its largest side.

    Args:
        ways: `openers`, the reference first.
        name: the network.
        folder: directory to write to.
        calibration, judging: its inputs, others to judge by than to calibrate on.
        rounds: number of rounds, in each of which every network runs once.

    Raises:
        Exception: the reference does not run.
    """
    spec = NETWORKS[name]
    rows: dict[str, Row] = {}
    networks: dict[str, Network] = {}
    truth: list[FloatArray] = []
    for way, opener in ways.items():
        try:
            with redirect_stdout(sys.stderr):  # the packages' messages are not part of the table
                network, paths = opener(folder, calibration)
                crops = [fused(each, *network.run(spec.output_names, each)) for each in judging]
        except Exception as error:  # each package has its own exceptions
            if way == REFERENCE:
                raise
            rows[way] = Row(reason=short_reason(error))
            continue
        truth = truth or crops
        rows[way] = judge(crops, truth, judging, paths)
        networks[way] = network
    largest = max(judging, key=lambda feeds: feeds["warped"].size)
    ratios = time_ratios(name, networks, resize_inputs(largest, spec.largest_side), rounds)
    return {way: replace(row, ratio=ratios.get(way, 0.0)) for way, row in rows.items()}


def judge(
    crops: Sequence[FloatArray],
    truth: Sequence[FloatArray],
    judging: Sequence[Feeds],
    paths: Sequence[Path],
) -> Row:
    """Compares fused crops (3, S, S) in [0, 1] with the reference's; adds up the files' sizes."""
    decibels = [
        psnr(crop, true, feeds["face"][0, 0] > 0.5)
        for crop, true, feeds in zip(crops, truth, judging, strict=True)
    ]
    return Row(sum(map(size, paths)) / 1e6, float(np.mean(decibels)), min(decibels))


def time_ratios(
    name: str, networks: Mapping[str, Network], feeds: Feeds, rounds: int
) -> dict[str, float]:
    """Returns each network's time as a share of the first one's, the median of the rounds."""
    seconds = np.array(
        [[_seconds(name, network, feeds) for network in networks.values()] for _ in range(rounds)]
    )
    shares: list[float] = np.median(seconds / seconds[:, :1], axis=0).tolist()
    return dict(zip(networks, shares, strict=True))


def _seconds(name: str, network: Network, feeds: Feeds) -> float:
    time.sleep(PAUSE)
    begin = time.perf_counter()
    network.run(NETWORKS[name].output_names, feeds)
    return time.perf_counter() - begin


def short_reason(error: Exception) -> str:
    """Shortens an error for a table: the missing package, or the message's first line.

    Folders are removed from the message.
    """
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    line = next(iter(str(error).strip().splitlines()), "")
    line = re.sub(r"(/[\w.@+-]+)+/", "", line).replace("|", "/")[:REASON_LENGTH]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def record_inputs(
    data: Path, samples: int
) -> tuple[dict[str, list[Feeds]], dict[str, list[Feeds]]]:
    """Returns inputs of both networks, by network: to calibrate on, and others to judge by.

    Args:
        data: folder with faces.csv, mesh468.npz and the images.
        samples: largest number of pairs of photos for either.

    Raises:
        DataError: the data cannot be used, or too few of its photos can be fused.
    """
    calibration, judging = calibrated.record_parts(
        EMBEDDED_WEIGHTS, data, calibrated.split_pairs(data, samples)
    )
    if not all((*calibration.values(), *judging.values())):
        raise DataError(f"Too few of the photos in {data} can be fused.")
    return calibration, judging


def report(
    found: Mapping[str, Mapping[str, Row]],
    here: Mapping[str, Any],
    versions: Sequence[str],
    samples: int,
    rounds: int,
) -> str:
    """Writes the table as Markdown.

    Args:
        found: rows by network and way.
        here: `machine`.
        versions: of the packages.
        samples, rounds: as they were asked for.
    """
    sides = {name: spec.largest_side for name, spec in fusion_networks().items()}
    lines = [
        "# Engines\n",
        f"`python -m benchmarks.engines --data DIR --samples {samples} --rounds {rounds}`\n",
        f"{here['cpu']}, {here['cores']} cores, load {here['load']}, {here['system']}, Python {here['python']}; "
        f"{', '.join(versions)}.\n",
        f"PSNR: fused crops inside the face against {REFERENCE}, 120 at most, on fusions of photos that were not "
        "calibrated on, at the sides that they have. Time: as a share of the reference's, median of rounds in which every "
        f"engine answers once, at {' and '.join(f'{side} pixels ({name})' for name, side in sides.items())}.\n",
        "| network | engine | MB | PSNR, dB (least) | time |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {way} {_cells(way, row)} |"
        for name, rows in found.items()
        for way, row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def _cells(way: str, row: Row) -> str:
    if row.reason:
        return f"| | {row.reason} |"
    exact = "the reference" if way == REFERENCE else f"{row.psnr:.1f} ({row.least:.1f})"
    return f"| {row.megabytes:.2f} | {exact} | {row.ratio:.2f}"


def package_versions() -> list[str]:
    """Returns the compared packages with their versions."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return found


def make_parser() -> argparse.ArgumentParser:
    """Makes the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with faces.csv, mesh468.npz and the images"
    )
    parser.add_argument(
        "--tflite",
        type=Path,
        help="folder that `export --format tflite` wrote (default: exported anew)",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=calibrated.CALIBRATION,
        help="largest number of pairs for either purpose",
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="timed rounds (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Compares, prints the table, and writes it to `--out`."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if min(args.samples, args.rounds) < 1:
        parser.error("--samples and --rounds are 1 at the least")
    machine, files = describe_machine(), read_manifest(EMBEDDED_WEIGHTS)
    try:
        calibration, judging = record_inputs(args.data, args.samples)
    except DataError as error:
        parser.error(str(error))
    rows: dict[str, dict[str, Row]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in fusion_networks():
            ways = openers(name, files, args.tflite)
            inputs = (calibration[name], judging[name])
            rows[name] = compare(ways, name, Path(folder), *inputs, args.rounds)
    text = report(rows, machine, package_versions(), args.samples, args.rounds)
    print(text)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
