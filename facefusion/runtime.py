"""ONNX Runtime sessions: one place for threads, providers and the check of the weights' files."""

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

# Before the first session: on Windows there is no variable for it (`silence`).
onnxruntime.disable_telemetry_events()

_PACKAGE: Final = Path(__file__).resolve().parent
#: Folder of the weights that ship with the project: in an installed package inside it, in the
#: repository beside it.
EMBEDDED_WEIGHTS: Final = (
    _PACKAGE / "weights" if (_PACKAGE / "weights").is_dir() else _PACKAGE.parent / "weights"
)
#: The networks that a pipeline needs.
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
#: The version of what the pipeline and the networks say to each other. Weights of another version
#: are refused.
INTERFACE: Final = 3
#: Arrays by the name of a network's input.
Feeds = Mapping[str, FloatArray]
#: Bytes from which on an array is a picture of a photo's size, which the system gets back as soon
#: as it is freed: more than the largest crop takes, 512 x 512 x 3 numbers. Of what is smaller, so
#: much is kept for the next fusion.
PICTURE_BYTES: Final = 4 * 1024 * 1024
KEPT_BYTES: Final = 16 * 1024 * 1024
#: What follows a network's name where its weights are 8-bit integers: in ONNX, and in TFLite for
#: LiteRT.
INT8: Final = "_int8"
INT8_TFLITE: Final = "_int8_tflite"


@dataclass(frozen=True)
class WeightFile:
    """One entry of `manifest.json`: where a network is, its hash, licence and contract; of INT8
    ones what they come from.

    `inputs` and `outputs` describe its tensors (`contracts.Tensors`); an entry may lack them.
    """

    path: Path
    sha256: str
    licence: str
    contract: dict[str, Any]
    made_from: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def is_whole(self) -> bool:
        """Whether the file is the one that the manifest describes.

        Raises:
            OSError: it cannot be read.
        """
        return hashlib.sha256(self.path.read_bytes()).hexdigest() == self.sha256


def parse_manifest(path: Path) -> dict[str, WeightFile]:
    """Reads a `manifest.json`; its files are looked for beside it, and not opened.

    Raises:
        WeightsError: it cannot be read, lacks a network, or was made for another version of the
            pipeline.
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
    if (
        strange
    ):  # a manifest may come from elsewhere, and must not make us read or write anywhere else
        raise WeightsError(
            f"The weights' manifest in {path.parent} names files outside of it: {', '.join(strange)}"
        )
    return files


class Network(Protocol):
    """A network that is open; it may be called by several threads at once."""

    def run(self, outputs: list[str], feeds: Feeds, /) -> list[FloatArray]:
        """The named outputs for these inputs."""


def read_manifest(directory: Path) -> dict[str, WeightFile]:
    """Reads `manifest.json` and checks every ONNX file against its SHA-256.

    Raises:
        WeightsError: a file is missing, unreadable or not the one that the manifest describes.
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
    """Checks that every ONNX file of the pipeline's takes and gives what the pipeline and its
    manifest say.

    Raises:
        WeightsError: one sentence that names the network and what differs.
    """
    for name, file in files.items():
        if name.partition("_")[0] in CONTRACTS and not name.endswith(INT8_TFLITE):
            try:
                check(name, file.path, file.inputs, file.outputs)
            except OSError as error:
                raise WeightsError(f"The {name} network cannot be read: {error}") from error


def cpu_name() -> str:
    """The processor's model, as the system names it."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def session_options(threads: int | None = None) -> onnxruntime.SessionOptions:
    """Options for a session on the CPU: `threads` intra-op threads (all cores by default), no
    spinning while idle.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.inter_op_num_threads = 1
    # An arena keeps the most that a network ever needed, fifty megabytes in all; without it the
    # time is the same.
    options.enable_cpu_mem_arena = False
    # Spinning threads would take the cores from OpenCV and from other visitors between two
    # networks.
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
    except Exception as error:  # its exceptions share no class of their own
        raise WeightsError(
            f"ONNX Runtime cannot open {path.name}: {type(error).__name__}."
        ) from error


def wants_gpu() -> bool:
    """Whether this process is on ZeroGPU, or its environment asks for CUDA (`facefusion.gpu`)."""
    return bool(os.environ.get("SPACES_ZERO_GPU")) or os.environ.get("FACEFUSION_DEVICE") == "cuda"


def own_process() -> None:
    """Sets up a process that does nothing but fuse, such as the page's: its heap, and linear
    algebra in one thread.

    To be called by the main thread before others are started, and before the first fusion. A
    program that uses the pipeline beside other things may call it too; what it costs is that the
    program's own BLAS has one thread.

    A fusion's matrices are small. OpenBLAS wakes a thread on every core for them all the same,
    which then spins for some
    30 ms and takes that core from the networks that follow: with two cores a quarter of a fusion's
        time.
    """
    share_heap()
    threadpool_limits(1, user_api="blas")


def share_heap() -> bool:
    """Keeps the process to one of glibc's heaps, without its pictures; to be called before threads
    are started.

    Each thread gets a heap of its own otherwise, and what a visitor's fusion frees stays in that of
    the thread that ran it: the server held 797 MB after 16 visitors at once. What has a photo's
    size goes back to the system as soon as it is freed; what has a crop's size is kept for the next
    fusion, which takes a seventh longer where the system fetches it anew.

    Returns:
        Whether there was anything to set: other C libraries have nothing like it.
    """
    trim_threshold, mmap_threshold, arena_max = -1, -3, -8  # M_TRIM_THRESHOLD and so on of malloc.h
    try:
        set_option = ctypes.CDLL(None).mallopt
        options = ((arena_max, 1), (mmap_threshold, PICTURE_BYTES), (trim_threshold, KEPT_BYTES))
        return all(bool(set_option(*option)) for option in options)
    except (OSError, AttributeError, TypeError):
        return False


def give_back_memory() -> None:
    """Collects garbage and returns the heap's free pages to the system, as far as glibc can.

    It takes some 50 ms, and the next fusion fetches its pages anew.
    """
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
