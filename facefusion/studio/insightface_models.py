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
from typing import TYPE_CHECKING, Final

from facefusion.errors import WeightsError
from facefusion.models.hub import Hub, HubName, delete_cached
from facefusion.perception.detector import FaceDetector
from facefusion.studio.swapper import StudioNet

if TYPE_CHECKING:
    from facefusion.pipeline.pipeline import FusionPipeline

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


def upgrade(
    pipeline: FusionPipeline, models: str | Path, *, accept_licence: str, threads: int | None = None
) -> list[str]:
    """Adds the available models of insightface to a pipeline.

    Args:
        pipeline: its detector is replaced; with both ArcFace and inswapper it gets the Studio tier.
        models: a directory, or `owner/repo@revision` (`find_models`).
        accept_licence: `ACCEPTED`.
        threads: threads of each network; all cores by default.

    Returns:
        Names of the files in use.

    Raises:
        WeightsError: the licence is not accepted, there are no models, or a file's content does not
            match its name. The pipeline is then unchanged.
    """
    if accept_licence != ACCEPTED:
        raise WeightsError(TERMS)
    found = find_models(models)
    detector = _detector(found.detector, threads) if found.detector else None
    studio = (
        StudioNet(found.arcface, found.swapper, threads=threads)
        if found.arcface and found.swapper
        else None
    )
    used = []
    if detector and found.detector:
        pipeline.use_detector(detector)
        used.append(found.detector.name)
    if studio:
        pipeline.studio = studio
        used += [ARCFACE, SWAPPER]
    if not used:
        raise WeightsError(
            f"Studio needs both {ARCFACE} and {SWAPPER}; {models} holds only one of them."
        )
    return used


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


def upgrade_from_environment(pipeline: FusionPipeline, threads: int | None = None) -> None:
    """Adds the models that `MODELS_VARIABLE` names; a failure is reported in `pipeline.notice`."""
    models = os.environ.get(MODELS_VARIABLE)
    if not models:
        return
    try:
        used = upgrade(
            pipeline, models, accept_licence=os.environ.get(ACCEPT_VARIABLE, ""), threads=threads
        )
    except WeightsError as error:
        log.warning("%s", error)
        said = f"The models in {MODELS_VARIABLE} are not used. {error}"
        pipeline.notice = f"{pipeline.notice} {said}" if pipeline.notice else said
        return
    log.warning("In use, for non-commercial research only: %s", ", ".join(used))
