"""Warps one face mesh onto another: triangles with depth, and a thin-plate spline around them.

Both depend on the *destination* points only: the spline's linear system (Bookstein, PAMI 1989) and
the raster of the triangles. A `MeshWarp` is therefore built once for a target face and warps any
number of source faces (or fields) onto it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np

from facefusion.geometry.align import rescale_points
from facefusion.geometry.slits import SLITS, edge_meshes, jump_strength, slit_window
from facefusion.geometry.topology import WARP_POINTS
from facefusion.geometry.triangles import MeshRaster
from facefusion.types import Mask, Mesh

#: Lattice points a side over the crop, from which the spline's flow is upsampled: faces bend
#: smoothly between the points.
GRID: Final = 33
#: Side in pixels at which a flow is computed; other sides are interpolated from it.
FLOW_SIZE: Final = 256
#: Standard deviation of the seam between triangles and spline, as a share of the crop's side.
SEAM: Final = 1 / 90
#: Slits around which the spline warps: eyelids are thinner than the mesh's accuracy.
EYES: Final = SLITS[1:]
#: Smoothing of the spline. Points that coincide at the destination (closed lips, closed eyes) but
#: lie apart in the source would fold an exactly interpolating spline.
SMOOTHNESS: Final = 1e-4


@lru_cache(maxsize=16)
def upsampling(grid: int, size: int) -> np.ndarray:
    """Returns (size, grid) weights that upsample a lattice at the positions of `cv2.resize`.

    Catmull-Rom splines, and straight lines beyond the outermost values. Every affine flow stays
    exact; OpenCV's cubic (a = -0.75) puts a wave of 0.05 lattice steps on a straight flow.
    """
    positions = (np.arange(size) + 0.5) * grid / size - 0.5
    cells = np.floor(positions).astype(int)
    t = positions - cells
    taps = (
        np.stack(
            [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
        )
        / 2
    )
    weights = np.zeros((size, grid))
    for offset, tap in enumerate(taps, -1):
        index = cells + offset
        nearest = np.clip(index, 0, grid - 1)
        beyond = np.abs(index - nearest)  # v[-1] = 2 v[0] - v[1], v[-2] = 3 v[0] - 2 v[1]
        np.add.at(weights, (np.arange(size), nearest), tap * (1 + beyond))
        np.add.at(
            weights,
            (np.arange(size), np.clip(nearest + np.sign(nearest - index), 0, grid - 1)),
            -tap * beyond,
        )
    return weights.astype(np.float32)


def _kernel(squared_distance: np.ndarray) -> np.ndarray:
    return np.asarray(squared_distance * np.log(np.maximum(squared_distance, 1e-12)))


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Computes squared distances (N, M) between points (N, 2) and (M, 2)."""
    return np.asarray((a[:, :1] - b[:, 0]) ** 2 + (a[:, 1:] - b[:, 1]) ** 2)


def _spline(points: np.ndarray, grid: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Solves the thin-plate spline through some points.

    Args:
        points: (N, 2) destination points, as shares of the crop's side.
        grid: lattice points a side.
        size: side of the crop in pixels.

    Returns:
        The (N + 3, N) matrix from values at the points to the spline's coefficients, and the
        (grid * grid, N + 3) matrix from the coefficients to values on the lattice.
    """
    count = len(points)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(_squared_distances(points, points))
    system[:count, :count] += SMOOTHNESS * np.eye(count)
    system[:count, count:] = np.concatenate([np.ones((count, 1)), points], axis=1)
    system[count:, :count] = system[:count, count:].T
    solver = np.linalg.inv(system)[:, :count]
    steps = (np.arange(grid) + 0.5) / grid - 0.5 / size  # lattice positions of `upsampling`
    lattice = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2).astype(np.float32)
    kernel = _kernel(_squared_distances(lattice, points.astype(np.float32)))
    basis = np.concatenate([kernel, np.ones((len(lattice), 1), np.float32), lattice], axis=1)
    return solver, basis


class MeshWarp:
    """Warps faces onto one destination mesh.

    Args:
        destination: (468, 3) mesh of the warped faces in crop pixels; (468, 2) without triangles.
        size: side of the crop in pixels that `destination` refers to.
        grid: lattice points a side.
        anchors: (N, 2) fixed points in crop pixels, for images in the crop's own frame.
        triangles: whether triangles warp the mesh, and the spline only its outside, the eyes and a
            slit that jumps; otherwise the spline warps all.
        flow_size: side in pixels at which flows are computed.
    """

    def __init__(
        self,
        destination: Mesh,
        size: int,
        grid: int = GRID,
        *,
        anchors: np.ndarray | None = None,
        triangles: bool = False,
        flow_size: int = FLOW_SIZE,
    ) -> None:
        self.size = size
        self.grid = grid
        self.flow_size = flow_size
        self._destination = np.asarray(destination, np.float32)
        self._flow_mesh = rescale_points(self._destination, size, flow_size)
        self._anchors = np.zeros((0, 2)) if anchors is None else anchors
        points = np.concatenate([destination[WARP_POINTS, :2], self._anchors])
        self._solver, self._basis = _spline(points.astype(np.float64) / size, grid, size)
        self._raster = MeshRaster(self._destination, size, flow_size) if triangles else None
        #: (flow_size, flow_size) weight of the triangles, before the seam is softened.
        self._meshed = (
            np.zeros((0, 0), np.float32)
            if self._raster is None
            else self._without_eyes(self._raster)
        )

    def _without_eyes(self, raster: MeshRaster) -> Mask:
        meshed = raster.covered.astype(np.float32)
        for eye in EYES:
            window, weight, _ = slit_window(self._flow_mesh, eye, self.flow_size)
            meshed[window] *= 1 - weight
        return meshed

    @property
    def nbytes(self) -> int:
        """Size of its matrices and its raster in bytes."""
        raster = 0 if self._raster is None else self._raster.nbytes + self._meshed.nbytes
        return int(self._solver.nbytes + self._basis.nbytes) + raster

    def spread(self, values: np.ndarray, size: int | None = None) -> np.ndarray:
        """Interpolates values of the mesh points smoothly between and around them.

        Args:
            values: (468, 2 or more) per mesh point; only the first two columns are used.
            size: side of the result; the destination crop's own by default.

        Returns:
            (size, size, 2) float32.
        """
        return self._window(values, size or self.size, np.s_[:, :])

    def flow(self, source: Mesh, size: int | None = None) -> np.ndarray:
        """Computes the source position of each destination pixel.

        Args:
            source: (468, 2 or 3) mesh of the face to warp, in its own image's pixels.
            size: side of the result; the destination crop's own by default (another one is
                `rescale_transform` of it).

        Returns:
            (size, size, 2) float32 map of x, y in the source image's pixels, for `cv2.remap`.
        """
        flow = self._flow(source)
        size = size or self.size
        if size == self.flow_size:
            return flow
        return np.asarray(
            cv2.resize(flow, (size, size), interpolation=cv2.INTER_LINEAR), np.float32
        )

    def _flow(self, source: Mesh) -> np.ndarray:
        """Computes `flow` at `flow_size` pixels."""
        side = self.flow_size
        flow, meshed = self.spread(source, side), self._meshed
        for slit in SLITS:
            strength = jump_strength(source, self._destination, slit)
            if strength > 0:
                window, weight, below = slit_window(self._flow_mesh, slit, side)
                upper, lower = (
                    self._window(p, side, window)
                    for p in edge_meshes(source, self._destination, slit)
                )
                split = upper + below[..., None] * (lower - upper)
                flow[window] += (strength * weight)[..., None] * (split - flow[window])
                if self._raster is not None and slit not in EYES:
                    meshed = meshed.copy()
                    meshed[window] *= 1 - strength * weight
        if self._raster is not None:
            carried, covered = self._raster.carried(source[:, :2]), self._raster.covered
            blurred = cv2.GaussianBlur(meshed, (0, 0), SEAM * side)[covered][:, None]
            soft = np.clip(2 * blurred - 1, 0, 1)  # 0 at the rim of the mesh
            flow[covered] += soft * (carried - flow[covered])
        return flow

    def _window(self, values: np.ndarray, size: int, window: tuple[slice, slice]) -> np.ndarray:
        """Computes `spread` in a window (rows, columns) of the result."""
        at_points = np.concatenate([values[WARP_POINTS, :2], self._anchors])
        coefficients = (self._solver @ at_points).astype(np.float32)
        coarse = (self._basis @ coefficients).reshape(self.grid, self.grid, 2)
        weights = upsampling(self.grid, size)
        rows, columns = weights[window[0]], weights[window[1]]
        return np.stack([rows @ coarse[..., axis] @ columns.T for axis in (0, 1)], axis=-1)

    def __call__(self, image: np.ndarray, source: Mesh, size: int | None = None) -> np.ndarray:
        """Warps `image` (H, W, C), its face's mesh `source` in its pixels, onto the destination."""
        return sample(image, self.flow(source, size))


def sample(image: np.ndarray, flow: np.ndarray, border: int = cv2.BORDER_REFLECT_101) -> np.ndarray:
    """Samples `image` (H, W, C) at `flow` (h, w, 2), x and y in pixels, bilinearly: (h, w, C)."""
    # OpenCV accepts None, its type stubs do not; an empty array here hangs (OpenCV 5.0.0).
    no_second_map: Any = None
    return np.asarray(
        cv2.remap(
            image, np.asarray(flow, np.float32), no_second_map, cv2.INTER_LINEAR, borderMode=border
        )
    )
