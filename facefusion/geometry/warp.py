"""Mesh-to-mesh warping by thin-plate splines (Bookstein, PAMI 1989).

The spline's linear system depends on the *destination* points only. A `MeshWarp` is therefore built once for a target face
and carries any number of source faces (or fields) onto it with one small matrix product and one `cv2.remap` each.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np

from facefusion.geometry.slits import SLITS, around, jump, sides
from facefusion.geometry.topology import WARP_POINTS

#: The flow is solved on a GRID x GRID lattice over the crop and upsampled: faces bend smoothly between the points.
GRID: Final = 33
#: Smoothing of the spline. Points that fall together at the destination (closed lips, closed eyes) but lie apart in the
#: source would fold an exactly interpolating spline.
SMOOTHNESS: Final = 1e-4


@lru_cache(maxsize=16)
def _upsampling(grid: int, size: int) -> np.ndarray:
    """(size, grid) weights that interpolate `grid` lattice values at `size` pixels, at the places of `cv2.resize`.

    Catmull-Rom splines, and straight lines beyond the outermost values: unlike OpenCV's cubic (a = -0.75), which puts a
    wave of 0.05 lattice steps on a straight flow, this keeps every affine flow exact.
    """
    places = (np.arange(size) + 0.5) * grid / size - 0.5
    cells = np.floor(places).astype(int)
    t = places - cells
    taps = np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2
    weights = np.zeros((size, grid))
    for offset, tap in enumerate(taps, -1):
        index = cells + offset
        inside = np.clip(index, 0, grid - 1)
        beyond = np.abs(index - inside)  # v[-1] = 2 v[0] - v[1], v[-2] = 3 v[0] - 2 v[1]
        np.add.at(weights, (np.arange(size), inside), tap * (1 + beyond))
        np.add.at(weights, (np.arange(size), np.clip(inside + np.sign(inside - index), 0, grid - 1)), -tap * beyond)
    return weights.astype(np.float32)


def _kernel(squared_distance: np.ndarray) -> np.ndarray:
    return np.asarray(squared_distance * np.log(np.maximum(squared_distance, 1e-12)))


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, 2) and (M, 2) to (N, M)."""
    return np.asarray((a[:, :1] - b[:, 0]) ** 2 + (a[:, 1:] - b[:, 1]) ** 2)


class MeshWarp:
    """Carries faces onto one destination mesh.

    Args:
        destination: (468, 2 or 3) mesh in crop pixels that warped faces will have.
        size: side of the crop in pixels that `destination` refers to.
        grid: lattice points a side.
        anchors: (N, 2) places in the crop that stay where they are, for images of the crop's own frame.
    """

    def __init__(self, destination: np.ndarray, size: int, grid: int = GRID, *, anchors: np.ndarray | None = None) -> None:
        self.size = size
        self.grid = grid
        self._destination = np.asarray(destination, np.float32)
        self._anchors = np.zeros((0, 2)) if anchors is None else anchors
        points = np.concatenate([destination[WARP_POINTS, :2], self._anchors]).astype(np.float64) / size
        count = len(points)
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = _kernel(_squared_distances(points, points))
        system[:count, :count] += SMOOTHNESS * np.eye(count)
        system[:count, count:] = np.concatenate([np.ones((count, 1)), points], axis=1)
        system[count:, :count] = system[:count, count:].T
        #: (points + 3, points) takes source points to the spline's coefficients.
        self._solver = np.linalg.inv(system)[:, :count]
        steps = (np.arange(grid) + 0.5) / grid - 0.5 / size  # where `_upsampling` takes the lattice points to be
        lattice = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2).astype(np.float32)
        kernel = _kernel(_squared_distances(lattice, points.astype(np.float32)))
        #: (grid * grid, points + 3) takes the coefficients to the flow on the lattice.
        self._basis = np.concatenate([kernel, np.ones((len(lattice), 1), np.float32), lattice], axis=1)

    @property
    def nbytes(self) -> int:
        """Bytes of its matrices."""
        return int(self._solver.nbytes + self._basis.nbytes)

    def spread(self, values: np.ndarray, size: int | None = None) -> np.ndarray:
        """What the mesh points carry, smoothly between and around them.

        Args:
            values: (468, 2 or more) two numbers a mesh point, then ignored ones.
            size: side of the result; the destination crop's own by default.

        Returns:
            (size, size, 2) float32.
        """
        return self._window(values, size or self.size, np.s_[:, :])

    def flow(self, source: np.ndarray, size: int | None = None) -> np.ndarray:
        """Where each destination pixel comes from.

        Args:
            source: (468, 2 or 3) mesh of the face to carry, in its own image's pixels.
            size: side of the result; the destination crop's own by default (another one is `rescale_transform` of it).

        Returns:
            (size, size, 2) float32 map of x, y in the source image's pixels, for `cv2.remap`.
        """
        size = size or self.size
        flow = self.spread(source, size)
        for slit in SLITS:
            share = jump(source, self._destination, slit)
            if share > 0:
                factor = size / self.size
                there = self._destination[:, :2] * factor + (factor - 1) / 2
                window, near, below = around(there, slit, size)
                upper, lower = (self._window(p, size, window) for p in sides(source, self._destination, slit))
                jumped = upper + below[..., None] * (lower - upper)
                flow[window] += (share * near)[..., None] * (jumped - flow[window])
        return flow

    def _window(self, values: np.ndarray, size: int, window: tuple[slice, slice]) -> np.ndarray:
        """`spread` in a window (rows, columns) of the result."""
        at_points = np.concatenate([values[WARP_POINTS, :2], self._anchors])
        coefficients = (self._solver @ at_points).astype(np.float32)
        coarse = (self._basis @ coefficients).reshape(self.grid, self.grid, 2)
        weights = _upsampling(self.grid, size)
        rows, columns = weights[window[0]], weights[window[1]]
        return np.stack([rows @ coarse[..., axis] @ columns.T for axis in (0, 1)], axis=-1)

    def __call__(self, image: np.ndarray, source: np.ndarray, size: int | None = None) -> np.ndarray:
        """Warps `image` (H, W, C), whose face has the mesh `source` in its pixels, onto the destination mesh."""
        return sample(image, self.flow(source, size))


def sample(image: np.ndarray, flow: np.ndarray, border: int = cv2.BORDER_REFLECT_101) -> np.ndarray:
    """`image` (H, W, C) at the places `flow` (h, w, 2), x and y in its pixels, bilinearly: (h, w, C)."""
    no_second_map: Any = None  # OpenCV allows it, its types do not; an empty array in its place never returns (5.0.0)
    return np.asarray(cv2.remap(image, np.asarray(flow, np.float32), no_second_map, cv2.INTER_LINEAR, borderMode=border))
