"""Opens the networks of a pipeline: its weights, engines and GPU, and models of the user."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from facefusion.engines.registry import Engine, open_network
from facefusion.engines.selection import forced_engines, select_engines
from facefusion.engines.sessions import Network
from facefusion.fusion.coarse import CoarseRunner
from facefusion.fusion.refine import RefineRunner
from facefusion.machine.measurements import machine_key
from facefusion.models.hub import embedded, resolve
from facefusion.models.manifest import WeightFile
from facefusion.perception.coverings import CoveringsFinder
from facefusion.perception.detector import FaceDetector
from facefusion.perception.eyelids import EyelidsFinder
from facefusion.perception.face_parser import FaceParser
from facefusion.perception.identity import IdentityEncoder
from facefusion.perception.mesh import FaceMesh
from facefusion.pipeline.networks import Networks
from facefusion.studio.insightface_models import (
    InsightfaceModels,
    models_from_environment,
    open_models,
)

log = logging.getLogger("facefusion.pipeline")


@dataclass(frozen=True)
class Loading:
    """Settings of `open_networks`.

    Attributes:
        threads: threads of each network; as many as the process may use with None.
        engine: engine of the fusion networks; the fastest installed one of each with None.
        device: `"cpu"`, or the torch device that runs the refine network, such as `"cuda"`.
    """

    threads: int | None = None
    engine: Engine | str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Opened:
    """Networks that `open_networks` opened.

    Attributes:
        networks: the networks.
        speed_key: key of their measured speed on disk (`auto.speed`).
        notice: message for the user if other networks run than were requested, or None.
    """

    networks: Networks
    speed_key: str
    notice: str | None = None


def open_networks(
    weights: str | Path | None = None,
    revision: str | None = None,
    settings: Loading | None = None,
    *,
    models: str | Path | None = None,
    accept_licence: str = "",
) -> Opened:
    """Opens the networks.

    Args:
        weights, revision: see `FusionPipeline.from_pretrained`.
        settings: threads, engine and device.
        models, accept_licence: see `FusionPipeline.from_pretrained`.

    Raises:
        WeightsError: a file is missing or damaged, `weights` is no valid name, or `models` cannot
            be used.
    """
    settings = Loading() if settings is None else settings
    found = resolve(weights, revision)
    try:
        opened = _open(found.files, settings)
    except Exception as error:
        if not found.name:
            raise
        found = embedded(found.name, f"they cannot be opened ({type(error).__name__})")
        opened = _open(found.files, settings)
    if models is None:
        added, refusal = models_from_environment(settings.threads)
    else:
        added, refusal = open_models(models, accept_licence, settings.threads), None
    notices = [notice for notice in (found.notice, refusal) if notice]
    return Opened(_with_models(opened.networks, added), opened.speed_key, " ".join(notices) or None)


def _open(files: Mapping[str, WeightFile], settings: Loading) -> Opened:
    threads = settings.threads
    engines = (
        select_engines(files, threads)
        if settings.engine is None
        else forced_engines(settings.engine, files)
    )
    coarse, refine = (
        open_network(engines[name], files, name, threads) for name in ("coarse", "refine")
    )
    networks = Networks(
        detector=FaceDetector(files["detector"].path, threads=threads),
        mesh=FaceMesh(files["mesh"].path, threads=threads),
        identity=IdentityEncoder(files["identity"].path, threads=threads),
        coverings=CoveringsFinder(
            FaceParser(files["parser"].path, threads=threads),
            EyelidsFinder(files["eyelids"].path, threads=threads),
        ),
        coarse=CoarseRunner(coarse),
        refine=RefineRunner(_on_device(refine, settings.device)),
    )
    hashes = (files["coarse"].sha256, files["refine"].sha256)
    device = [] if settings.device == "cpu" else [settings.device]
    return Opened(networks, machine_key(f"{threads} threads", *engines.values(), *hashes, *device))


def _on_device(refine: Network, device: str) -> Network:
    """Returns the refine network on a torch device, or `refine` and a line in the log."""
    if device == "cpu":
        return refine
    try:
        from facefusion.engines.gpu import GpuNetwork  # importing torch takes longer than a fusion
    except ImportError:
        log.warning("The refine network stays on the CPU: torch is not installed.")
        return refine
    try:
        return GpuNetwork(refine, device=device)
    except Exception as error:  # no CUDA, or weights without a checkpoint
        log.warning("The refine network stays on the CPU: %s", error)
        return refine


def _with_models(networks: Networks, models: InsightfaceModels | None) -> Networks:
    if models is None:
        return networks
    detector = networks.detector if models.detector is None else models.detector
    return replace(networks, detector=detector, studio=models.studio)
