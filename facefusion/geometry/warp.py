"""Mesh-to-mesh warping: by the mesh's triangles with depth, and by a thin-plate spline around them.

Both depend on the *destination* points only: the spline's linear system (Bookstein, PAMI 1989) and
the raster of the triangles. A `MeshWarp` is therefore built once for a target face and carries any
number of source faces (or fields) onto it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np

from facefusion.geometry.align import rescale_transform, transform_points
from facefusion.geometry.slits import SLITS, edge_meshes, jump_strength, slit_window
from facefusion.geometry.topology import WARP_POINTS
from facefusion.geometry.triangles import MeshRaster
from facefusion.types import FloatArray

#: The flow is solved on a GRID x GRID lattice over the crop and upsampled: faces bend smoothly
#: between the points.
GRID: Final = 33
#: Side in pixels at which a flow is computed; other sides are interpolated from it.
FLOW_SIZE: Final = 256
#: Standard deviation of the seam between triangles and spline, as a share of the crop's side.
SEAM: Final = 1 / 90
#: The slits around which the spline warps: lids are thinner than the mesh is exact.
EYES: Final = SLITS[1:]
#: Smoothing of the spline. Points that fall together at the destination (closed lips, closed eyes)
#: but lie apart in the source would fold an exactly interpolating spline.
SMOOTHNESS: Final = 1e-4


@lru_cache(maxsize=16)
def _upsampling(grid: int, size: int) -> np.ndarray:
    """(size, grid) weights that interpolate `grid` lattice values at `size` pixels, at the places
    of `cv2.resize`.

    Catmull-Rom splines, and straight lines beyond the outermost values: unlike OpenCV's cubic (a =
    -0.75), which puts a wave of 0.05 lattice steps on a straight flow, this keeps every affine flow
    exact.
    """
    places = (np.arange(size) + 0.5) * grid / size - 0.5
    cells = np.floor(places).astype(int)
    t = places - cells
    taps = (
        np.stack(
            [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
        )
        / 2
    )
    weights = np.zeros((size, grid))
    for offset, tap in enumerate(taps, -1):
        index = cells + offset
        inside = np.clip(index, 0, grid - 1)
        beyond = np.abs(index - inside)  # v[-1] = 2 v[0] - v[1], v[-2] = 3 v[0] - 2 v[1]
        np.add.at(weights, (np.arange(size), inside), tap * (1 + beyond))
        np.add.at(
            weights,
            (np.arange(size), np.clip(inside + np.sign(inside - index), 0, grid - 1)),
            -tap * beyond,
        )
    return weights.astype(np.float32)


def _kernel(squared_distance: np.ndarray) -> np.ndarray:
    return np.asarray(squared_distance * np.log(np.maximum(squared_distance, 1e-12)))


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, 2) and (M, 2) to (N, M)."""
    return np.asarray((a[:, :1] - b[:, 0]) ** 2 + (a[:, 1:] - b[:, 1]) ** 2)


class MeshWarp:
    """Carries faces onto one destination mesh.

    Args:
        destination: (468, 3) mesh in crop pixels that warped faces will have; (468, 2) without
            triangles.
        size: side of the crop in pixels that `destination` refers to.
        grid: lattice points a side.
        anchors: (N, 2) places in the crop that stay where they are, for images of the crop's own
            frame.
        triangles: warp by the mesh's triangles, and by the spline only outside of the mesh, around
            the eyes and at a slit that jumps; otherwise by the spline alone.
        flow_size: side in pixels at which flows are computed.
    """

    def __init__(
        self,
        destination: np.ndarray,
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
        self._placed = transform_points(
            self._destination, rescale_transform(np.eye(2, 3), flow_size / size)
        )
        self._anchors = np.zeros((0, 2)) if anchors is None else anchors
        points = (
            np.concatenate([destination[WARP_POINTS, :2], self._anchors]).astype(np.float64) / size
        )
        count = len(points)
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = _kernel(_squared_distances(points, points))
        system[:count, :count] += SMOOTHNESS * np.eye(count)
        system[:count, count:] = np.concatenate([np.ones((count, 1)), points], axis=1)
        system[count:, :count] = system[:count, count:].T
        #: (points + 3, points) takes source points to the spline's coefficients.
        self._solver = np.linalg.inv(system)[:, :count]
        steps = (
            np.arange(grid) + 0.5
        ) / grid - 0.5 / size  # where `_upsampling` takes the lattice points to be
        lattice = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2).astype(np.float32)
        kernel = _kernel(_squared_distances(lattice, points.astype(np.float32)))
        #: (grid * grid, points + 3) takes the coefficients to the flow on the lattice.
        self._basis = np.concatenate(
            [kernel, np.ones((len(lattice), 1), np.float32), lattice], axis=1
        )
        self._raster = MeshRaster(self._destination, size, flow_size) if triangles else None
        #: (flow_size, flow_size) where the triangles warp, before the seam is softened.
        self._meshed = (
            np.zeros((0, 0), np.float32)
            if self._raster is None
            else self._without_eyes(self._raster)
        )

    def _without_eyes(self, raster: MeshRaster) -> FloatArray:
        meshed = raster.covered.astype(np.float32)
        for eye in EYES:
            window, near, _ = slit_window(self._placed, eye, self.flow_size)
            meshed[window] *= 1 - near
        return meshed

    @property
    def nbytes(self) -> int:
        """Bytes of its matrices and of its raster."""
        raster = 0 if self._raster is None else self._raster.nbytes + self._meshed.nbytes
        return int(self._solver.nbytes + self._basis.nbytes) + raster

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

    def _flow(self, source: np.ndarray) -> np.ndarray:
        """`flow` at the side at which it is computed."""
        side = self.flow_size
        flow, meshed = self.spread(source, side), self._meshed
        for slit in SLITS:
            share = jump_strength(source, self._destination, slit)
            if share > 0:
                window, near, below = slit_window(self._placed, slit, side)
                upper, lower = (
                    self._window(p, side, window)
                    for p in edge_meshes(source, self._destination, slit)
                )
                jumped = upper + below[..., None] * (lower - upper)
                flow[window] += (share * near)[..., None] * (jumped - flow[window])
                if self._raster is not None and slit not in EYES:
                    meshed = meshed.copy()
                    meshed[window] *= 1 - share * near
        if self._raster is not None:
            carried, covered = self._raster.carried(source[:, :2]), self._raster.covered
            blurred = cv2.GaussianBlur(meshed, (0, 0), SEAM * side)[covered][:, None]
            soft = np.clip(2 * blurred - 1, 0, 1)  # 0 at the rim of the mesh
            flow[covered] += soft * (carried - flow[covered])
        return flow

    def _window(self, values: np.ndarray, size: int, window: tuple[slice, slice]) -> np.ndarray:
        """`spread` in a window (rows, columns) of the result."""
        at_points = np.concatenate([values[WARP_POINTS, :2], self._anchors])
        coefficients = (self._solver @ at_points).astype(np.float32)
        coarse = (self._basis @ coefficients).reshape(self.grid, self.grid, 2)
        weights = _upsampling(self.grid, size)
        rows, columns = weights[window[0]], weights[window[1]]
        return np.stack([rows @ coarse[..., axis] @ columns.T for axis in (0, 1)], axis=-1)

    def __call__(
        self, image: np.ndarray, source: np.ndarray, size: int | None = None
    ) -> np.ndarray:
        """Warps `image` (H, W, C), whose face has the mesh `source` in its pixels, onto the
        destination mesh.
        """
        return sample(image, self.flow(source, size))


def sample(image: np.ndarray, flow: np.ndarray, border: int = cv2.BORDER_REFLECT_101) -> np.ndarray:
    """`image` (H, W, C) at the places `flow` (h, w, 2), x and y in its pixels, bilinearly: (h, w,
    C).
    """
    # OpenCV allows it, its types do not; an empty array in its place never returns (5.0.0)
    no_second_map: Any = None
    return np.asarray(
        cv2.remap(
            image, np.asarray(flow, np.float32), no_second_map, cv2.INTER_LINEAR, borderMode=border
        )
    )
