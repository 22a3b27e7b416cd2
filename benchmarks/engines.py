"""The fusion networks in every engine, in 32 and in 8 bits: `python -m benchmarks.engines --data
DIR`.

What the product can use is opened as the product opens it. Beside the INT8 networks that ship for
ONNX Runtime, two more
ways to 8 bits are tried, calibrated on fusions of the same photos: NNCF's for OpenVINO, and AI Edge
Quantizer's for LiteRT, of which the refine network ships. Packages that are not installed are named
in the table; onnxruntime and torch are enough for the rest of it. They live together in one
environment: `pip install -r requirements-dev.txt nncf==3.4.0`.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from facefusion.engines.accuracy import fused, psnr
from facefusion.engines.registry import ENGINES, Engine, open_network
from facefusion.engines.sessions import Feeds, Network
from facefusion.evaluation.pairs import DataError
from facefusion.export import calibration as calibrated
from facefusion.export import litert
from facefusion.export.formats import CHECKPOINTS, load_trained, size, to_tflite
from facefusion.export.litert import resize_inputs
from facefusion.machine.cpu import describe_machine
from facefusion.models.manifest import EMBEDDED_WEIGHTS, WeightFile, read_manifest
from facefusion.models.networks import NETWORKS, fusion_networks
from facefusion.types import FloatArray

#: Timed rounds, in each of which every engine runs once.
ROUNDS: Final = 25
#: Seconds between two engines, in which the threads of the one before stop spinning.
PAUSE: Final = 0.03
REFERENCE: Final = "ONNX Runtime, fp32"
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
    """A way to run a network, beside the reference.

    Attributes:
        megabytes: of its files, 10^6 bytes.
        psnr, least: decibels between their fused crops inside the face, on the mean and in the
            worst case.
        ratio: time as a share of the reference's.
        reason: why nothing could be measured, or empty.
    """

    megabytes: float = 0.0
    psnr: float = 0.0
    least: float = 0.0
    ratio: float = 0.0
    reason: str = ""


#: An open network, and the files that it is in.
Opened = tuple[Network, tuple[Path, ...]]
#: Opens a network, given a folder to write to and inputs to calibrate on.
Opener = Callable[[Path, Sequence[Feeds]], Opened]


class TorchNetwork:
    """A trained network as torch runs it.

    Args:
        net: its inputs are called and laid out as in the ONNX file, its outputs are in the same
            order.
    """

    def __init__(self, net: torch.nn.Module) -> None:
        self._net = net

    def run(self, outputs: list[str], feeds: Feeds, /) -> list[FloatArray]:
        """All outputs, in the order of the ONNX file's, as many as are named."""
        with torch.inference_mode():
            answers = self._net(**{name: torch.from_numpy(feed) for name, feed in feeds.items()})
        return [answer.numpy() for answer in answers[: len(outputs)]]


def in_torch(name: str) -> Opened:
    """The trained network `name` in torch."""
    return TorchNetwork(load_trained(name, CHECKPOINTS)), (CHECKPOINTS / f"{name}.safetensors",)


def shipped(engine: Engine, files: Mapping[str, WeightFile], name: str) -> Opened:
    """The network `name` as the product opens it.

    Raises:
        WeightsError: the engine has no weights of it.
    """
    path = ENGINES[engine].find_weights(files, name)
    return open_network(engine, files, name), (path,) if path else ()


def by_nncf(file: Path, preset: str, folder: Path, calibration: Sequence[Feeds]) -> Opened:
    """OpenVINO on what NNCF's post-training quantisation makes of an ONNX file.

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
    made = nncf.quantize(
        model, samples, preset=nncf.QuantizationPreset(preset), subset_size=len(calibration)
    )
    path = folder / f"{file.stem}-{preset}.xml"
    openvino.save_model(made, str(path), compress_to_fp16=False)
    return OpenVinoNetwork(path), (path, path.with_suffix(".bin"))


@cache
def exported(folder: Path) -> dict[str, Path]:
    """TFLite files of both networks, made in a folder; once, however often they are asked for."""
    return {path.stem: path for path in to_tflite(EMBEDDED_WEIGHTS, CHECKPOINTS, folder)}


def in_litert(
    name: str, tflite: Path | None, folder: Path, calibration: Sequence[Feeds] = ()
) -> Opened:
    """LiteRT on the exported network.

    Args:
        name: the network.
        tflite: where its file is, or None to export it.
        folder: to write to.
        calibration: not needed.

    Raises:
        FileNotFoundError: it is not where it should be.
    """
    from facefusion.engines.litert import LiteRtNetwork

    path = exported(folder)[name] if tflite is None else tflite / f"{name}.tflite"
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path.name}")
    return LiteRtNetwork(path), (path,)


def by_quantizer(
    name: str, tflite: Path | None, folder: Path, calibration: Sequence[Feeds]
) -> Opened:
    """LiteRT on the exported network in 8 bits, made as what ships of it was made
    (`export.litert`).

    Args:
        name, tflite, folder: as of `in_litert`.
        calibration: inputs of the network.

    Raises:
        FileNotFoundError: as of `in_litert`.
    """
    _, (path,) = in_litert(name, tflite, folder)
    eight = folder / "int8"
    eight.mkdir(exist_ok=True)
    litert.quantize(path, eight / path.name, name, calibration)
    return in_litert(name, eight, folder)


def openers(name: str, files: Mapping[str, WeightFile], tflite: Path | None) -> dict[str, Opener]:
    """Every way to run the network `name`, the reference first.

    Args:
        name: the network.
        files: the weights' manifest.
        tflite: folder of the exported files, or None to export them.
    """
    whole = files[name].path
    return {
        REFERENCE: lambda *_: shipped(Engine.ONNXRUNTIME, files, name),
        "ONNX Runtime, INT8 that ships": lambda *_: shipped(Engine.ONNXRUNTIME_INT8, files, name),
        "torch, fp32": lambda *_: in_torch(name),
        "OpenVINO, fp32": lambda *_: shipped(Engine.OPENVINO, files, name),
        "OpenVINO, INT8 that ships": lambda *_: shipped(Engine.OPENVINO_INT8, files, name),
        "OpenVINO, INT8 by NNCF, default": partial(by_nncf, whole, "performance"),
        "OpenVINO, INT8 by NNCF, mixed": partial(by_nncf, whole, "mixed"),
        "LiteRT, fp32": partial(in_litert, name, tflite),
        "LiteRT, INT8 by AI Edge Quantizer": partial(by_quantizer, name, tflite),
    }


def compare(
    ways: Mapping[str, Opener],
    name: str,
    folder: Path,
    calibration: Sequence[Feeds],
    judging: Sequence[Feeds],
    rounds: int,
) -> dict[str, Row]:
    """Judges every way to run the network `name`, and times them in turns at its largest side.

    Args:
        ways: `openers`, the reference first.
        name: the network.
        folder: to write to.
        calibration, judging: its inputs, others to judge by than to calibrate on.
        rounds: in each of which every network answers once.

    Raises:
        Exception: the reference does not run.
    """
    rows: dict[str, Row] = {}
    networks: dict[str, Network] = {}
    truth: list[FloatArray] = []
    for way, opener in ways.items():
        try:
            with redirect_stdout(sys.stderr):  # what packages tell is not for the table
                network, paths = opener(folder, calibration)
                crops = [
                    fused(feeds, *network.run(NETWORKS[name].output_names, feeds))
                    for feeds in judging
                ]
        except Exception as error:  # what is tried here fails in ways of its own
            if way == REFERENCE:
                raise
            rows[way] = Row(reason=why(error))
            continue
        truth = truth or crops
        rows[way], networks[way] = judged(crops, truth, judging, paths), network
    largest = resize_inputs(
        max(judging, key=lambda feeds: feeds["warped"].size), NETWORKS[name].largest_side
    )
    ratios = times(name, list(networks.values()), largest, rounds)
    for way, ratio in zip(networks, ratios, strict=True):
        rows[way] = replace(rows[way], ratio=ratio)
    return rows


def judged(
    crops: Sequence[FloatArray],
    truth: Sequence[FloatArray],
    judging: Sequence[Feeds],
    paths: Sequence[Path],
) -> Row:
    """Fused crops (3, S, S) in [0, 1] beside the reference's, and the size of the network's files."""
    apart = [
        psnr(crop, true, feeds["face"][0, 0] > 0.5)
        for crop, true, feeds in zip(crops, truth, judging, strict=True)
    ]
    return Row(sum(map(size, paths)) / 1e6, float(np.mean(apart)), min(apart))


def times(name: str, networks: Sequence[Network], feeds: Feeds, rounds: int) -> list[float]:
    """Each network's time as a share of the first one's, the median of the rounds."""
    seconds = np.array(
        [[_seconds(name, network, feeds) for network in networks] for _ in range(rounds)]
    )
    shares: list[float] = np.median(seconds / seconds[:, :1], axis=0).tolist()
    return shares


def _seconds(name: str, network: Network, feeds: Feeds) -> float:
    time.sleep(PAUSE)
    begin = time.perf_counter()
    network.run(NETWORKS[name].output_names, feeds)
    return time.perf_counter() - begin


def why(error: Exception) -> str:
    """A short reason, fit for a table: the package that is missing, or the first line of the
    message without folders.
    """
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    line = next(iter(str(error).strip().splitlines()), "")
    line = re.sub(r"(/[\w.@+-]+)+/", "", line).replace("|", "/")[:REASON_LENGTH]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def recorded(data: Path, samples: int) -> tuple[dict[str, list[Feeds]], dict[str, list[Feeds]]]:
    """Inputs of both networks, by network: to calibrate on, and others to judge by.

    Args:
        data: folder with faces.csv, mesh468.npz and the images.
        samples: pairs of photos for either at the most.

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
    """The table, in Markdown.

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


def installed() -> list[str]:
    """The packages that take part, with their versions."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Compares, prints the table, and writes it where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with faces.csv, mesh468.npz and the images"
    )
    parser.add_argument(
        "--tflite", type=Path, help="what `export --format tflite` made (default: it is made here)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=calibrated.CALIBRATION,
        help="pairs for either purpose at the most",
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="timed rounds (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    args = parser.parse_args(argv)
    if min(args.samples, args.rounds) < 1:
        parser.error("--samples and --rounds are 1 at the least")
    here, files = describe_machine(), read_manifest(EMBEDDED_WEIGHTS)
    try:
        calibration, judging = recorded(args.data, args.samples)
    except DataError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as made:
        found = {
            name: compare(
                openers(name, files, args.tflite),
                name,
                Path(made),
                calibration[name],
                judging[name],
                args.rounds,
            )
            for name in fusion_networks()
        }
    text = report(found, here, installed(), args.samples, args.rounds)
    print(text)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
