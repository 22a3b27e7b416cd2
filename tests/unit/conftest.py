"""The pipeline around networks of paper: their answers are known, so what is made of them can be checked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from facefusion import FusionPipeline
from facefusion.choice import TierChooser
from facefusion.fusion.coarse import FusionMaps
from facefusion.geometry.pose import pose_degrees
from facefusion.geometry.topology import eye_distance, five_points
from facefusion.perception.coverings import Coverings
from facefusion.perception.spectacles import Spectacles
from facefusion.speed import Speed
from facefusion.tiers import TIERS
from facefusion.types import Detection, Face

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class Paper:
    """Detector, mesh, identity, coverings, coarse and refine network in one; faces are recognised by their photo's size.

    Attributes:
        faces: the mesh to find in a photo of (height, width); none elsewhere.
        answers: the embedding to give for a photo of (height, width).
        worn, hair: the glasses and the hair to find on the face of a photo of (height, width).
        unsettled: how far off the warped face is measured, in pixels.
        seen, refined: what the coarse and the refine network were given last.
    """

    def __init__(self) -> None:
        self.faces: dict[tuple[int, int], np.ndarray] = {}
        self.answers: dict[tuple[int, int], np.ndarray] = {}
        self.worn: dict[tuple[int, int], Spectacles] = {}
        self.hair: dict[tuple[int, int], np.ndarray] = {}
        self.unsettled = np.zeros(3, np.float32)
        self.seen: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self.refined: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def glance(self, photo: np.ndarray) -> list[Detection]:
        mesh = self.faces.get(photo.shape[:2])
        if mesh is None:
            return []
        box = np.concatenate([mesh[:, :2].min(0), mesh[:, :2].max(0)])
        return [Detection(box, 0.9, five_points(mesh))]

    def attempts(self, photo: np.ndarray) -> Iterator[list[Detection]]:
        yield from (self.glance(photo), [])

    def __call__(self, photo: np.ndarray, detection: Detection) -> Face:
        mesh = self.faces[photo.shape[:2]]
        return Face(detection, mesh, *pose_degrees(mesh))

    def measure(self, photo: np.ndarray, near: np.ndarray) -> np.ndarray:
        return near + self.unsettled

    def identity(self, photo: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        return self.answers.get(photo.shape[:2], np.array([1, 0], np.float32))

    def coverings(self, photo: np.ndarray, mesh: np.ndarray) -> Coverings:
        return Coverings(self.worn.get(photo.shape[:2]), self.hair.get(photo.shape[:2], np.zeros((96, 96), np.float32)))

    def coarse(self, warped: np.ndarray, target: np.ndarray, face: np.ndarray, identity: np.ndarray) -> FusionMaps:
        self.seen, self.told = (warped, target, face), identity
        return FusionMaps(face, np.zeros((128, 128, 3), np.float32))

    def refine(self, warped: np.ndarray, target: np.ndarray, face: np.ndarray, coarse: FusionMaps) -> FusionMaps:
        self.refined = (warped, target, face)
        return FusionMaps(face, np.zeros((*face.shape, 3), np.float32))


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
def paper(make_mesh) -> Paper:
    paper = Paper()
    paper.faces = {(300, 240): make_mesh((120, 150), 180), (400, 500): make_mesh((250, 200), 160, roll=15)}
    return paper


@pytest.fixture
def chooser() -> TierChooser:
    """For a machine that has time for everything."""
    return TierChooser(lambda: Speed(0.01, dict.fromkeys(TIERS, 0.01)), budget=60)


@pytest.fixture
def pipe(paper: Paper, chooser: TierChooser) -> FusionPipeline:
    parts: Any = paper
    return FusionPipeline(
        detector=parts, mesh=parts, identity=parts.identity, coverings=parts.coverings, coarse=parts.coarse,
        refine=parts.refine, chooser=chooser,
    )  # fmt: skip


@pytest.fixture
def source(make_photo) -> np.ndarray:
    return make_photo(300, 240)


@pytest.fixture
def target(make_photo) -> np.ndarray:
    return 255 - make_photo(400, 500)


@pytest.fixture
def data(tmp_path: Path, pipeline: FusionPipeline) -> Path:
    """The example portraits as a data folder, without machine-made extras; and a wall that shows nobody."""
    folder = tmp_path / "data"
    folder.mkdir()
    names, shapes, rows = [], [], ["file,split,yaw_deg,eye_distance_px"]
    for path in sorted(EXAMPLES.glob("portrait-*.jpg")):
        shutil.copy(path, folder)
        photo = np.asarray(Image.open(path).convert("RGB"))
        face = pipeline.mesh(photo, pipeline.detector(photo)[0])
        names.append(path.name)
        shapes.append(face.mesh)
        rows.append(f"{path.name},val,{face.yaw:.1f},{eye_distance(face.mesh):.1f}")
    np.savez(folder / "mesh468.npz", files=names, mesh=np.stack(shapes))
    (folder / "faces.csv").write_text("\n".join(rows))
    Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(folder / "wall.png")
    return folder
