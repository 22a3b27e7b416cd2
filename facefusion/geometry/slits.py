"""Makes the warp discontinuous across mouth and eyes that only the target has shut.

A spline is smooth: between touching lips it squeezes in what lies between them in the source, an
open mouth. So two flows are made around such a slit, one that follows its upper edge and one that
follows its lower edge, and each side of the slit takes its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from facefusion.geometry.ramps import smoothstep
from facefusion.types import Mask, Mesh

#: Difference in openness (source - target), as shares of the slit's width, at which the jump starts
#: and is full.
WIDER: Final = (0.04, 0.12)
#: Reach of the jump along and across the slit, as shares of its width; farther out, the other mesh
#: points make both flows equal.
REACH: Final = (0.85, 0.75)
#: Share of the reach at which the jump starts to fade.
FADE: Final = 0.6
#: Width of the transition between both sides, as a share of the slit's width.
EDGE: Final = 0.02


@dataclass(frozen=True)
class Slit:
    """A mouth or eye opening.

    Attributes:
        corners: mesh points at its image-left and image-right end.
        upper, lower: mesh points of its edges, in pairs from left to right.
        above, below: mesh points that move with each edge (the outer lip line), in the same order.
    """

    corners: tuple[int, int]
    upper: tuple[int, ...]
    lower: tuple[int, ...]
    above: tuple[int, ...] = ()
    below: tuple[int, ...] = ()


SLITS: Final = (
    Slit(
        (78, 308), (191, 80, 81, 82, 13, 312, 311, 310, 415), (95, 88, 178, 87, 14, 317, 402, 318, 324),
        (185, 40, 39, 37, 0, 267, 269, 270, 409), (146, 91, 181, 84, 17, 314, 405, 321, 375),
    ),
    Slit((33, 133), (246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155)),
    Slit((362, 263), (398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249)),
)  # fmt: skip


def opening(mesh: Mesh, slit: Slit) -> float:
    """Measures a slit's mean height as a share of its width, of a mesh (468, 2 or 3) in pixels."""
    width = np.hypot(*(mesh[slit.corners[1], :2] - mesh[slit.corners[0], :2]))
    gaps = np.linalg.norm(mesh[list(slit.upper), :2] - mesh[list(slit.lower), :2], axis=1)
    return float(gaps.mean() / max(width, 1e-6))


def jump_strength(source: Mesh, destination: Mesh, slit: Slit) -> float:
    """Returns the strength in [0, 1] of a slit's jump between two meshes (468, 2 or 3)."""
    difference = opening(source, slit) - opening(destination, slit)
    return float(smoothstep(difference, *WIDER))


def edge_meshes(source: Mesh, destination: Mesh, slit: Slit) -> tuple[np.ndarray, np.ndarray]:
    """Returns the source's points as the upper and as the lower edge of a slit place them.

    Each edge keeps its own points and places the opposite edge's as if the slit were as open as the
    target's.

    Args:
        source, destination: (468, 2 or 3) meshes.
        slit: the slit.

    Returns:
        Two (468, 2) arrays in the source's pixels.
    """
    a, b = (
        complex(*(m[slit.corners[1], :2] - m[slit.corners[0], :2])) for m in (destination, source)
    )
    turn = b / a if a else 1.0  # scale and rotation of the slit, target to source
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    upper, lower = np.array(source[:, :2]), np.array(source[:, :2])
    for points, edge_points, opposite, outer in (
        (upper, slit.upper, slit.lower, slit.below), (lower, slit.lower, slit.upper, slit.above),
    ):  # fmt: skip
        for followers in (opposite, outer):
            for edge, follower in zip(edge_points, followers, strict=False):
                offset = destination[follower, :2] - destination[edge, :2]
                points[follower] = source[edge, :2] + linear @ offset
    return upper, lower


def slit_window(destination: Mesh, slit: Slit, size: int) -> tuple[tuple[slice, slice], Mask, Mask]:
    """Computes the window around a slit and the weights of its jump.

    Args:
        destination: (468, 2 or 3) mesh in pixels of the crop.
        slit: the slit.
        size: side of the crop.

    Returns:
        The window (rows, columns), the weight of the jump at each of its pixels, and the weight of
        the lower edge's side, both (h, w) float32 in [0, 1].
    """
    left, right = (np.asarray(destination[i, :2], np.float64) for i in slit.corners)
    width = max(float(np.hypot(*(right - left))), 1e-6)
    across = (right - left) / width
    down = np.array([-across[1], across[0]])
    centre, reach = (left + right) / 2, max(REACH) * width
    low = np.clip(np.floor(centre - reach).astype(int), 0, size)
    high = np.clip(np.ceil(centre + reach).astype(int) + 1, 0, size)
    x, y = np.meshgrid(np.arange(low[0], high[0]) - left[0], np.arange(low[1], high[1]) - left[1])
    along, height = (x * across[0] + y * across[1]) / width, (x * down[0] + y * down[1]) / width
    middle = (destination[list(slit.upper), :2] + destination[list(slit.lower), :2]) / 2 - left
    positions = np.concatenate([[0.0], middle @ across / width, [1.0]])
    heights = np.concatenate([[0.0], middle @ down / width, [0.0]])
    order = np.argsort(positions)
    line = np.interp(along, positions[order], heights[order])
    below = np.clip((height - line) / EDGE + 0.5, 0, 1)
    distance = np.hypot((along - 0.5) / REACH[0], height / REACH[1])
    weight = smoothstep(distance, 1.0, FADE)
    window = np.s_[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])]
    return window, np.asarray(weight, np.float32), np.asarray(below, np.float32)
