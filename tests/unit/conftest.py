"""The pipeline around fake networks: their answers are known, so what is made of them can be
checked.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from facefusion import FusionPipeline
from facefusion.auto.chooser import TierChooser
from facefusion.auto.speed import Speed
from facefusion.cli.main import main
from facefusion.fusion.coarse import FusionMaps
from facefusion.geometry.pose import pose_degrees
from facefusion.geometry.sampling import PhotoPart
from facefusion.geometry.topology import eye_distance, five_points
from facefusion.perception.coverings import Coverings
from facefusion.perception.second_look import Look
from facefusion.perception.spectacles import Spectacles
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.networks import Networks
from facefusion.pipeline.source import AlignedFace, SourceView
from facefusion.pipeline.steps import Steps
from facefusion.pipeline.target import PreparedTarget
from facefusion.tiers import TIERS, Tier
from facefusion.types import Detection, Face

# Networks and batches are small here: a second thread costs more than it saves, three times the
# time of a training step where another process has the other core.
torch.set_num_threads(1)

#: Colours of `make_forehead`, and its row in 256 above which hair or a hat lies.
SKIN, HAIR, HAIRLINE = (205, 160, 140), (60, 42, 35), 56
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class FakeNetworks:
    """Detector, mesh, identity, coverings, coarse and refine network in one; faces are recognised
    by their photo's size.

    Attributes:
        faces: the mesh to find in a photo of (height, width); none elsewhere.
        answers: the embedding to give for a photo of (height, width).
        glasses, hair: the glasses and the hair to find on the face of a photo of (height, width).
        mesh_error: error of the measured mesh of the warped face, in pixels.
        coarse_inputs, refine_inputs: what the coarse and the refine network were given last.
    """

    def __init__(self) -> None:
        self.faces: dict[tuple[int, int], np.ndarray] = {}
        self.answers: dict[tuple[int, int], np.ndarray] = {}
        self.glasses: dict[tuple[int, int], Spectacles] = {}
        self.hair: dict[tuple[int, int], np.ndarray] = {}
        self.mesh_error = np.zeros(3, np.float32)
        self.coarse_inputs: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self.refine_inputs: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def glance(self, photo: np.ndarray) -> list[Detection]:
        mesh = self.faces.get(photo.shape[:2])
        if mesh is None:
            return []
        box = np.concatenate([mesh[:, :2].min(0), mesh[:, :2].max(0)])
        return [Detection(box, 0.9, five_points(mesh))]

    def attempts(self, photo: np.ndarray) -> Iterator[list[Detection]]:
        yield from (self.glance(photo), [])

    def passes(self, photo: np.ndarray) -> Iterator[list[Detection]]:
        yield self.glance(photo)
        yield from self.attempts(photo)

    def right_way_up(self, photo: np.ndarray, face: Face) -> Look:
        return Look(face.detection, 1.0)

    def __call__(self, photo: np.ndarray, detection: Detection) -> Face:
        mesh = self.faces[photo.shape[:2]]
        return Face(detection, mesh, *pose_degrees(mesh))

    def measure(self, photo: np.ndarray, near: np.ndarray) -> np.ndarray:
        return near + self.mesh_error

    def identity(self, photo: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        return self.answers.get(photo.shape[:2], np.array([1, 0], np.float32))

    def coverings(self, photo: np.ndarray, mesh: np.ndarray) -> Coverings:
        return Coverings(
            self.glasses.get(photo.shape[:2]),
            self.hair.get(photo.shape[:2], np.zeros((96, 96), np.float32)),
        )

    def coarse(
        self, warped: np.ndarray, target: np.ndarray, face: np.ndarray, identity: np.ndarray
    ) -> FusionMaps:
        self.coarse_inputs, self.told = (warped, target, face), identity
        return FusionMaps(face, np.zeros((128, 128, 3), np.float32))

    def refine(
        self, warped: np.ndarray, target: np.ndarray, face: np.ndarray, coarse: FusionMaps
    ) -> FusionMaps:
        self.refine_inputs = (warped, target, face)
        return FusionMaps(face, np.zeros((*face.shape, 3), np.float32))


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine in a thread: in this one a browser of other tests may have a loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.fixture
def fit() -> Callable[[Any, dict[str, torch.Tensor], int], list[float]]:
    """Trains a task's network on one batch for some steps, and gives the losses."""

    def fit(task: Any, batch: dict[str, torch.Tensor], steps: int) -> list[float]:
        optimizer, losses = torch.optim.AdamW(task.net.parameters(), 1e-2), []
        for _ in range(steps):
            loss, _ = task.loss(batch, 0.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        return losses

    return fit


@pytest.fixture
def fakes(make_mesh) -> FakeNetworks:
    fakes = FakeNetworks()
    fakes.faces = {
        (300, 240): make_mesh((120, 150), 180),
        (400, 500): make_mesh((250, 200), 160, roll=15),
    }
    return fakes


def bare_face() -> Coverings:
    """Nothing lies over the face."""
    return Coverings(None, np.zeros((96, 96), np.float32))


def as_face(photo: np.ndarray, mesh: np.ndarray) -> Face:
    """The face with this mesh, found by a fake network."""
    fakes = FakeNetworks()
    fakes.faces[photo.shape[:2]] = mesh
    return fakes(photo, fakes.glance(photo)[0])


@pytest.fixture(scope="session")
def make_forehead(make_mesh) -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A function that draws a face under hair, and lines over its forehead."""

    def make_forehead(
        *lines: tuple[int, int, int, int],
        colour: tuple[int, int, int] = HAIR,
        width: int = 3,
        hair: tuple[int, int, int] = HAIR,
        skin: tuple[int, int, int] = SKIN,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Takes the ends of the lines, x and y twice.

        Returns:
            (256, 256, 3) RGB uint8, an aligned crop; (468, 3) its mesh; (96, 96) float32, where the
            hair is.
        """
        mesh = make_mesh((128, 128), 153.6)
        noise = np.random.default_rng(3).normal(0, 2, (256, 256, 1))
        image = np.asarray(skin) + noise + np.linspace(-12, 12, 256)[:, None]
        image[:HAIRLINE] = np.asarray(hair) + noise[:HAIRLINE]
        photo = np.clip(image, 0, 255).astype(np.uint8)
        for line in lines:
            cv2.line(photo, line[:2], line[2:], colour, width, cv2.LINE_AA)
        found = np.zeros((96, 96), np.float32)
        found[: HAIRLINE * 96 // 256] = 1
        return photo, mesh, found

    return make_forehead


@pytest.fixture(scope="session")
def make_face() -> Callable[[np.ndarray, np.ndarray], Face]:
    """`as_face`."""
    return as_face


@pytest.fixture(scope="session")
def make_pair() -> Callable[..., AlignedPair]:
    """A function that puts one face onto another, as the pipeline does, without a correction of the expression."""

    def make_pair(
        source: tuple[np.ndarray, np.ndarray],
        target: tuple[np.ndarray, np.ndarray],
        *,
        tier: Tier = Tier.BEST,
        steps: Steps | None = None,
        source_coverings: Coverings | None = None,
        target_coverings: Coverings | None = None,
    ) -> AlignedPair:
        """Takes photo and mesh of each, and the coverings of both."""
        steps = steps or Steps()
        source_coverings = source_coverings or bare_face()
        target_coverings = target_coverings or bare_face()
        aligned = partial(
            AlignedFace.of, source[0], as_face(*source), source_coverings, strands=steps.hairline
        )
        view = SourceView(source[1], aligned, partial(PhotoPart.around, *source))
        prepared = PreparedTarget.of(*target, target_coverings, TIERS[tier], steps)
        mesh: Any = None  # the expression is not corrected
        return AlignedPair.align(
            view,
            prepared,
            mesh=mesh,
            expression_strength=0.0,
            coverings=target_coverings,
            steps=steps,
        )

    return make_pair


@pytest.fixture
def chooser() -> TierChooser:
    """For a machine that has time for everything."""
    return TierChooser(lambda: Speed(0.01, dict.fromkeys(TIERS, 0.01)), budget=60)


@pytest.fixture
def networks(fakes: FakeNetworks) -> Networks:
    parts: Any = fakes
    return Networks(parts, parts, parts.identity, parts.coverings, parts.coarse, parts.refine)


@pytest.fixture
def pipe(networks: Networks, chooser: TierChooser) -> FusionPipeline:
    return FusionPipeline(networks, chooser=chooser)


@pytest.fixture
def source(make_photo) -> np.ndarray:
    return make_photo(300, 240)


@pytest.fixture
def target(make_photo) -> np.ndarray:
    return 255 - make_photo(400, 500)


@pytest.fixture
def data(tmp_path: Path, pipeline: FusionPipeline) -> Path:
    """The example portraits as a data folder, without machine-made extras; and a wall that shows
    nobody.
    """
    folder = tmp_path / "data"
    folder.mkdir()
    names, shapes, rows = [], [], ["file,split,yaw_deg,eye_distance_px"]
    for path in sorted(EXAMPLES.glob("portrait-*.jpg")):
        shutil.copy(path, folder)
        photo = np.asarray(Image.open(path).convert("RGB"))
        face = pipeline.networks.mesh(photo, pipeline.networks.detector(photo)[0])
        names.append(path.name)
        shapes.append(face.mesh)
        rows.append(f"{path.name},val,{face.yaw:.1f},{eye_distance(face.mesh):.1f}")
    np.savez(folder / "mesh468.npz", files=names, mesh=np.stack(shapes))
    (folder / "faces.csv").write_text("\n".join(rows))
    Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(folder / "wall.png")
    return folder


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipe: FusionPipeline, make_photo) -> Path:
    """The working directory: a face, a photo, a wall without a face, and a text file; the pipeline
    is the fake one.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FusionPipeline, "from_pretrained", lambda weights=None, **_: pipe)
    Image.fromarray(make_photo(300, 240)).save("face.png")
    Image.fromarray(255 - make_photo(400, 500)).save("photo.png")
    Image.fromarray(make_photo(77, 99)).save("wall.png")
    Path("notes.txt").write_text("no picture")
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command, with the consent that it asks for: exit code, stdout, stderr."""

    def call(*words: str, consent: bool = True) -> tuple[int, str, str]:
        stated = ["--i-have-consent"] if consent and words[:1] in (("fuse",), ("batch",)) else []
        try:
            code = main([*words, *stated])
        except SystemExit as left:
            code = int(left.code or 0)
        return (code, *capsys.readouterr())

    return call
