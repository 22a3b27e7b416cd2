"""Warps faces in batches on a device, as `geometry.warp.MeshWarp` warps one with NumPy.

After construction nothing waits for the device: the methods can be captured in a CUDA graph.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from facefusion.compose.shadow import SHADOW_EDGE
from facefusion.geometry.mirror import MIRROR
from facefusion.geometry.slits import SLITS
from facefusion.geometry.stretch import STRETCH
from facefusion.geometry.symmetry import EDGE, LEAST_TURN, RAMP
from facefusion.geometry.topology import WARP_POINTS
from facefusion.geometry.triangles import TRIANGLES
from facefusion.geometry.warp import FLOW_SIZE, GRID, upsampling
from facefusion.training.tensors.destinations import FULL, Destinations
from facefusion.training.tensors.ramps import smoothstep
from facefusion.training.tensors.slit_points import SlitPoints

#: Threads that rasterise the destination faces, by default: with more they wait for one another.
THREADS: Final = 8
#: Mesh points of the cheeks, whose depths tell the yaw (`geometry.pose`).
CHEEKS: Final = (234, 454)


class TensorWarps:
    """Warps any source meshes onto the meshes of a set of destination faces, in batches.

    Positions are in crop units: a pixel at x of a crop of S pixels (centres at whole numbers) is at
    (x + 0.5) / S, and a depth of z pixels is z / S.

    Args:
        meshes: (N, 468, 3) float32 destination meshes.
        device: where they are kept, about 1.3 MB each at a `flow_size` of 256, and warped.
        flow_size: side of the flows in pixels.
        threads: number of threads that rasterise the meshes.
    """

    def __init__(
        self,
        meshes: np.ndarray,
        device: torch.device,
        *,
        flow_size: int = FLOW_SIZE,
        threads: int = THREADS,
    ) -> None:
        self.flow_size = flow_size
        self._device = device
        self._faces = Destinations.of(np.asarray(meshes, np.float32), device, flow_size, threads)
        self._upsampling = torch.from_numpy(upsampling(GRID, flow_size)).to(device)
        self._steps = (torch.arange(flow_size, device=device) + 0.5) / flow_size
        self._warp_points = self._indices(WARP_POINTS)
        self._mirror = self._indices(MIRROR)
        self._corners = self._indices(TRIANGLES.T)
        around = np.zeros((len(TRIANGLES), len(MIRROR)), np.float32)
        np.put_along_axis(around, TRIANGLES, 1, axis=1)
        self._around = torch.from_numpy(around).to(device)
        self._slits = SlitPoints(device)

    def _indices(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values).reshape(-1).astype(np.int64)).to(
            self._device
        )

    @torch.no_grad()
    def flow(self, destination: Tensor, source: Tensor) -> Tensor:
        """Computes the source position of each destination pixel.

        Args:
            destination: (B,) int64 indices of destination faces.
            source: (B, 468, 3) float32 meshes in crop units.

        Returns:
            (B, 2, S, S) float32, x and y in the source's crop units.
        """
        with torch.autocast(self._device.type, enabled=False):
            weights = self._faces.weights.index_select(0, destination)
            strength = self._slits.strength(self._faces, destination, source)
            jumping = self._jumping(destination, source, weights, strength)
            # The mouth's jump makes way for the spline; the blur is linear, so it came first.
            seam = weights[:, 0] - strength[:, :1, None] * weights[:, 1]
            soft = (seam * (2 / FULL) - 1).clamp(0, 1)[:, None]
            return torch.lerp(jumping, self._carried(destination, source), soft)

    @torch.no_grad()
    def mirrored_flow(self, destination: Tensor, source: Tensor) -> Tensor:
        """Computes the position in the source of each pixel of its warped mirror image.

        Args:
            destination: (B,) int64.
            source: (B, 468, 3) meshes of the source itself.

        Returns:
            (B, 2, S, S) float32, x and y in the source's crop units.
        """
        x, y = self.flow(destination, self._mirrored(source)).split(1, 1)
        return torch.cat([-x, y], 1)

    @torch.no_grad()
    def mirror_opacity(
        self, destination: Tensor, source: Tensor, in_shadow: Tensor | None = None
    ) -> Tensor:
        """Computes the opacity of the mirrored source in a half that is turned away or in shadow.

        Args:
            destination: (B,) int64.
            source: (B, 468, 3) meshes.
            in_shadow: (B,) the sources' `compose.shadow.half_in_shadow`; by default they are lit.

        Returns:
            (B, 1, S, S) float32 in [0, 1], 0 where the source itself is shown.
        """
        with torch.autocast(self._device.type, enabled=False):
            turn = self._hidden_turn(destination, source)
            strength = turn.sign() * ((turn.abs() - LEAST_TURN) / RAMP).clamp(0, 1)
            lattice = self._faces.across.index_select(0, destination)
            across = self._upsampled(lattice.view(-1, 1, GRID, GRID))
            opacity = _half_opacity(across, strength, EDGE)
            if in_shadow is None:
                return opacity
            facing = in_shadow * (turn.abs() <= LEAST_TURN)
            return opacity + _half_opacity(across, facing, SHADOW_EDGE)

    @torch.no_grad()
    def too_oblique(
        self, destination: Tensor, source: Tensor, opacity: Tensor | None = None
    ) -> Tensor:
        """Computes where the source and its mirror image show too little (`geometry.stretch`).

        Args:
            destination: (B,) int64.
            source: (B, 468, 3) meshes.
            opacity: (B, 1, S, S), the mirror images' opacity; by default `mirror_opacity`.

        Returns:
            (B, 1, S, S) float32 in [0, 1].
        """
        if opacity is None:
            opacity = self.mirror_opacity(destination, source)
        with torch.autocast(self._device.type, enabled=False):
            at_points = torch.stack(
                [
                    self._stretched(destination, mesh).index_select(1, self._warp_points)
                    for mesh in (source, self._mirrored(source))
                ],
                -1,
            )
            own, mirrored = self._spread(destination, at_points).split(1, 1)
            return torch.lerp(own, mirrored, opacity).clamp(0, 1)

    @torch.no_grad()
    def spread(self, destination: Tensor, values: Tensor) -> Tensor:
        """Interpolates values (B, 468, C) of the mesh points smoothly: (B, C, S, S)."""
        with torch.autocast(self._device.type, enabled=False):
            return self._spread(destination, values.index_select(1, self._warp_points))

    def _jumping(
        self, destination: Tensor, source: Tensor, weights: Tensor, strength: Tensor
    ) -> Tensor:
        """Computes the spline's flow (B, 2, S, S), which jumps across slits."""
        points = source[..., :2].index_select(1, self._warp_points)
        at = self._faces.points.index_select(0, destination)
        # Splines keep affine maps: without them fewer bits are as exact (int16, TF32).
        shift, right, down = self._affine(destination, points)
        rest = points - (shift + right * at[..., :1] + down * at[..., 1:])
        edges = self._slits.edge_changes(self._faces, destination, source, points)
        columns = torch.cat([rest[:, None], edges], 1).permute(0, 2, 1, 3).flatten(2)
        spread = self._spread(destination, columns)
        rows = self._steps[:, None]
        affine = _pixels(shift) + _pixels(right) * self._steps + _pixels(down) * rows
        jump = weights[:, 2 : 2 + len(SLITS)] * (strength / FULL)[..., None, None]
        below = weights[:, 2 + len(SLITS) :] / FULL
        change = torch.zeros_like(affine)
        for slit in range(len(SLITS)):
            first = 2 + 4 * slit
            upper, lower = spread[:, first : first + 2], spread[:, first + 2 : first + 4]
            split = torch.lerp(upper, lower, below[:, slit, None])
            change = torch.lerp(change, split, jump[:, slit, None])
        return affine + spread[:, :2] + change

    def _affine(self, destination: Tensor, points: Tensor) -> tuple[Tensor, ...]:
        """Fits an affine map: a shift and what x and y change, each (B, 1, 2)."""
        return torch.bmm(self._faces.affine.index_select(0, destination), points).split(1, 1)

    def _carried(self, destination: Tensor, source: Tensor) -> Tensor:
        """Computes the triangles' flow (B, 2, S, S)."""
        count, size = len(source), self.flow_size
        corners = source[..., :2].index_select(1, self._corners).view(count, 3, -1, 2)
        first = corners[:, :1]
        table = torch.cat([first, corners[:, 1:] - first], 1).transpose(2, 3).flatten(1, 2)
        at = self._faces.triangles.index_select(0, destination).long()
        found = table.gather(2, at[:, None].expand(-1, 6, -1)).view(count, 3, 2, -1)
        shares = self._faces.shares.index_select(0, destination)[:, :, None].float()
        carried = found[:, 0] + shares[:, 0] * found[:, 1] + shares[:, 1] * found[:, 2]
        return carried.view(count, 2, size, size)

    def _spread(self, destination: Tensor, columns: Tensor) -> Tensor:
        """Interpolates values (B, P, C) of the control points: (B, C, S, S)."""
        lattice = self._faces.lattice.index_select(0, destination).float()
        steps = self._faces.steps.index_select(0, destination)
        nodes = torch.bmm(lattice, columns) * steps
        return self._upsampled(nodes.mT.reshape(len(nodes), -1, GRID, GRID))

    def _upsampled(self, nodes: Tensor) -> Tensor:
        """Upsamples values (B, C, GRID, GRID) on the lattice: (B, C, S, S)."""
        return self._upsampling @ (nodes @ self._upsampling.T)

    def _mirrored(self, source: Tensor) -> Tensor:
        """Returns the meshes of the mirror images, which negate x."""
        x, rest = source.index_select(1, self._mirror).split([1, 2], 2)
        return torch.cat([-x, rest], 2)

    def _hidden_turn(self, destination: Tensor, source: Tensor) -> Tensor:
        """Computes `symmetry.hidden_turn`, (B,) degrees."""
        across = source[:, CHEEKS[1]] - source[:, CHEEKS[0]]
        flat = torch.hypot(across[:, 0], across[:, 1])
        yaw = torch.rad2deg(torch.atan2(across[:, 2], flat))
        difference = yaw - self._faces.yaw.index_select(0, destination)
        sign = difference.sign()
        return sign * torch.minimum(difference.abs(), 2 * sign * yaw).clamp_min(0)

    def _stretched(self, destination: Tensor, source: Tensor) -> Tensor:
        """Computes `stretch.too_oblique`, (B, 468)."""
        corners = source[..., :2].index_select(1, self._corners).view(len(source), 3, -1, 2)
        a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        facing = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).clamp_min(0)
        areas = facing @ self._around
        shares = areas / areas.sum(1, keepdim=True) + 1e-6
        wanted = self._faces.areas.index_select(0, destination) + 1e-6
        return smoothstep(wanted / shares, *STRETCH)


def _half_opacity(across: Tensor, strength: Tensor, edge: tuple[float, float]) -> Tensor:
    """Computes `symmetry.half_opacity`, (B, 1, S, S), of positions across faces of that shape."""
    return _each(strength.abs()) * smoothstep(_each(strength.sign()) * across, *edge)


def _each(values: Tensor) -> Tensor:
    """Shapes a number per face (B,) for images: (B, 1, 1, 1)."""
    return values[:, None, None, None]


def _pixels(values: Tensor) -> Tensor:
    """Shapes a point per face (B, 1, 2) for images: (B, 2, 1, 1)."""
    return values[:, 0, :, None, None]
