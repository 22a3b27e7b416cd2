"""Adds models supplied by the user: insightface's SCRFD, ArcFace and inswapper_128.

The project neither contains nor downloads them by default. They are used if the user names a
directory, or a Hub repository that `python -m facefusion hub models` has downloaded, and accepts
their licence. The identity similarity and the coarse network keep our own embedding, since their
measured ranges are valid for it alone.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facefusion.errors import WeightsError
from facefusion.models.hub import Hub, delete_cached
from facefusion.models.hub_name import HubName
from facefusion.perception.detector import FaceDetector
from facefusion.studio.swapper import StudioRunner

MODELS_VARIABLE: Final = "FACEFUSION_MODELS"
ACCEPT_VARIABLE: Final = "FACEFUSION_ACCEPT_LICENCE"
#: Value that accepts `TERMS`.
ACCEPTED: Final = "insightface-non-commercial"
TERMS: Final = (
    "The models of insightface (SCRFD, ArcFace, inswapper) are for non-commercial research only, unless their makers allow "
    f"more. Whoever accepts that says so with {ACCEPT_VARIABLE}={ACCEPTED} or --accept-licence {ACCEPTED}."
)
#: insightface's own file names, the best detector first.
DETECTORS: Final = ("scrfd_10g_bnkps.onnx", "det_10g.onnx", "det_2.5g.onnx", "det_500m.onnx")
ARCFACE: Final = "w600k_r50.onnx"
SWAPPER: Final = "inswapper_128.onnx"
FILES: Final = (*DETECTORS, ARCFACE, SWAPPER)
#: Number of outputs of SCRFD with points: scores, boxes and points at three strides.
SCRFD_OUTPUTS: Final = 9
SHA256_DIGITS: Final = 64

log = logging.getLogger("facefusion.studio.insightface_models")


@dataclass(frozen=True)
class Models:
    """Paths of insightface's models, None for missing ones."""

    detector: Path | None
    arcface: Path | None
    swapper: Path | None


def find_models(models: str | Path, hub: Hub | None = None) -> Models:
    """Finds insightface's files by name below a directory or in the Hub's cache, without network.

    Args:
        models: a directory, or `owner/repo@revision`.
        hub: access to the Hub's cache.

    Raises:
        WeightsError: no file is found, or one differs from the Hub's.
    """
    if isinstance(models, Path) or Path(models).is_dir() or "@" not in models:
        folder, advice = Path(models), ""
    else:
        name = HubName.parse(models)
        folder = (hub or Hub()).snapshot(name)
        _delete_damaged(folder)
        advice = f" `python -m facefusion hub models {models}` fetches them."
    paths: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.onnx")) if folder.is_dir() else ():
        paths.setdefault(path.name, path)
    found = Models(
        next((paths[d] for d in DETECTORS if d in paths), None),
        paths.get(ARCFACE),
        paths.get(SWAPPER),
    )
    if found == Models(None, None, None):
        raise WeightsError(
            f"{models} holds none of insightface's files ({', '.join(FILES)}).{advice}"
        )
    return found


def _delete_damaged(folder: Path) -> None:
    """Verifies files in the Hub's cache, where the name of a large file's blob is its SHA-256.

    Raises:
        WeightsError: a file was damaged and is deleted.
    """
    for path in folder.rglob("*.onnx"):
        wanted = path.resolve().name
        if len(wanted) != SHA256_DIGITS or not path.is_file():
            continue
        with path.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == wanted
        if not whole:
            delete_cached(path)
            raise WeightsError(f"{path.name} was damaged and is deleted; fetch it again.")


@dataclass(frozen=True)
class InsightfaceModels:
    """Open models of insightface.

    Attributes:
        detector: SCRFD, in place of the project's detector, or None.
        studio: the swapper of the tier `STUDIO`, or None.
        files: names of the files in use.
    """

    detector: FaceDetector | None
    studio: StudioRunner | None
    files: tuple[str, ...]


def open_models(
    models: str | Path, accept_licence: str, threads: int | None = None
) -> InsightfaceModels:
    """Opens the available models of insightface.

    Args:
        models: a directory, or `owner/repo@revision` (`find_models`).
        accept_licence: `ACCEPTED`.
        threads: threads of each network; as many as the process may use by default.

    Raises:
        WeightsError: the licence is not accepted, there are no models, or a file's content does not
            match its name.
    """
    if accept_licence != ACCEPTED:
        raise WeightsError(TERMS)
    found = find_models(models)
    files = []
    detector = None
    studio = None
    if found.detector:
        detector = _detector(found.detector, threads)
        files.append(found.detector.name)
    if found.arcface and found.swapper:
        studio = StudioRunner(found.arcface, found.swapper, threads=threads)
        files += [ARCFACE, SWAPPER]
    if not files:
        raise WeightsError(
            f"Studio needs both {ARCFACE} and {SWAPPER}; {models} holds only one of them."
        )
    return InsightfaceModels(detector, studio, tuple(files))


def _detector(path: Path, threads: int | None) -> FaceDetector:
    try:
        detector = FaceDetector(path, threads=threads)
    except Exception as error:
        raise WeightsError(f"{path.name} cannot be opened: {type(error).__name__}.") from error
    if detector.outputs != SCRFD_OUTPUTS:
        raise WeightsError(
            f"{path.name} is no SCRFD detector with five points: it has {detector.outputs} outputs."
        )
    return detector


def models_from_environment(
    threads: int | None = None,
) -> tuple[InsightfaceModels | None, str | None]:
    """Opens the models that `MODELS_VARIABLE` names.

    Returns:
        The models, or None if the variable is not set or they cannot be used; and the reason why
        they cannot, for the user, or None.
    """
    models = os.environ.get(MODELS_VARIABLE)
    if not models:
        return None, None
    try:
        opened = open_models(models, os.environ.get(ACCEPT_VARIABLE, ""), threads)
    except WeightsError as error:
        log.warning("%s", error)
        return None, f"The models in {MODELS_VARIABLE} are not used. {error}"
    log.warning("In use, for non-commercial research only: %s", ", ".join(opened.files))
    return opened, None
