"""The page as visitors meet it: a running server on the embedded weights, files to give it, and a
browser.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import gradio_client
import numpy as np
import pytest
from PIL import Image

from benchmarks import heic
from facefusion import FusionPipeline
from facefusion.geometry.mask import fill_points
from facefusion.geometry.topology import LEFT_EYE, OVAL, RIGHT_EYE
from tests.page_server import Server, Watched, serve
from tests.page_visitor import PageVisitor

#: In the names of all uploads: none of the logs may hold it.
SECRET = "aunt-mabel-1987"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


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
    running.watched.failure = running.watched.hold = running.watched.look = None


@pytest.fixture(scope="session")
def client(running: Server, tmp_path_factory: pytest.TempPathFactory) -> gradio_client.Client:
    return gradio_client.Client(
        running.url, verbose=False, download_files=tmp_path_factory.mktemp("downloads")
    )


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
def heic_file(save: Callable[..., str], astronaut: np.ndarray) -> str:
    """As an iPhone writes it: in tiles, lying, with boxes and EXIF that say how to turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = np.ascontiguousarray(np.rot90(astronaut[:400]))
    return save(heic.encoded(sideways, exif=exif.tobytes(), tile_size=256, quality=80), ".HEIC")


@pytest.fixture(scope="session")
def cut_heic_file(save: Callable[..., str], heic_file: str) -> str:
    whole = Path(heic_file).read_bytes()
    return save(whole[: len(whole) // 2], ".heic")


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
    """A PNG whose download broke off; of a JPEG, what is there is read."""
    whole = Path(save(astronaut, ".png")).read_bytes()
    return save(whole[: len(whole) // 3], ".png")


@pytest.fixture(scope="session")
def group_file(save: Callable[..., str], group: np.ndarray) -> str:
    return save(group, ".jpg", quality=95)


@pytest.fixture(scope="session")
def tiny_file(save: Callable[..., str], astronaut: np.ndarray) -> str:
    """Its face is too small to be used."""
    return save(np.ascontiguousarray(astronaut[::4, ::4]))


@pytest.fixture(scope="session")
def dark_file(save: Callable[..., str], astronaut: np.ndarray) -> str:
    return save((astronaut * 0.12).astype(np.uint8))


@pytest.fixture(scope="session")
def bright_file(save: Callable[..., str], astronaut: np.ndarray) -> str:
    return save(np.clip(astronaut * 2.2 + 60, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def blurred_file(save: Callable[..., str], astronaut: np.ndarray) -> str:
    return save(np.asarray(cv2.GaussianBlur(astronaut, (0, 0), 4), np.uint8))


@pytest.fixture(scope="session")
def soft_file(save: Callable[..., str]) -> str:
    """An example, so blurred that its face looks soft in a sharp photo, but not refused."""
    with Image.open(EXAMPLES / "portrait-3.jpg") as photo:
        return save(np.asarray(cv2.GaussianBlur(np.asarray(photo), (0, 0), 12), np.uint8))


@pytest.fixture(scope="session")
def sunglasses_file(
    save: Callable[..., str], astronaut: np.ndarray, pipeline: FusionPipeline
) -> str:
    photo, mesh = astronaut.copy(), pipeline.find_faces(astronaut)[0].mesh
    for eye in (LEFT_EYE, RIGHT_EYE):
        points = mesh[list(eye), :2]
        x, y = np.round(points.mean(0)).astype(int)
        width = float(np.ptp(points[:, 0]))
        cv2.ellipse(
            photo,
            (int(x), int(y)),
            (round(width), round(0.8 * width)),
            0,
            0,
            360,
            (12, 12, 14),
            -1,
            cv2.LINE_AA,
        )
    return save(photo)


@pytest.fixture(scope="session")
def mask_file(save: Callable[..., str], astronaut: np.ndarray, pipeline: FusionPipeline) -> str:
    photo, mesh = astronaut.copy(), pipeline.find_faces(astronaut)[0].mesh
    inside = np.zeros(photo.shape[:2], np.uint8)
    fill_points(inside, mesh[list(OVAL), :2], 255)
    inside[: int(mesh[5, 1])] = 0
    photo[inside > 127] = (90, 150, 215)
    return save(photo)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def new_page(browser: Any) -> Callable[[str], Any]:
    """Opens an empty page in a language. The next ones need not load and compile all scripts again."""
    profiles: dict[str, Any] = {}

    def open_page(locale: str) -> Any:
        if locale not in profiles:
            profiles[locale] = browser.new_context(locale=locale, reduced_motion="reduce")
        return profiles[locale].new_page()

    return open_page


@pytest.fixture
def visit(new_page: Callable[[str], Any], server: Server) -> Iterator[Callable[..., PageVisitor]]:
    """Opens the page: `visit(width, locale, scheme)`."""
    pages: list[Any] = []

    def come(
        width: int = 1280, locale: str = "en-US", scheme: str = "light", *, url: str | None = None
    ) -> PageVisitor:
        pages.append(new_page(locale))
        return PageVisitor(pages[-1], url or server.url, width, locale, scheme)

    yield come
    for page in pages:
        page.close()


@pytest.fixture(params=[(1280, "en-US"), (390, "zh-CN")], ids=["laptop-en", "phone-zh"])
def shape(request: pytest.FixtureRequest) -> tuple[int, str]:
    """Width of the window and language of the browser."""
    return tuple(request.param)
