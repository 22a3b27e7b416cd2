"""What many tests need: a face mesh of known geometry, real photos, and the pipeline with the
embedded weights.
"""

from __future__ import annotations

from facefusion.machine import telemetry as telemetry  # isort: skip  # before the packages that it silences

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
import skimage.data
from insightface.data import get_image

from facefusion import FusionPipeline
from facefusion.auto.chooser import TierChooser
from facefusion.auto.speed import Speed
from facefusion.engines.registry import Engine
from facefusion.geometry import topology
from facefusion.geometry.triangles import TRIANGLES
from facefusion.machine.measurements import CACHE_VARIABLE
from facefusion.pipeline.loading import Loading, open_networks
from facefusion.tiers import TIERS

pytest.register_assert_rewrite("tests.page_visitor")

#: The speed of no machine in particular.
QUICK = Speed(0.1, {tier: 0.05 * 2**i for i, tier in enumerate(TIERS)})

MakeMesh = Callable[..., np.ndarray]


def _ring(
    count: int, start: float, centre: tuple[float, float], radii: tuple[float, float], sense: int
) -> np.ndarray:
    """`count` points of an ellipse from the angle `start` (0: right) on; `sense` 1 is clockwise in
    the image.
    """
    angles = start + sense * 2 * np.pi * np.arange(count) / count
    return np.stack(
        [centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], axis=1
    )


def _front(mouth_open: bool) -> np.ndarray:
    """(468, 3) frontal, symmetric face: its oval is an ellipse of 0.76 x 1.0 around the origin; z
    grows to the back.
    """
    flat = np.full((topology.MESH_POINTS, 2), np.nan)
    flat[list(topology.OVAL)] = _ring(36, -np.pi / 2, (0, 0), (0.38, 0.5), 1)
    flat[list(topology.LEFT_EYE)] = _ring(16, np.pi, (-0.17, -0.12), (0.07, 0.03), -1)
    flat[list(topology.RIGHT_EYE)] = _ring(16, 0, (0.17, -0.12), (0.07, 0.03), 1)
    for brow, side in ((topology.LEFT_BROW, -1), (topology.RIGHT_BROW, 1)):
        across = np.linspace(0.27, 0.07, 5)
        flat[list(brow[:5])] = np.stack([side * across, np.full(5, -0.23)], axis=1)
        flat[list(brow[5:])] = np.stack([side * across[::-1], np.full(5, -0.20)], axis=1)
    flat[list(topology.OUTER_LIPS)] = _ring(20, np.pi, (0, 0.24), (0.13, 0.06), -1)
    flat[list(topology.INNER_LIPS)] = _ring(
        20, np.pi, (0, 0.24), (0.10, 0.035 if mouth_open else 0.002), -1
    )
    flat[list(topology.NOSE[:10])] = np.stack([np.zeros(10), np.linspace(-0.11, 0.14, 10)], axis=1)
    _pairs(flat, topology.NOSE[10:], [(0.045, 0.13), (0.075, 0.09), (0.06, 0.085), (0.06, 0.11)])
    _pairs(
        flat,
        topology.CHEEKS,
        [
            (0.2, 0.02),
            (0.16, 0.1),
            (0.22, 0.13),
            (0.26, 0),
            (0.12, 0),
            (0.1, 0.06),
            (0.3, 0.06),
            (0.28, 0.13),
        ],
    )
    flat[list(topology.FOREHEAD[:3])] = [(0, -0.42), (0, -0.33), (0, -0.26)]
    _pairs(flat, topology.FOREHEAD[3:], [(0.08, -0.36), (0.12, -0.34), (0.18, -0.3)])
    flat[list(topology.CHIN[:4])] = [(0, 0.42), (0, 0.38), (0, 0.34), (0, 0.45)]
    _pairs(flat, topology.CHIN[4:], [(0.06, 0.4)])
    _fill(flat)
    height = np.sqrt(np.clip(1 - (flat[:, 0] / 0.4) ** 2 - (flat[:, 1] / 0.53) ** 2, 0, None))
    return np.concatenate([flat, -0.35 * height[:, None]], axis=1)


def _fill(flat: np.ndarray) -> None:
    """Puts each point that is still NaN in the middle of its neighbours (Tutte, "How to draw a
    graph", 1963).
    """
    apart = np.zeros((len(flat), len(flat)))
    for a, b in (TRIANGLES[:, [0, 1]].T, TRIANGLES[:, [1, 2]].T, TRIANGLES[:, [2, 0]].T):
        apart[a, b] = apart[b, a] = -1
    np.fill_diagonal(apart, -apart.sum(1))
    free = np.isnan(flat[:, 0])
    flat[free] = np.linalg.solve(apart[free][:, free], -apart[free][:, ~free] @ flat[~free])


def _pairs(flat: np.ndarray, points: tuple[int, ...], places: list[tuple[float, float]]) -> None:
    """Puts points that come as left, right, left, right ... at mirrored places."""
    for (left, right), (x, y) in zip(
        zip(points[::2], points[1::2], strict=True), places, strict=True
    ):
        flat[left], flat[right] = (-x, y), (x, y)


def synthetic_mesh(
    centre: tuple[float, float] = (64.0, 64.0),
    height: float = 76.0,
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    mouth_open: bool = False,
) -> np.ndarray:
    """A (468, 3) float32 mesh: a face of `height` pixels around `centre`, turned by angles in
    degrees (`geometry.pose`).
    """
    (sy, sp, sr), (cy, cp, cr) = (trig(np.radians([yaw, pitch, roll])) for trig in (np.sin, np.cos))
    around_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    mesh = _front(mouth_open) @ (around_z @ around_x @ around_y).T * height
    return (mesh + [*centre, 0]).astype(np.float32)


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What processes remember on the disk goes to a directory of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("user-cache")))
        yield


@pytest.fixture(scope="session")
def make_mesh() -> MakeMesh:
    """`synthetic_mesh`."""
    return synthetic_mesh


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def smooth_photo(height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8 without edges: resampling it twice changes it little."""
    y, x = np.mgrid[:height, :width]
    waves = [
        128 + 90 * np.sin(x / a + 0.3) * np.cos(y / b) for a, b in ((23, 31), (37, 19), (29, 41))
    ]
    return np.stack(waves, axis=-1).astype(np.uint8)


@pytest.fixture(scope="session")
def make_photo() -> Callable[[int, int], np.ndarray]:
    """`smooth_photo`."""
    return smooth_photo


@pytest.fixture(scope="session")
def pipeline() -> FusionPipeline:
    """The product: the embedded weights. Without them the tests that ask for it fail.

    It takes every machine for one that has time for the best tier, however busy that is with tests,
    and one engine for the quickest.
    """
    opened = open_networks(settings=Loading(engine=Engine.ONNXRUNTIME))
    return FusionPipeline(opened.networks, chooser=TierChooser(lambda: QUICK, budget=60))


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """(512, 512, 3): one face, about 110 px high, around (223, 120)."""
    return _read_only(skimage.data.astronaut())


@pytest.fixture(scope="session")
def group() -> np.ndarray:
    """(886, 1280, 3): six faces of 125 to 150 px."""
    return _read_only(cv2.cvtColor(get_image("t1"), cv2.COLOR_BGR2RGB))


@pytest.fixture(scope="session")
def guest(group: np.ndarray) -> np.ndarray:
    """(300, 240, 3): one of the six, alone."""
    return _read_only(group[190:490, 400:640].copy())


def _read_only(photo: np.ndarray) -> np.ndarray:
    """A test that writes into a shared photo, or a pipeline that does, fails at once."""
    photo.setflags(write=False)
    return photo
