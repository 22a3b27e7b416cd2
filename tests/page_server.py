"""Serves the page for tests, with a pipeline that counts its fusions and can be made to fail or wait."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import app
from benchmarks.server import files_below
from facefusion import FusionPipeline, FusionResult, Tier
from facefusion.auto.chooser import TierChooser
from facefusion.auto.speed import FACE_SIDE, Speed
from facefusion.page.files import Sweeper
from facefusion.page.queue import Jobs
from facefusion.perception.coverings import Coverings
from facefusion.pipeline.cache import FeatureCache
from facefusion.types import Face

HOST = "127.0.0.1"
SPEED = Speed(0.1, {Tier.FAST: 0.2, Tier.BALANCED: 0.3, Tier.BEST: 0.44})


@dataclass
class Watched:
    """The real pipeline, with a count of its fusions and ways to make it fail or wait.

    Attributes:
        calls: the tiers that were asked for.
        failure: is raised instead of a fusion.
        hold: what each fusion waits for after its draft.
        look: what each look at a photo waits for.
        chooser: knows the times that the page shows; not the pipeline's own.
    """

    pipeline: FusionPipeline
    calls: list[str] = field(default_factory=list)
    failure: Exception | None = None
    hold: threading.Event | None = None
    look: threading.Event | None = None
    notice: str | None = None
    chooser: TierChooser = field(default_factory=lambda: TierChooser(lambda: SPEED))

    def stream(self, swaps: Any, target: Any, **options: Any) -> Iterator[FusionResult]:
        self.calls.append(str(options["tier"]))
        if self.failure is not None:
            raise self.failure
        for result in self.pipeline.stream(swaps, target, **options):
            yield result
            if self.hold is not None:
                self.hold.wait(30)

    def find_faces(self, photo: Any, *which: Any, **options: Any) -> list[Face]:
        if self.look is not None:
            self.look.wait(30)
        return self.pipeline.find_faces(photo, *which, **options)

    def find_face(self, photo: Any, *which: Any, **options: Any) -> Face:
        return self.pipeline.find_face(photo, *which, **options)

    def find_coverings(self, photo: Any, face: Face) -> Coverings:
        return self.pipeline.find_coverings(photo, face)

    @property
    def cache(self) -> FeatureCache:
        return self.pipeline.cache

    @property
    def tiers(self) -> list[Tier]:
        return self.pipeline.tiers

    def expected_seconds(self) -> dict[Tier, float]:
        return self.chooser.expected(FACE_SIDE, self.chooser.speed.perception)


@dataclass(frozen=True)
class Server:
    """A running page.

    Attributes:
        url: where it is, with a slash at the end.
        demo: what runs there.
        watched: the pipeline behind it.
        cache: the directory of its uploads and results.
        jobs: its queue.
        sweeper: deletes old files.
    """

    url: str
    demo: app.Demo
    watched: Watched
    cache: Path
    jobs: Jobs
    sweeper: Sweeper

    def files(self) -> set[str]:
        """The uploads and results on the disk, below the directory."""
        return set(files_below(self.cache))


@contextmanager
def serve(watched: Watched, cache: Path) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "GRADIO_TEMP_DIR", str(cache)
        )  # read while the page is built and again while it is served
        photos = app.open_photos(cache)
        demo = app.build_demo(watched, photos)
        jobs = app.launch(demo, photos, host=HOST, port=port)
        try:
            url, sweeper = f"http://{HOST}:{port}/", photos.uploads.sweeper
            yield Server(url, demo, watched, cache, jobs, sweeper)
        finally:
            demo.close(verbose=False)
            photos.close()
