"""Computes what warps onto a face need of it: its spline, its triangles and its slits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
import torch
from torch import Tensor

from facefusion.geometry.pose import pose_degrees
from facefusion.geometry.slits import SLITS, opening, slit_window
from facefusion.geometry.stretch import point_areas
from facefusion.geometry.symmetry import across_face
from facefusion.geometry.topology import WARP_POINTS
from facefusion.geometry.triangles import MeshRaster
from facefusion.geometry.warp import GRID, SEAM, SMOOTHNESS

#: Number of control points of the spline.
POINTS: Final = len(WARP_POINTS)
#: Faces whose splines are solved at once: their float64 matrices to the lattice take 25 MB.
CHUNK: Final = 16
#: Value of a byte of `Destinations.weights` that stands for 1.
FULL: Final = 255.0

#: Points that an edge mesh of a slit moves, and the points of the edge that they follow.
Followers = tuple[np.ndarray, np.ndarray]


def edge_followers() -> list[Followers]:
    """Returns which control points the upper and lower edge meshes of the slits move.

    Returns:
        By slit and edge (upper, lower): the followers' places in `WARP_POINTS`, and the mesh
        points that they follow (`slits.edge_meshes`).
    """
    place = {int(point): index for index, point in enumerate(WARP_POINTS)}
    found = []
    for slit in SLITS:
        for edge, sides in (
            (slit.upper, (slit.lower, slit.below)),
            (slit.lower, (slit.upper, slit.above)),
        ):
            pairs = [pair for side in sides for pair in zip(side, edge, strict=False)]
            followers = np.array([place[follower] for follower, _ in pairs])
            found.append((followers, np.array([followed for _, followed in pairs])))
    return found


@dataclass(frozen=True)
class Destinations:
    """What warps onto N faces need, on a device.

    Attributes:
        points: (N, P, 2) control points in crop units.
        affine: (N, 3, P) from values at the control points to the affine map (1, x, y) that fits
            them best.
        lattice: (N, GRID * GRID, P) int16, from values at the control points to the spline's on
            the lattice, in steps of `steps`; float16 would move flows by up to half a pixel.
        steps: (N, GRID * GRID, 1).
        across: (N, GRID * GRID) position across the face on the lattice, -1 and 1 at the cheeks.
        offsets: (N, 6, P, 2) by edge mesh (`edge_followers`): from the point that is followed to
            the follower; 0 for other points.
        turns: (N, 3, 2) by slit, the inverse of the complex number from its left to right corner.
        openings: (N, 3) `slits.opening`.
        yaw: (N,) degrees.
        areas: (N, 468) share of the face's image area around each mesh point.
        triangles: (N, S * S) int16, front triangle at each pixel; any where the mesh is not.
        shares: (N, 2, S * S) float16, barycentric weights of its second and third corner.
        weights: (N, 8, S, S) uint8, 255 for 1: the triangles' blurred weight, what a full jump of
            the mouth takes from it, and by slit the weights of the jump and of its lower side.
    """

    points: Tensor
    affine: Tensor
    lattice: Tensor
    steps: Tensor
    across: Tensor
    offsets: Tensor
    turns: Tensor
    openings: Tensor
    yaw: Tensor
    areas: Tensor
    triangles: Tensor
    shares: Tensor
    weights: Tensor

    @classmethod
    def of(cls, meshes: np.ndarray, device: torch.device, size: int, threads: int) -> Self:
        """Prepares faces.

        Args:
            meshes: (N, 468, 3) in crop units.
            device: where the tensors are kept.
            size: side S of the flows in pixels.
            threads: number of threads.
        """
        triangles, shares, weights = _rasters(meshes, device, size, threads)
        points = torch.from_numpy(meshes[:, WARP_POINTS, :2].astype(np.float64)).to(device)
        across = np.stack([across_face(mesh)[WARP_POINTS] for mesh in meshes]).astype(np.float64)
        affine, lattice, steps, across_lattice = _splines(
            points, torch.from_numpy(across).to(device)
        )

        def moved(values: np.ndarray) -> Tensor:
            return torch.from_numpy(np.asarray(values, np.float32)).to(device)

        areas = np.stack([point_areas(mesh) for mesh in meshes])
        return cls(
            points=points.float(),
            affine=affine,
            lattice=lattice,
            steps=steps,
            across=across_lattice,
            offsets=moved(_offsets(meshes)),
            turns=moved(_turns(meshes)),
            openings=moved(np.array([[opening(mesh, slit) for slit in SLITS] for mesh in meshes])),
            yaw=moved(np.array([pose_degrees(mesh)[0] for mesh in meshes])),
            areas=moved(areas / areas.sum(1, keepdims=True)),
            triangles=triangles,
            shares=shares,
            weights=weights,
        )


def _offsets(meshes: np.ndarray) -> np.ndarray:
    offsets = np.zeros((len(meshes), 2 * len(SLITS), POINTS, 2), np.float32)
    for index, (followers, followed) in enumerate(edge_followers()):
        at_followers = meshes[:, WARP_POINTS[followers], :2]
        offsets[:, index, followers] = at_followers - meshes[:, followed, :2]
    return offsets


def _turns(meshes: np.ndarray) -> np.ndarray:
    corners = np.array([slit.corners for slit in SLITS])
    along = (meshes[:, corners[:, 1], :2] - meshes[:, corners[:, 0], :2]).astype(np.float64)
    squared = np.maximum((along**2).sum(-1, keepdims=True), 1e-12)
    return np.asarray(along * [1, -1] / squared)


def _splines(points: Tensor, across: Tensor) -> tuple[Tensor, ...]:
    """Makes `affine`, `lattice`, `steps` and `across`, of splines as `MeshWarp` solves them.

    Args:
        points: (N, P, 2) float64 control points.
        across: (N, P) float64 their positions across the face.
    """
    ticks = (torch.arange(GRID, dtype=points.dtype, device=points.device) + 0.5) / GRID
    nodes = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), -1).reshape(-1, 2)
    made = []
    for part, values in zip(points.split(CHUNK), across.split(CHUNK), strict=True):
        straight = torch.cat([torch.ones_like(part[..., :1]), part], -1)
        system = part.new_zeros(len(part), POINTS + 3, POINTS + 3)
        system[:, :POINTS, :POINTS] = _kernel(part, part)
        system[:, :POINTS, :POINTS].diagonal(dim1=1, dim2=2).add_(SMOOTHNESS)
        system[:, :POINTS, POINTS:] = straight
        system[:, POINTS:, :POINTS] = straight.mT
        solver = _inverse(system)[:, :, :POINTS]
        at_nodes = nodes.expand(len(part), -1, -1)
        basis = torch.cat(
            [_kernel(at_nodes, part), torch.ones_like(at_nodes[..., :1]), at_nodes], -1
        )
        matrix = basis @ solver
        affine = _inverse(straight.mT @ straight) @ straight.mT
        steps = matrix.abs().amax(-1, keepdim=True) / torch.iinfo(torch.int16).max
        lattice = (matrix / steps).round().to(torch.int16)
        at_lattice = (matrix @ values[..., None])[..., 0].float()
        made.append((affine.float(), lattice, steps.float(), at_lattice))
    return tuple(torch.cat(parts) for parts in zip(*made, strict=True))


def _inverse(systems: Tensor) -> Tensor:
    if systems.is_cuda:
        return torch.linalg.inv(systems)
    # Batches of matrices fail on some CPUs (torch 2.13 with MKL: wrong pivots).
    return torch.stack([torch.linalg.inv(system) for system in systems])


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """Computes the spline's kernel (N, A, B) between points (N, A, 2) and (N, B, 2)."""
    squared = (a[..., :1] - b[:, None, :, 0]).square_()
    squared += (a[..., 1:] - b[:, None, :, 1]).square_()
    return squared.clamp_min(1e-12).log_().mul_(squared)


def _rasters(
    meshes: np.ndarray, device: torch.device, size: int, threads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Makes `triangles`, `shares` and `weights` of `Destinations`."""
    count = len(meshes)
    triangles = torch.empty(count, size * size, dtype=torch.int16, device=device)
    shares = torch.empty(count, 2, size * size, dtype=torch.float16, device=device)
    weights = torch.empty(count, 2 + 2 * len(SLITS), size, size, dtype=torch.uint8, device=device)

    def fill(index: int) -> None:
        made = _raster(meshes[index], size)
        for tensor, values in zip((triangles, shares, weights), made, strict=True):
            tensor[index].copy_(torch.from_numpy(values))

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(fill, range(count)):
            pass
    return triangles, shares, weights


def _raster(mesh: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Makes `triangles`, `shares` and `weights` of one face."""
    pixels = np.asarray(mesh * size - [0.5, 0.5, 0], np.float32)
    raster = MeshRaster(pixels, size, size)
    triangles = np.zeros((size, size), np.int16)
    triangles[raster.covered] = raster.triangles
    shares = np.zeros((2, size, size), np.float16)
    shares[:, raster.covered] = raster.shares[:, 1:].T
    jumps = np.zeros((2, len(SLITS), size, size), np.float32)
    for index, slit in enumerate(SLITS):
        window, weight, below = slit_window(pixels, slit, size)
        jumps[0, index][window] = weight
        jumps[1, index][window] = below
    mouth, *eyes = jumps[0]
    meshed = raster.covered * np.prod([1 - eye for eye in eyes], axis=0, dtype=np.float32)
    seam = np.stack([meshed, meshed * mouth])
    for part in seam:
        part[:] = cv2.GaussianBlur(part, (0, 0), SEAM * size) * raster.covered
    weights = np.concatenate([seam, *jumps])
    return (
        triangles.reshape(-1),
        shares.reshape(2, -1),
        np.rint(weights * FULL).astype(np.uint8),
    )
