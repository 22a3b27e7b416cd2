"""The embedded networks on real photos: what is found, and that insightface takes the files as its
own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import insightface.model_zoo
import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.errors import NoFaceError
from facefusion.geometry.align import ARCFACE_TEMPLATE, similarity_transform, transform_points
from facefusion.geometry.topology import LEFT_EYE, OVAL, RIGHT_EYE, five_points
from facefusion.models.manifest import EMBEDDED_WEIGHTS
from facefusion.perception.reductions import is_blank
from facefusion.types import Detection

#: Centres of the six faces of the group photo.
GROUP_FACES = np.array([[518, 341], [953, 130], [107, 330], [1178, 336], [797, 410], [319, 208]])


def _centres(faces: list[Detection]) -> np.ndarray:
    return np.array([face.box.reshape(2, 2).mean(0) for face in faces])


def test_the_astronaut_is_one_face(pipeline: FusionPipeline, astronaut: np.ndarray) -> None:
    faces = pipeline.networks.detector(astronaut)
    assert len(faces) == 1
    np.testing.assert_allclose(_centres(faces)[0], [223, 120], atol=25)
    assert faces[0].score > 0.5
    left_eye, right_eye, nose, left_mouth, right_mouth = faces[0].points
    np.testing.assert_allclose(
        faces[0].points, [[203, 104], [248, 104], [224, 128], [204, 143], [243, 144]], atol=10
    )
    assert (
        left_eye[0] < right_eye[0]
        and left_mouth[0] < right_mouth[0]
        and left_eye[1] < nose[1] < left_mouth[1]
    )


def test_the_group_is_six_faces(pipeline: FusionPipeline, group: np.ndarray) -> None:
    faces = pipeline.networks.detector(group)
    assert len(faces) == 6
    distance = np.hypot(*np.moveaxis(_centres(faces)[:, None] - GROUP_FACES, -1, 0))
    assert sorted(distance.argmin(1)) == list(range(6))
    assert distance.min(1).max() < 30
    areas = [float(np.prod(face.box[2:] - face.box[:2])) for face in faces]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize("factor", [1, 3])
def test_a_glance_sees_what_a_look_sees(
    pipeline: FusionPipeline, astronaut: np.ndarray, factor: int
) -> None:
    # The face and its surroundings, as in most portraits.
    portrait = cv2.resize(
        astronaut[:300, 80:380], None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC
    )
    (face,), (expected,) = (
        pipeline.networks.detector.glance(portrait),
        pipeline.networks.detector(portrait),
    )
    np.testing.assert_allclose(face.box, expected.box, atol=12 * factor)
    np.testing.assert_allclose(face.points, expected.points, atol=7 * factor)
    assert face.score >= 0.6


def test_a_glance_says_nothing_where_it_is_not_clear_which_face_or_whether(
    pipeline: FusionPipeline, group: np.ndarray, astronaut: np.ndarray, make_photo
) -> None:
    assert pipeline.networks.detector.glance(group) == []  # six of nearly one size
    assert (
        pipeline.networks.detector.glance(np.ascontiguousarray(astronaut[::-1])) == []
    )  # upside down
    assert pipeline.networks.detector.glance(make_photo(1500, 900)) == []
    small = np.full((1500, 1500, 3), 127, np.uint8)
    small[700:850, 700:850] = astronaut[50:200, 150:300]
    assert pipeline.networks.detector.glance(small) == []
    assert pipeline.networks.detector.glance(np.zeros((1, 3000, 3), np.uint8)) == []


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_turned_photo_gives_the_same_face(
    pipeline: FusionPipeline, astronaut: np.ndarray, quarter_turns: int
) -> None:
    upright = pipeline.networks.mesh(
        astronaut, pipeline.networks.detector.with_retries(astronaut)[0]
    )
    turned_photo = np.ascontiguousarray(np.rot90(astronaut, quarter_turns))
    turned = pipeline.networks.mesh(
        turned_photo, pipeline.networks.detector.with_retries(turned_photo)[0]
    )
    back = {
        1: lambda x, y: (511 - y, x),
        2: lambda x, y: (511 - x, 511 - y),
        3: lambda x, y: (y, 511 - x),
    }[quarter_turns]
    found = np.stack(back(turned.mesh[:, 0], turned.mesh[:, 1]), axis=1)
    assert np.hypot(*(found - upright.mesh[:, :2]).T).mean() < 4
    assert abs((turned.roll - upright.roll + 90 * quarter_turns + 180) % 360 - 180) < 8


def test_a_tight_crop_is_found(pipeline: FusionPipeline, astronaut: np.ndarray) -> None:
    faces = pipeline.networks.detector.with_retries(
        np.ascontiguousarray(astronaut[62:180, 172:275])
    )
    assert len(faces) == 1
    np.testing.assert_allclose(_centres(faces)[0], [223 - 172, 120 - 62], atol=25)


@pytest.mark.parametrize("factor", [0.5, 2, 6])
def test_scale_does_not_matter(
    pipeline: FusionPipeline, astronaut: np.ndarray, factor: float
) -> None:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=way)
    faces = pipeline.networks.detector(scaled)
    assert len(faces) == 1
    np.testing.assert_allclose(_centres(faces)[0] / factor, [223, 120], atol=25)


@pytest.mark.parametrize("factor", [1, 4])
def test_every_attempt_speaks_of_the_photo_s_own_pixels(
    pipeline: FusionPipeline, astronaut: np.ndarray, factor: int
) -> None:
    scaled = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    plain, parts, padded, *_ = pipeline.networks.detector.attempts(scaled)
    (face,), (again,) = plain, padded
    assert parts == []  # of a photo of this size: it is no larger than the first pass needs
    np.testing.assert_allclose(again.box, face.box, atol=6 * factor)
    np.testing.assert_allclose(again.points, face.points, atol=4 * factor)
    # Turned so that each of the three turns in a row makes it upright.
    for attempt, turns in ((3, 3), (4, 1), (5, 2)):
        photo = np.ascontiguousarray(np.rot90(scaled, turns))
        (turned,) = list(pipeline.networks.detector.attempts(photo))[attempt]
        x, y = face.points[:, 0], face.points[:, 1]
        last = 512 * factor - 1
        there = {1: (y, last - x), 2: (last - x, last - y), 3: (last - y, x)}[turns]
        np.testing.assert_allclose(turned.points, np.stack(there, axis=1), atol=4 * factor)


@pytest.mark.skipif(sys.platform != "linux", reason="what is looked at is Linux's")
@pytest.mark.parametrize("shape", [(65535, 1), (1, 65535), (100, 100_000), (9000, 750)])
def test_a_photo_without_a_face_takes_no_more_memory_than_it_has(shape: tuple[int, int]) -> None:
    code = (
        "import resource, sys, numpy as np\n"
        "from facefusion.perception.detector import FaceDetector\n"
        "from facefusion.models.manifest import EMBEDDED_WEIGHTS\n"
        "detector = FaceDetector(EMBEDDED_WEIGHTS / 'detector.onnx', threads=1)\n"
        "photo = np.zeros((int(sys.argv[1]), int(sys.argv[2]), 3), np.uint8)\n"
        "detector.with_retries(np.zeros((640, 640, 3), np.uint8))\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (128 << 20), used + (128 << 20)))\n"
        "assert detector.glance(photo) == detector.with_retries(photo) == []"
    )
    command = [sys.executable, "-c", code, *map(str, shape)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_the_mesh_lies_on_the_face(pipeline: FusionPipeline, astronaut: np.ndarray) -> None:
    detection = pipeline.networks.detector(astronaut)[0]
    face = pipeline.networks.mesh(astronaut, detection)
    assert face.mesh.shape == (468, 3) and face.mesh.dtype == np.float32
    np.testing.assert_allclose(five_points(face.mesh), detection.points, atol=10)
    for eye, place in ((LEFT_EYE, (203, 104)), (RIGHT_EYE, (248, 104))):
        np.testing.assert_allclose(face.mesh[list(eye), :2].mean(0), place, atol=6)
    oval = face.mesh[list(OVAL), :2]
    width, height = np.ptp(oval, axis=0)
    assert 60 < width < 130 and 85 < height < 160
    assert abs(face.yaw) < 25 and abs(face.roll) < 10


def test_one_person_is_more_alike_than_two(
    pipeline: FusionPipeline, astronaut: np.ndarray, group: np.ndarray
) -> None:
    def embedding(photo: np.ndarray, detection: Detection) -> np.ndarray:
        return pipeline.networks.identity(photo, pipeline.networks.mesh(photo, detection).mesh)

    original = embedding(astronaut, pipeline.networks.detector(astronaut)[0])
    assert original.shape == (128,) and np.linalg.norm(original) == pytest.approx(1, abs=1e-4)
    mirrored, dark = np.ascontiguousarray(astronaut[:, ::-1]), (astronaut * 0.6).astype(np.uint8)
    same = [
        original @ embedding(photo, pipeline.networks.detector(photo)[0])
        for photo in (mirrored, dark)
    ]
    others = [
        original @ embedding(group, detection) for detection in pipeline.networks.detector(group)
    ]
    assert min(same) > max(others) + 0.1


def test_insightface_takes_the_detector_as_its_own(astronaut: np.ndarray) -> None:
    detector = insightface.model_zoo.get_model(
        str(_file("detector.onnx")), providers=["CPUExecutionProvider"]
    )
    assert detector.taskname == "detection"
    detector.prepare(ctx_id=-1, input_size=(640, 640), det_thresh=0.5)
    boxes, points = detector.detect(np.ascontiguousarray(astronaut[..., ::-1]))
    assert boxes.shape[1:] == (5,) and points.shape == (len(boxes), 5, 2)
    # Without the second look that `FaceDetector` takes, patterns in the picture may be found too;
    # the face is the surest.
    assert boxes[:, 4].argmax() == 0
    np.testing.assert_allclose(boxes[0, :4].reshape(2, 2).mean(0), [223, 120], atol=25)


def test_insightface_takes_the_identity_network_as_its_own(
    pipeline: FusionPipeline, astronaut: np.ndarray
) -> None:
    network = insightface.model_zoo.get_model(
        str(_file("identity.onnx")), providers=["CPUExecutionProvider"]
    )
    assert network.taskname == "recognition"
    network.prepare(ctx_id=-1)
    face = pipeline.networks.mesh(astronaut, pipeline.networks.detector(astronaut)[0])
    matrix = similarity_transform(five_points(face.mesh), ARCFACE_TEMPLATE)
    np.testing.assert_allclose(
        transform_points(five_points(face.mesh), matrix), ARCFACE_TEMPLATE, atol=8
    )
    crop = cv2.warpAffine(astronaut, matrix, (112, 112))
    theirs = network.get_feat(np.ascontiguousarray(crop[..., ::-1])).flatten()
    ours = pipeline.networks.identity(astronaut, face.mesh)
    assert (
        theirs @ ours / np.linalg.norm(theirs) > 0.95
    )  # its own mean and deviation may differ by a level


def _file(name: str) -> Path:
    path = EMBEDDED_WEIGHTS / name
    assert path.is_file(), "get_model would look for a missing file elsewhere"
    return path


def test_a_blank_photo_takes_no_pass(pipeline: FusionPipeline, astronaut: np.ndarray) -> None:
    blank = np.full((3000, 2000, 3), 90, np.uint8)
    blank[::7, ::5] += 4  # rounding and weak noise
    assert list(pipeline.networks.detector.passes(blank)) == []
    assert is_blank(blank) and not is_blank(astronaut)
    with pytest.raises(NoFaceError):
        pipeline.find_face(blank, "source")
    with pytest.raises(NoFaceError):
        pipeline.find_faces(blank)
    blank[1001, 999] = 95  # between the pixels that are looked at first
    assert not is_blank(blank)
