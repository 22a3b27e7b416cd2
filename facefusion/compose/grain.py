"""Makes noise of a photo's kind: its spectrum, its colours, its dependence on brightness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from facefusion.compose.bands import FEWEST, Band, robust
from facefusion.compose.pyramid import laplacian
from facefusion.compose.tone import LUMA
from facefusion.types import FloatArray

#: Side in pixels of the noise tile that is repeated over a face.
SIDE: Final = 512
#: Seed of the noise: the same input gives the same output.
SEED: Final = 1983
#: Levels of the noise's spectrum.
LEVELS: Final = 5
#: Int8 steps per standard deviation of the noise: it is clipped at 4.
STEPS: Final = 31
#: Largest scale, in pixels of a 224 px crop, at which noise also replaces missing skin texture.
FINE: Final = 1.1
#: Share of the missing texture's variance that noise replaces: more than this looks like grain.
TEXTURE: Final = 0.25
#: Variance added to every level, as a divisor.
_TINY: Final = 1e-6
#: Standard deviation of noise in grey levels below which none is added, to save time.
NO_NOISE: Final = 0.15
#: Number of levels over which the noise of one level spreads.
REACH: Final = 4
#: Iterations of the search for deviations that give a spectrum.
ROUNDS: Final = 60
#: Standard deviations in pixels of the Gaussians whose difference is an octave of noise: of the
#: finest level, and of the others on the next finer grid.
OCTAVES: Final = ((0.0, 1.0), (1.0, 2.2))
#: Border in pixels around a tile for the Gaussians.
_BORDER: Final = 12
#: Bins of brightness.
BINS: Final = 6
#: Range of a bin's standard deviation over the mean one.
RANGE: Final = (0.2, 2.0)
#: Largest change of the deviation, as a share of it, beyond the darkest and the brightest skin.
BEYOND: Final = 0.6


def grid_of(k: int) -> int:
    """Returns the level whose grid carries the noise of level k: finer, to hold its detail."""
    return max(k - 1, 0)


@lru_cache(maxsize=1)
def unit_noise() -> tuple[np.ndarray, ...]:
    """Makes periodic noise for each level, of that level's octave, on the grid of `grid_of`.

    Returns:
        (s, s, 3) int8, finest first; independent channels, `STEPS` a standard deviation.
    """
    rng, tiles = np.random.default_rng(SEED), []
    for k in range(LEVELS):
        white = rng.standard_normal((SIDE >> grid_of(k),) * 2 + (3,), np.float32)
        wide = cv2.copyMakeBorder(white, *(_BORDER,) * 4, cv2.BORDER_WRAP)
        finer, coarser = OCTAVES[min(k, 1)]
        sharp = cv2.GaussianBlur(wide, (0, 0), finer) if finer else wide
        band = (sharp - cv2.GaussianBlur(wide, (0, 0), coarser))[_BORDER:-_BORDER, _BORDER:-_BORDER]
        tiles.append(np.clip(np.rint(STEPS / band.std() * band), -127, 127).astype(np.int8))
        tiles[-1].flags.writeable = False  # shared by all threads
    return tuple(tiles)


@lru_cache(maxsize=1)
def coupling() -> np.ndarray:
    """Measures the coupling of the levels: a Laplacian pyramid is not orthogonal.

    Returns:
        (n, n): the variance in level j of the unit noise of level k.
    """
    variances = np.zeros((LEVELS, LEVELS))
    for k, tile in enumerate(unit_noise()):
        grid = grid_of(k)
        first = max(grid - 1, 0)  # finer levels hold none of it
        image: FloatArray = np.asarray(tile / np.float32(STEPS), np.float32)
        image = np.asarray(cv2.copyMakeBorder(image, *(_BORDER,) * 4, cv2.BORDER_WRAP), np.float32)
        for _ in range(grid - first):
            image = np.asarray(cv2.pyrUp(image), np.float32)
        for j, level in enumerate(laplacian(image, min(LEVELS - first, REACH))[:-1], first):
            measured = level if j else level[::2, 1::2]  # the finest as in `Pyramid`
            # Away from the edges, as the pyramids have no periodic border.
            edge = min(_BORDER, len(measured) // 4)
            variances[j, k] = np.mean(measured[edge:-edge, edge:-edge] ** 2)
    return variances


def decoupled(covariances: Sequence[FloatArray]) -> list[FloatArray]:
    """Computes covariances to add to the levels so that the resulting noise has the wanted ones.

    The non-negative solution of Richardson (1972) and Lucy (1974): not every spectrum is possible.
    """
    variances = np.full(LEVELS, _TINY)
    variances[: len(covariances)] += [
        max(float(np.trace(covariance)), 0.0) for covariance in covariances
    ]
    coupled, solution = coupling(), variances.copy()
    for _ in range(ROUNDS):
        solution *= coupled.T @ (variances / (coupled @ solution)) / coupled.sum(0)
    shares = solution / variances
    return [
        np.asarray(covariance * share, np.float32)
        for covariance, share in zip(covariances, shares, strict=False)
    ]


def root_of(covariance: FloatArray) -> FloatArray:
    """Computes the symmetric square root of a positive semidefinite (3, 3) matrix."""
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T, np.float32)


def tile_of(covariances: Sequence[FloatArray], grid: int) -> FloatArray | None:
    """Makes the periodic noise of all levels on a grid.

    Args:
        covariances: (3, 3) of the RGB channels for each level, finest first.
        grid: see `grid_of`.

    Returns:
        (s, s, 3) float32; None below `NO_NOISE`.
    """
    total: FloatArray | None = None
    for k, covariance in enumerate(covariances):
        if grid_of(k) == grid and float(np.trace(covariance)) > NO_NOISE**2:
            tile = unit_noise()[k].astype(np.float32)
            noise = cv2.transform(tile, root_of(covariance) / np.float32(STEPS))
            total = np.asarray(noise if total is None else cv2.add(total, noise), np.float32)
    return total


def tile_window(tile: FloatArray, shape: tuple[int, ...], origin: tuple[int, int]) -> FloatArray:
    """Cuts a window from periodic noise that is anchored to the photo.

    Args:
        tile: (s, s, 3).
        shape: (h, w, ...) of the window.
        origin: its top and left in the photo, on the tile's grid.
    """
    size = len(tile)
    (top, height), (left, width) = (
        (start % size, length) for start, length in zip(origin, shape[:2], strict=True)
    )
    if top + height <= size:
        tile, top = tile[top : top + height], 0
    repeated = cv2.repeat(tile, -(-(top + height) // len(tile)), -(-(left + width) // size))
    return np.asarray(repeated[top : top + height, left : left + width], np.float32)


def _semidefinite(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)


def _noise_colour(target: Band, face: Band) -> np.ndarray:
    """Estimates the (3, 3) covariance of the target's noise over the variance of its luma.

    It is what remains after structure with the new face's colours is subtracted.
    """
    structure = max(target.dense**2 - target.noise**2, 0.0)
    noise = _semidefinite(target.dense**2 * target.colour - structure * face.colour)
    return np.asarray(noise / max(float(LUMA @ noise @ LUMA), 1e-6))


def missing_noise(
    target: Sequence[Band], face: Sequence[Band], gains: Sequence[float]
) -> list[FloatArray]:
    """Computes the noise covariances (3, 3) that each level lacks once its gain is applied."""
    covariances: list[FloatArray] = []
    colour, best_share = np.zeros((3, 3)), 0.0
    for target_band, face_band, gain in zip(
        target[:LEVELS], face[:LEVELS], gains[:LEVELS], strict=True
    ):
        if target_band.noise > best_share * target_band.energy:
            colour, best_share = (
                _noise_colour(target_band, face_band),
                target_band.noise / target_band.energy,
            )
        lacking = max(target_band.energy**2 - (gain * face_band.energy) ** 2, 0.0)
        noise = float(np.clip(target_band.noise**2 - (gain * face_band.noise) ** 2, 0, lacking))
        texture = 0.0
        if target_band.scale <= FINE:
            texture = float(
                np.clip(
                    TEXTURE * (target_band.dense**2 - (gain * face_band.dense) ** 2) - noise,
                    0,
                    lacking - noise,
                )
            )
        colours = target_band.colour @ LUMA
        covariances.append(
            np.asarray(noise * colour + texture * np.outer(colours, colours), np.float32)
        )
    return covariances


@dataclass(frozen=True)
class Brightness:
    """The dependence of the noise's deviation on brightness.

    Attributes:
        table: (256,) float32 deviation by luma, over the mean deviation on skin.
    """

    table: FloatArray

    @classmethod
    def even(cls) -> Brightness:
        """Returns the same deviation for every brightness."""
        return cls(np.ones(256, np.float32))

    @classmethod
    def measured(cls, band: Band, luma: np.ndarray, brightness: np.ndarray) -> Brightness:
        """Measures the deviation on skin, as far as the band is noise.

        Args:
            band: the level with most noise.
            luma: (N,) the level's luma at places on skin.
            brightness: (N,) luma in [0, 255] of a smooth version of the photo there.
        """
        bins = np.array_split(np.argsort(brightness, kind="stable"), BINS)
        if len(luma) < BINS * FEWEST or band.noise <= 0:
            return cls.even()
        scales = np.array([robust(luma[pixels])[1] for pixels in bins]) / max(band.dense, 1e-6)
        scales = np.clip(scales, *RANGE) ** (band.noise / max(band.dense, band.noise))
        middles = np.array([np.median(brightness[pixels]) for pixels in bins])
        levels = np.arange(256)
        table = np.interp(levels, middles, scales)
        darker, brighter = np.minimum(levels - middles[0], 0), np.maximum(levels - middles[-1], 0)
        for end, inner, beyond in ((0, 1, darker), (-1, -2, brighter)):
            slope = (scales[end] - scales[inner]) / max(middles[end] - middles[inner], 1.0, key=abs)
            table += np.clip(slope * beyond, -BEYOND * scales[end], BEYOND * scales[end])
        return cls(np.clip(table, *RANGE).astype(np.float32))

    def over(self, luma: np.ndarray) -> FloatArray:
        """Returns factors for the noise at the luma of a smooth face, in its shape."""
        return np.asarray(self.table[np.clip(luma + 0.5, 0, 255).astype(np.uint8)], np.float32)
