"""Draws shapes of things in front of a face, as opacities (S, S) float32 in [0, 1].

Each kind takes a source of randomness and the face's mesh (468, 3) in pixels of a crop of side S.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.topology import OUTER_LIPS

Rng = np.random.Generator
Shape = Callable[[Rng, np.ndarray, int], np.ndarray]

#: Supersampling factor of shapes: their edges are smooth.
_SUPERSAMPLING: Final = 2
#: Mesh points of the edge of a mask from the image-left ear over the nose to the image-right ear.
_MASK_TOP: Final = (227, 117, 118, 126, 197, 355, 347, 346, 447)
#: Mesh points of a mask's lower edge from the image-right jaw over the chin to the image-left jaw.
_MASK_BOTTOM: Final = (366, 401, 435, 367, 364, 379, 400, 152, 176, 150, 135, 138, 215, 177, 137)
#: Letters of drawn text.
_LETTERS: Final = "ABCDEFGHKLMNOPRSTUVWXYZ0123456789!?"


def _canvas(size: int) -> np.ndarray:
    return np.zeros((size * _SUPERSAMPLING,) * 2, np.uint8)


def _shrunk(canvas: np.ndarray) -> np.ndarray:
    side = canvas.shape[0] // _SUPERSAMPLING
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def _fill(canvas: np.ndarray, points: np.ndarray) -> None:
    path = np.round((points[:, :2] + 0.5) * _SUPERSAMPLING - 0.5).astype(np.int32)
    cv2.fillPoly(canvas, [path], 255, cv2.LINE_AA)


def _line(canvas: np.ndarray, points: np.ndarray, thickness: float) -> None:
    path = np.round((points[:, :2] + 0.5) * _SUPERSAMPLING - 0.5).astype(np.int32)
    width = max(1, round(thickness * _SUPERSAMPLING))
    cv2.polylines(canvas, [path], False, 255, width, cv2.LINE_AA)


def _smooth_path(points: np.ndarray, count: int = 64) -> np.ndarray:
    """Returns a closed smooth path (count, 2) through points (N, 2)."""
    closed = np.concatenate([points[-2:], points, points[:2]])
    steps = np.linspace(2, len(points) + 2, count, endpoint=False)
    at = np.arange(len(closed))
    kernel = np.array([1, 2, 1]) / 4
    path = np.stack([np.interp(steps, at, closed[:, i]) for i in range(2)], 1)
    for _ in range(3):
        padded = np.concatenate([path[-1:], path, path[:1]])
        path = np.stack([np.convolve(padded[:, i], kernel, "valid") for i in range(2)], 1)
    return path


def _face_point(rng: Rng, mesh: np.ndarray, spread: float) -> np.ndarray:
    """Draws a point near a random point of the face."""
    extent = np.ptp(mesh[:, :2], axis=0)
    chosen = mesh[int(rng.integers(len(mesh))), :2]
    return np.asarray(chosen + rng.normal(0, spread, 2) * extent)


def _mouth(mesh: np.ndarray) -> np.ndarray:
    return np.asarray(mesh[list(OUTER_LIPS), :2].mean(0))


def _along(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)])


def face_mask(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a surgical or cloth mask from below the eyes to below the chin, with its loops."""
    canvas = _canvas(size)
    top, bottom = mesh[list(_MASK_TOP), :2].copy(), mesh[list(_MASK_BOTTOM), :2].copy()
    height = float(np.ptp(mesh[:, 1]))
    top[:, 1] += height * (rng.uniform(-0.02, 0.16) + rng.normal(0, 0.008, len(top)))
    middle = mesh[:, :2].mean(0)
    bottom = middle + (bottom - middle) * rng.uniform(1.0, 1.15)
    bottom[:, 1] -= height * float(rng.choice([0.0, rng.uniform(0, 0.12)]))
    _fill(canvas, _smooth_path(np.concatenate([top, bottom]), 96))
    if rng.random() < 0.6:
        for ear, corners in ((127, (top[0], bottom[-1])), (356, (top[-1], bottom[0]))):
            for corner in corners:
                _line(canvas, np.stack([corner, mesh[ear, :2]]), rng.uniform(1.0, 2.5))
    return _shrunk(canvas)


def pointed_mask(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a respirator: a rounded shape around nose and mouth, with straight bands."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    centre = _mouth(mesh) - [0, 0.03 * height]
    radius = height * np.array([rng.uniform(0.24, 0.36), rng.uniform(0.26, 0.36)])
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    shape = np.stack([np.cos(angle), np.sin(angle)], 1)
    shape[shape[:, 1] < 0, 0] *= rng.uniform(0.6, 0.8)
    _fill(canvas, centre + shape * radius)
    for ear in (127, 356):
        _line(canvas, np.stack([centre, mesh[ear, :2]]), rng.uniform(2, 6))
    return _shrunk(canvas)


def scarf(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws cloth from a wavy line across the lower face down to the border."""
    canvas = _canvas(size)
    line = rng.choice([1, 4, 13, 17, 199])
    x = np.linspace(-10, size + 10, 12)
    y = mesh[line, 1] + rng.normal(0, 4) + rng.uniform(-0.15, 0.15) * (x - size / 2)
    y = y + rng.normal(0, 3, len(x)) + rng.uniform(-0.1, 0.2) * np.abs(x - mesh[:, 0].mean())
    edge = np.stack([x, y], 1)
    _fill(canvas, np.concatenate([edge, [[size + 10, size + 10], [-10, size + 10]]]))
    return _shrunk(canvas)


def hat(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws cloth or a brim from a curved line across the forehead up to the border."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    brow = mesh[[105, 334], 1].mean()
    x = np.linspace(-10, size + 10, 16)
    middle = brow - height * rng.uniform(-0.02, 0.3)
    bend = height * rng.uniform(-0.12, 0.3)
    y = middle + bend * ((x - mesh[:, 0].mean()) / (0.5 * size)) ** 2
    y = y + rng.uniform(-0.12, 0.12) * (x - size / 2) + rng.normal(0, 1.0, len(x))
    top = y - height * rng.uniform(0.05, 0.2) if rng.random() < 0.3 else np.full_like(y, -10.0)
    _fill(canvas, np.concatenate([np.stack([x, y], 1), np.stack([x, top], 1)[::-1]]))
    return _shrunk(canvas)


def hood(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a headcloth or hood: everything outside of an ellipse around the face."""
    canvas = np.full_like(_canvas(size), 255)
    extent = np.ptp(mesh[:, :2], axis=0)
    centre = mesh[:, :2].mean(0) + extent * rng.normal(0, 0.03, 2)
    axes = extent * np.array([rng.uniform(0.42, 0.56), rng.uniform(0.46, 0.6)])
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    path = centre + np.stack([np.cos(angle), np.sin(angle)], 1) * axes
    path += rng.normal(0, 1.0, path.shape)
    points = np.round(path * _SUPERSAMPLING).astype(np.int32)
    cv2.fillPoly(canvas, [points], 0, cv2.LINE_AA)
    return _shrunk(canvas)


def microphone(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a ball on a handle that comes from below or from the side."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    centre = _mouth(mesh) + height * rng.normal(0, [0.12, 0.1])
    radius, angle = height * rng.uniform(0.08, 0.2), rng.uniform(-0.3, np.pi + 0.3)
    handle = radius * rng.uniform(0.7, 1.3)
    _line(canvas, np.stack([centre, centre + 2 * size * _along(angle)]), handle)
    _fill(canvas, centre + radius * np.stack([_along(a) for a in np.linspace(0, 6.28, 40)]))
    return _shrunk(canvas)


def rod(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws one to three thin straight or bent rods: cigarettes, pens, stick microphones."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    for _ in range(int(rng.integers(1, 4))):
        start = _mouth(mesh) + height * rng.normal(0, 0.12, 2)
        angle, length = rng.uniform(0, 2 * np.pi), height * rng.uniform(0.25, 1.5)
        end = start + length * _along(angle)
        bend = (start + end) / 2 + length * rng.normal(0, 0.05, 2)
        _line(canvas, np.stack([start, bend, end]), height * rng.uniform(0.02, 0.06))
    return _shrunk(canvas)


def box(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a turned rectangle with rounded corners: a phone, a cup, paper, a sign."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    half = height * np.array([rng.uniform(0.12, 0.35), rng.uniform(0.15, 0.5)])
    angle = rng.normal(0, 0.4)
    turn = np.array([_along(angle), _along(angle + np.pi / 2)])
    corners = np.array([[-1, -1], [1, -1], [rng.uniform(0.7, 1), 1], [-rng.uniform(0.7, 1), 1]])
    sides = np.concatenate(
        [np.linspace(a, b, 9)[:-1] for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)]
    )
    _fill(canvas, _smooth_path(_face_point(rng, mesh, 0.12) + (sides * half) @ turn, 96))
    return _shrunk(canvas)


def bottle(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a narrow neck on a wide body, turned to the mouth."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    start, angle = _mouth(mesh) + height * rng.normal(0, 0.05, 2), rng.uniform(0.2, np.pi - 0.2)
    width, step = height * rng.uniform(0.05, 0.1), _along(angle)
    _line(canvas, np.stack([start, start + 0.35 * height * step]), 2 * width)
    _line(canvas, np.stack([start + 0.4 * height * step, start + 3 * height * step]), 5 * width)
    return _shrunk(canvas)


def blob(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a smooth irregular shape: fruit, a toy, a plush animal, a fist in a glove."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 11))))
    radius = height * rng.uniform(0.12, 0.4) * rng.uniform(0.5, 1.3, len(angle))
    path = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
    _fill(canvas, _smooth_path(_face_point(rng, mesh, 0.15) + path, 96))
    return _shrunk(canvas)


def leaves(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws pointed leaves along a branch."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    at, angle = _face_point(rng, mesh, 0.3), rng.uniform(0, 2 * np.pi)
    across, length = np.linspace(-1, 1, 12), height * rng.uniform(0.08, 0.22)
    for _ in range(int(rng.integers(4, 14))):
        turned = angle + rng.normal(0, 0.9)
        side = length * rng.uniform(0.2, 0.45) * (1 - across**2)
        edge = np.stack([length * across, side], 1)
        leaf = np.concatenate([edge, (edge * [1, -1])[::-1]])
        turn = np.array([_along(turned), _along(turned + np.pi / 2)])
        _fill(canvas, at + leaf @ turn)
        moved = at + length * rng.uniform(0.5, 1.2) * _along(angle)
        _line(canvas, np.stack([at, moved]), 1.5)
        at, angle = moved, angle + rng.normal(0, 0.3)
    return _shrunk(canvas)


def feathers(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws tufts of many thin hairs or a veil of threads."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    root, angle = _face_point(rng, mesh, 0.4), rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(60, 160))):
        start = root + height * rng.normal(0, 0.08, 2)
        turned = angle + rng.normal(0, 0.35)
        middle = start + height * rng.uniform(0.1, 0.25) * _along(turned)
        end = middle + height * rng.uniform(0.1, 0.3) * _along(turned + rng.normal(0, 0.3))
        _line(canvas, np.stack([start, middle, end]), rng.uniform(0.7, 2.0))
    return _shrunk(canvas)


def bars(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws parallel bars over everything."""
    return _grid(rng, mesh, size, crossed=False)


def wires(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a fence of crossed wires over everything."""
    return _grid(rng, mesh, size, crossed=True)


def _grid(rng: Rng, mesh: np.ndarray, size: int, *, crossed: bool) -> np.ndarray:
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    pitch = height * rng.uniform(0.15, 0.5)
    thickness = pitch * (rng.uniform(0.03, 0.12) if crossed else rng.uniform(0.1, 0.4))
    first = rng.uniform(0, np.pi)
    for angle in (first, first + np.pi / 2)[: 2 if crossed else 1]:
        step, across = _along(angle), _along(angle + np.pi / 2)
        for offset in np.arange(-size, size, pitch) + rng.uniform(0, pitch):
            middle = np.array([size / 2, size / 2]) + offset * across
            _line(canvas, np.stack([middle - size * step, middle + size * step]), thickness)
    return _shrunk(canvas)


def text(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a line of letters, as overlays and watermarks."""
    canvas = _canvas(size)
    letters = "".join(rng.choice(list(_LETTERS), int(rng.integers(3, 12))))
    at = _face_point(rng, mesh, 0.1) - [rng.uniform(20, 90), 0]
    scale = float(rng.uniform(0.7, 2.5))
    cv2.putText(
        canvas, letters, tuple(int(v) for v in at * _SUPERSAMPLING), int(rng.integers(0, 8)),
        scale, 255, max(1, round(scale * rng.uniform(1, 4))), cv2.LINE_AA,
    )  # fmt: skip
    return _shrunk(canvas)


def fingers(rng: Rng, mesh: np.ndarray, size: int) -> np.ndarray:
    """Draws a palm and two to five fingers from a side or from below."""
    canvas = _canvas(size)
    height = float(np.ptp(mesh[:, 1]))
    tip = _face_point(rng, mesh, 0.1)
    angle = rng.uniform(-0.4, np.pi + 0.4)
    width, length = height * rng.uniform(0.07, 0.12), height * rng.uniform(0.3, 0.5)
    back, across = _along(angle), _along(angle + np.pi / 2)
    for i in range(int(rng.integers(2, 6))):
        spread = (i - 1.5) * width * rng.uniform(0.95, 1.2)
        end = tip + across * spread + back * length * rng.uniform(0, 0.2)
        joint = tip + across * spread * 0.95 + back * length * 0.55 + rng.normal(0, 2, 2)
        root = tip + across * spread * 0.9 + back * length
        _line(canvas, np.stack([end, joint, root]), width * rng.uniform(0.9, 1.05))
    palm = tip + back * length * 1.35
    _line(canvas, np.stack([tip + back * length, palm, palm + 2 * height * back]), 3.6 * width)
    return _shrunk(canvas)
