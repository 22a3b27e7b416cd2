"""Opens ONNX Runtime sessions, verifies weight files and sets up the process for fusing."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import onnxruntime
from threadpoolctl import threadpool_limits

from facefusion.contracts import CONTRACTS, check
from facefusion.errors import WeightsError
from facefusion.types import FloatArray

# Before the first session: on Windows no variable switches it off (`silence`).
onnxruntime.disable_telemetry_events()

_PACKAGE: Final = Path(__file__).resolve().parent
#: Directory of the embedded weights: inside of an installed package, beside it in the repository.
EMBEDDED_WEIGHTS: Final = (
    _PACKAGE / "weights" if (_PACKAGE / "weights").is_dir() else _PACKAGE.parent / "weights"
)
#: Names of the networks that a pipeline needs.
NETWORKS: Final = (
    "detector",
    "mesh",
    "identity",
    "spectacles",
    "hair",
    "eyelids",
    "coarse",
    "refine",
)
#: Version of the interface between pipeline and networks; weights of another version are rejected.
INTERFACE: Final = 3
#: Arrays by the name of a network's input.
Feeds = Mapping[str, FloatArray]
#: Least bytes of an array that is returned to the system as soon as it is freed: above the largest
#: crop's, 512 x 512 x 3 numbers, so that only arrays of a photo's size are.
PICTURE_BYTES: Final = 4 * 1024 * 1024
#: Bytes of smaller freed arrays that the heap keeps for the next fusion.
KEPT_BYTES: Final = 16 * 1024 * 1024
#: Suffix of a network's name for INT8 weights in ONNX.
INT8: Final = "_int8"
#: Suffix of a network's name for INT8 weights in TFLite, for LiteRT.
INT8_TFLITE: Final = "_int8_tflite"


@dataclass(frozen=True)
class WeightFile:
    """One entry of `manifest.json`: the path, SHA-256, licence and contract of a network.

    `made_from` is the SHA-256 of the weights that INT8 ones were quantised from. `inputs` and
    `outputs` describe the tensors (`contracts.Tensors`); both may be empty.
    """

    path: Path
    sha256: str
    licence: str
    contract: dict[str, Any]
    made_from: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

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
            name: WeightFile(
                path.parent / entry["file"],
                entry["sha256"],
                entry["licence"],
                entry["contract"],
                entry.get("made_from"),
                *(
                    {key: str(value) for key, value in entry.get(put, {}).items()}
                    for put in ("inputs", "outputs")
                ),
            )
            for name, entry in manifest["networks"].items()
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
    strange = [name for name, file in files.items() if file.path.parent != path.parent]
    if strange:  # a downloaded manifest must not lead to reading or writing in other directories
        raise WeightsError(
            f"The weights' manifest in {path.parent} names files outside of it: {', '.join(strange)}"
        )
    return files


class Network(Protocol):
    """An open network; safe for concurrent calls."""

    def run(self, outputs: list[str], feeds: Feeds, /) -> list[FloatArray]:
        """Returns the named outputs for inputs by name."""


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
    """Checks the inputs and outputs of all ONNX files against `CONTRACTS` and the manifest.

    Raises:
        WeightsError: a sentence that names the network and the difference.
    """
    for name, file in files.items():
        if name.partition("_")[0] in CONTRACTS and not name.endswith(INT8_TFLITE):
            try:
                check(name, file.path, file.inputs, file.outputs)
            except OSError as error:
                raise WeightsError(f"The {name} network cannot be read: {error}") from error


def cpu_name() -> str:
    """Returns the processor's model name."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def session_options(threads: int | None = None) -> onnxruntime.SessionOptions:
    """Makes options of a CPU session with `threads` intra-op threads (all cores by default)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.inter_op_num_threads = 1
    # An arena would keep each network's peak memory, 50 MB in all, and saves no time.
    options.enable_cpu_mem_arena = False
    # Idle threads that spin would take cores from OpenCV and from other calls between networks.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def make_session(path: Path, threads: int | None = None) -> onnxruntime.InferenceSession:
    """Opens an ONNX file on the CPU.

    Raises:
        WeightsError: ONNX Runtime cannot open it.
    """
    options = session_options(threads)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base class
        raise WeightsError(
            f"ONNX Runtime cannot open {path.name}: {type(error).__name__}."
        ) from error


def wants_gpu() -> bool:
    """Returns whether to use a GPU: on ZeroGPU, or if the environment requests CUDA."""
    return bool(os.environ.get("SPACES_ZERO_GPU")) or os.environ.get("FACEFUSION_DEVICE") == "cuda"


def own_process() -> None:
    """Sets up a process that only fuses, such as the page's: one heap, and BLAS in one thread.

    Call it in the main thread, before other threads are started and before the first fusion. Other
    programs may call it too; their own BLAS then has one thread.

    A fusion's matrices are small, but OpenBLAS wakes a thread on every core for them, which then
    spins for some 30 ms and takes that core from the networks that follow: on two cores this costs
    a quarter of a fusion's time.
    """
    share_heap()
    threadpool_limits(1, user_api="blas")


def share_heap() -> bool:
    """Limits the process to one glibc heap that keeps crops but no photos.

    Call it before threads are started. Otherwise each thread gets a heap of its own that keeps what
    its fusions freed: the server held 797 MB after 16 concurrent visitors. Arrays of a photo's size
    are returned to the system as soon as they are freed; arrays of a crop's size are kept, since a
    fusion takes a seventh longer if their pages are allocated anew.

    Returns:
        Whether the options were set; other C libraries have none.
    """
    trim_threshold, mmap_threshold, arena_max = -1, -3, -8  # M_TRIM_THRESHOLD and so on of malloc.h
    try:
        set_option = ctypes.CDLL(None).mallopt
        options = ((arena_max, 1), (mmap_threshold, PICTURE_BYTES), (trim_threshold, KEPT_BYTES))
        return all(bool(set_option(*option)) for option in options)
    except (OSError, AttributeError, TypeError):
        return False


def give_back_memory() -> None:
    """Collects garbage and returns the heap's free pages to the system, with glibc.

    It takes some 50 ms, and the next fusion has to allocate its pages anew.
    """
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
