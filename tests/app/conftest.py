"""The page as visitors meet it: a running server on the embedded weights, and files to give it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import gradio_client
import numpy as np
import pytest
from PIL import Image

import app
from facefusion import FusionPipeline, FusionResult

#: In the names of all uploads: none of the logs may hold it.
SECRET = "aunt-mabel-1987"
HOST = "127.0.0.1"


@dataclass
class Watched:
    """The real pipeline, with a count of its calls and a way to make it fail."""

    pipeline: FusionPipeline
    calls: list[str] = field(default_factory=list)
    failure: Exception | None = None

    def __call__(self, source: Any, target: Any, **options: Any) -> FusionResult:
        self.calls.append(str(options["tier"]))
        if self.failure is not None:
            raise self.failure
        return self.pipeline(source, target, **options)


@dataclass(frozen=True)
class Server:
    """A running page.

    Attributes:
        url: where it is, with a slash at the end.
        demo: what runs there.
        watched: the pipeline behind it.
        cache: the directory of its uploads and results.
    """

    url: str
    demo: gr.Blocks
    watched: Watched
    cache: Path

    def files(self) -> set[str]:
        """Names of the uploads and results on the disk."""
        return {path.name for path in self.cache.rglob("*") if path.is_file()}


@contextmanager
def serve(watched: Watched, cache: Path) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(cache))  # read while the page is built and again while it is served
        demo = app.build_demo(watched)
        app.launch(demo, host=HOST, port=port, prevent_thread_lock=True)
        try:
            yield Server(f"http://{HOST}:{port}/", demo, watched, cache)
        finally:
            demo.close(verbose=False)


@pytest.fixture
def serve_page() -> Callable[[FusionPipeline, Path], AbstractContextManager[Server]]:
    """Serves a page of a test's own, with its files in a directory of its own."""
    return lambda pipeline, cache: serve(Watched(pipeline), cache)


@pytest.fixture(scope="session")
def running(pipeline: FusionPipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(Watched(pipeline), tmp_path_factory.mktemp("cache")) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """The page, with nothing counted yet and nothing set to fail."""
    running.watched.calls.clear()
    yield running
    running.watched.failure = None


@pytest.fixture(scope="session")
def client(running: Server, tmp_path_factory: pytest.TempPathFactory) -> gradio_client.Client:
    return gradio_client.Client(running.url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


@pytest.fixture(scope="session")
def save(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Writes an RGB array, or bytes, into a file whose name is private, and returns its path."""

    def write(content: np.ndarray | bytes, suffix: str = ".png", **options: Any) -> str:
        path = tmp_path_factory.mktemp("uploads") / f"{SECRET}{suffix}"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            Image.fromarray(content).save(path, **options)
        return str(path)

    return write


@pytest.fixture(scope="session")
def face_file(save: Callable[..., str], guest: np.ndarray) -> str:
    return save(guest)


@pytest.fixture(scope="session")
def photo_file(save: Callable[..., str], astronaut: np.ndarray) -> str:
    return save(astronaut)


@pytest.fixture(scope="session")
def landscape_file(save: Callable[..., str]) -> str:
    """A picture without a face."""
    y, x = np.mgrid[:240, :320]
    return save(np.stack([x * 0.5, 90 + y * 0.4, 200 - y * 0.5], axis=-1).astype(np.uint8))


@pytest.fixture(scope="session")
def text_file(save: Callable[..., str]) -> str:
    """No picture at all, whatever its name says."""
    return save(b"Dear diary, ...", ".jpg")


@pytest.fixture(scope="session")
def cut_file(save: Callable[..., str], astronaut: np.ndarray) -> str:
    """A JPEG whose download broke off."""
    whole = Path(save(astronaut, ".jpg", quality=90)).read_bytes()
    return save(whole[: len(whole) // 3], ".jpg")
