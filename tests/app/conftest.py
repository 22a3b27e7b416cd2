"""The page as visitors meet it: a running server on the embedded weights, files to give it, and a
browser.
"""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import gradio_client
import numpy as np
import pytest
from PIL import Image

import app
from benchmarks import heic
from benchmarks.server import files_below
from facefusion import FusionPipeline, FusionResult, Tier
from facefusion.geometry.mask import fill_points
from facefusion.geometry.topology import LEFT_EYE, OVAL, RIGHT_EYE
from facefusion.page.files import Sweeper
from facefusion.page.queue import Jobs
from facefusion.perception.coverings import Coverings
from facefusion.types import Face
from facefusion.words import language_of, say

#: In the names of all uploads: none of the logs may hold it.
SECRET = "aunt-mabel-1987"
HOST = "127.0.0.1"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
AXE = EXAMPLES.parent / "node_modules" / "axe-core" / "axe.min.js"


@dataclass
class Watched:
    """The real pipeline, with a count of its fusions and ways to make it fail or wait.

    Attributes:
        calls: the tiers that were asked for.
        failure: is raised instead of a fusion.
        hold: what each fusion waits for after its draft.
        look: what each look at a photo waits for.
    """

    pipeline: FusionPipeline
    calls: list[str] = field(default_factory=list)
    failure: Exception | None = None
    hold: threading.Event | None = None
    look: threading.Event | None = None
    notice: str | None = None

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

    def find_coverings(self, photo: Any, face: Face) -> Coverings:
        return self.pipeline.find_coverings(photo, face)

    @property
    def tiers(self) -> list[Tier]:
        return self.pipeline.tiers

    def expected_seconds(self, face_size: float = 0, *, faces: int = 1) -> dict[Tier, float]:
        seconds = {Tier.FAST: 0.2, Tier.BALANCED: 0.3, Tier.BEST: 0.44}
        return {tier: faces * each for tier, each in seconds.items()}


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


class Visitor:
    """Somebody with a browser who looks at a page, and what the page does behind their back."""

    def __init__(self, page: Any, url: str, width: int, locale: str, scheme: str) -> None:
        self.language = language_of(locale)
        self.width = width
        self.seen = ""
        self.page = page
        self.page.set_viewport_size({"width": width, "height": 844})
        self.page.emulate_media(color_scheme=scheme)
        self.strangers: list[str] = []
        self.errors: list[str] = []
        own = (url, "data:", "blob:")
        self.page.on(
            "request", lambda r: None if r.url.startswith(own) else self.strangers.append(r.url)
        )
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.set_default_timeout(30_000)  # two test processes share two cores
        self.page.goto(url)
        self.page.wait_for_selector("#fuse")
        self.page.wait_for_selector("#state li")

    def say(self, key: str) -> str:
        return say(key, self.language)

    @property
    def target(self) -> str | None:
        """Where the picture of the target photo comes from."""
        return self.page.get_attribute("#target-photo img", "src")

    def choose(self, place: str, path: str) -> None:
        """Gives a photo instead of the one that is there, and waits until it was looked at."""
        told = f"#{place}-notice .notice >> visible=true"
        if self.page.locator(f"#{place}-photo img").count():
            self.page.locator(f"#{place}-photo .icon-button-wrapper button").last.click()
            self.page.wait_for_selector(f"#{place}-photo img", state="detached")
            self.page.wait_for_selector(told, state="detached")
        self.page.set_input_files(f"#{place}-photo input[type=file]", path)
        self.page.wait_for_selector(f"#{place}-photo img", state="attached")
        looked_at = self.page.locator(told)
        if place == "target":
            looked_at = looked_at.or_(self.page.locator("#target-photo .frames button >> nth=0"))
        try:
            looked_at.first.wait_for()
        except Exception as error:
            notices = self.page.locator("[id$=-notice]").all_inner_texts()
            message = f"{place}: never looked at; notices {notices}, errors {self.errors}"
            raise AssertionError(message) from error

    def consent(self) -> None:
        for box in self.page.locator("#consent .wrap input:not(:checked)").all()[::-1]:
            box.check()

    def result(self) -> str:
        """Waits for the next finished result, and gives the address of its file."""
        self.page.wait_for_function(
            """seen => { const made = document.querySelector("#made data")?.dataset;
            const view = document.querySelector("#view .view").dataset;
            return made?.png && made.after !== seen && made.after === view.file
              && !document.querySelector("#cancel"); }""",
            arg=self.seen,
            timeout=60_000,
        )
        self.seen = str(self.page.get_attribute("#made data", "data-after"))
        return self.seen

    def open(self, section: str) -> None:
        self.page.click(f"#{section} > button")
        self.page.wait_for_selector(f"#{section} [data-testid=accordion-content] >> visible=true")
        self.painted()

    def needs(self) -> list[str]:
        """What the page says is missing."""
        texts = self.settled(lambda: self.page.locator("#state li").all_inner_texts())
        return [str(each) for each in texts]

    def settled(self, read: Callable[[], Any]) -> Any:
        """Reads the page until two readings agree: scripts write a little after what they observe."""
        found, now = None, read()
        while found != now:
            self.page.wait_for_timeout(300)
            found, now = now, read()
        return now

    def notice(self, place: str) -> str:
        return str(self.page.inner_text(f"#{place}-notice .notice"))

    def fits(self) -> None:
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width

    def barriers(self) -> list[str]:
        """Lists what axe finds serious, in the light scheme and in the dark one."""
        if not AXE.is_file():
            pytest.skip("axe-core is not installed: run `npm ci` (make test does, where npm is)")
        self.page.add_script_tag(path=str(AXE))
        barriers = []
        for scheme in ("light", "dark"):
            self.show(scheme)
            found = self.page.evaluate(
                "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
            )
            barriers += [
                f"{scheme}, {each['id']}: {each['nodes'][0]['target']}"
                f" {each['nodes'][0].get('failureSummary', '')}"
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
            ]
        return barriers

    def resize(self, width: int) -> None:
        """Gives the window another width, and waits until the page is laid out anew."""
        self.width = width
        self.page.set_viewport_size({"width": width, "height": 844})
        self.painted()

    def painted(self) -> None:
        """Waits for the second frame: Gradio sets what a section holds once more in the first one."""
        self.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def show(self, scheme: str) -> None:
        """Switches to a color scheme, and waits until no color changes any more."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.wait_for_function(
            "dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark"
        )
        self.page.wait_for_function(
            "document.getAnimations().every((each) => !(each instanceof CSSTransition))"
        )

    def behaves(self) -> None:
        assert self.strangers == [] and self.errors == []


@pytest.fixture
def visit(new_page: Callable[[str], Any], server: Server) -> Iterator[Callable[..., Visitor]]:
    """Opens the page: `visit(width, locale, scheme)`."""
    pages: list[Any] = []

    def come(
        width: int = 1280, locale: str = "en-US", scheme: str = "light", *, url: str | None = None
    ) -> Visitor:
        pages.append(new_page(locale))
        return Visitor(pages[-1], url or server.url, width, locale, scheme)

    yield come
    for page in pages:
        page.close()


@pytest.fixture(params=[(1280, "en-US"), (390, "zh-CN")], ids=["laptop-en", "phone-zh"])
def shape(request: pytest.FixtureRequest) -> tuple[int, str]:
    """Width of the window and language of the browser."""
    return tuple(request.param)
