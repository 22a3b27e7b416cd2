"""The face that is used where none is chosen is one and the same for the pipeline and for the page."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.errors import FaceTurnedError
from facefusion.geometry.pose import pose_degrees
from facefusion.geometry.topology import five_points
from facefusion.page import photo_checks
from facefusion.page.jobs import make_job
from facefusion.page.photo_checks import PhotoChecks
from facefusion.perception.boxes import ordered
from facefusion.perception.second_look import Look
from facefusion.pipeline.networks import Networks
from facefusion.types import Detection, Face

PHOTO = np.full((400, 600, 3), 128, np.uint8)


class Several:
    """A detector and a mesh network that find faces with the scores that are given.

    Attributes:
        found: mesh and score of each face in `PHOTO`.
    """

    def __init__(self, fakes: Any) -> None:
        self.fakes = fakes
        self.found: list[tuple[np.ndarray, float]] = []

    def passes(self, photo: np.ndarray) -> Any:
        if photo.shape != PHOTO.shape:
            yield from self.fakes.passes(photo)
            return
        yield []
        yield ordered(
            Detection(
                np.concatenate([mesh[:, :2].min(0), mesh[:, :2].max(0)]), score, five_points(mesh)
            )
            for mesh, score in self.found
        )
        yield from ([], [])

    def right_way_up(self, photo: np.ndarray, face: Face) -> Look:
        return Look(face.detection, face.detection.score)

    def __call__(self, photo: np.ndarray, detection: Detection) -> Face:
        if photo.shape != PHOTO.shape:
            return self.fakes(photo, detection)
        mesh = next(m for m, _ in self.found if (five_points(m) == detection.points).all())
        return Face(detection, mesh, *pose_degrees(mesh))


@pytest.fixture
def several(fakes: Any) -> Several:
    return Several(fakes)


@pytest.fixture
def product(several: Several, fakes: Any, chooser: Any) -> FusionPipeline:
    parts: Any = several
    networks = Networks(parts, parts, fakes.identity, fakes.coverings, fakes.coarse, fakes.refine)
    return FusionPipeline(networks, chooser=chooser)


@pytest.fixture(
    params=[
        # A large doubtful face and a small sure one; a large one turned away and a small frontal
        # one; and of two good ones the larger.
        ((200, 0, 0.65), (100, 0, 0.95)),
        ((200, 60, 0.95), (100, 0, 0.9)),
        ((100, 0, 0.9), (140, 0, 0.95)),
    ],
    ids=["doubtful", "turned", "both good"],
)
def chosen(request: Any, several: Several, make_mesh: Any) -> np.ndarray:
    """Puts two faces into `PHOTO`, and gives the mesh of the second, which is to be used."""
    several.found = [
        (make_mesh((150 + 280 * i, 200), height, yaw=yaw), score)
        for i, (height, yaw, score) in enumerate(request.param)
    ]
    return several.found[1][0]


@pytest.mark.parametrize("first", ["all", "one"])
def test_the_certain_usable_largest_face_is_used(
    product: FusionPipeline, chosen: np.ndarray, target: np.ndarray, source: np.ndarray, first: str
) -> None:
    """Whether all faces of the photo were measured before, as for the page, or one alone."""
    if first == "all":
        assert len(product.find_faces(PHOTO)) == 2
    as_source, as_target = product(PHOTO, target, tier="fast"), product(source, PHOTO, tier="fast")
    assert as_source.source_face.mesh is chosen and as_target.target_face.mesh is chosen
    assert product.find_face(PHOTO, "source").mesh is chosen


def test_a_pattern_is_not_used_for_a_face_turned_away(
    product: FusionPipeline, several: Several, make_mesh: Any
) -> None:
    several.found = [(make_mesh((150, 200), 200, yaw=60), 0.95), (make_mesh((430, 200)), 0.65)]
    for _ in range(2):
        with pytest.raises(FaceTurnedError):
            product.find_face(PHOTO, "source")
        assert len(product.find_faces(PHOTO)) == 2


def page_of(product: FusionPipeline) -> tuple[PhotoChecks, Any]:
    """Makes the checks of a page on which every upload is `PHOTO`, and one of its fields."""
    own: Any = SimpleNamespace(notes_for=lambda *_: [])
    photos: Any = SimpleNamespace(
        hold=lambda *_: nullcontext(),
        open=lambda *_: (PHOTO, own),
        read=lambda *_: PHOTO,
    )
    field: Any = SimpleNamespace(number=None, notice="notice", name="target")
    target = SimpleNamespace(field=field, faces="faces", assignment="assignment")
    layout: Any = SimpleNamespace(
        photos=SimpleNamespace(target=target, pair="pair"),
        settings=SimpleNamespace(consent="consent"),
    )
    return PhotoChecks(product, layout, photos), field


def test_the_page_checks_the_face_that_is_used(
    product: FusionPipeline, chosen: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[np.ndarray] = []
    monkeypatch.setattr(
        photo_checks, "doubts", lambda photo, face, *_, **__: looked.append(face.mesh) or []
    )
    checks, field = page_of(product)
    request: Any = SimpleNamespace(headers={})
    upload = {"path": "photo"}
    notice = checks.source_check(field)(upload, frozenset(), False, request)["notice"]["value"]
    assert len(looked) == 1 and looked[0] is chosen and "problem" not in notice
    assert checks.check_target(upload, request)["assignment"] == "01"
    others = dict.fromkeys((2, 3, 4))
    form: Any = SimpleNamespace(
        target=upload, source=upload, sources=(upload,), others=others, assignment="01"
    )
    form.likeness, form.blend = 0.5, 1.0
    job = make_job(product, checks.photos, form)
    assert job.swaps[0].face is not None and job.swaps[0].face.mesh is chosen


def test_a_person_behind_larger_patterns_is_found_with_and_without_the_cache(
    product: FusionPipeline, several: Several, make_mesh: Any
) -> None:
    sizes = ((150, 0.72), (140, 0.72), (130, 0.72), (100, 0.9))
    several.found = [
        (make_mesh((80 + 145 * i, 200), height), score) for i, (height, score) in enumerate(sizes)
    ]
    person = several.found[3][0]
    assert product.find_face(PHOTO, "target").mesh is person
    product.cache.clear()
    assert any(face.mesh is person for face in product.find_faces(PHOTO))
    assert product.find_face(PHOTO, "target").mesh is person


def test_the_page_chooses_that_face_though_the_cache_was_cleared(
    product: FusionPipeline, chosen: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another visitor may delete their photos at any moment."""
    real = product.find_face

    def find_face(*given: Any, **named: Any) -> Face:
        product.cache.clear()
        return real(*given, **named)

    monkeypatch.setattr(product, "find_face", find_face)
    checks, _ = page_of(product)
    request: Any = SimpleNamespace(headers={})
    assert checks.check_target({"path": "photo"}, request)["assignment"] == "01"
