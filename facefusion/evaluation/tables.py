"""Summarises samples, and formats tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

#: Columns of `Spread.cells`.
SPREAD: Final = ("median", "p10", "p90", "mean", "worst")


@dataclass(frozen=True)
class Spread:
    """Median, 10th and 90th percentile, mean, worst value and number of samples, without NaN."""

    median: float
    p10: float
    p90: float
    mean: float
    worst: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float], badness: Callable[[float], float]) -> Spread:
        """Computes the spread of `values`, all NaN if there are none.

        `badness` grows as a value gets worse.
        """
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return cls(math.nan, math.nan, math.nan, math.nan, math.nan, 0)
        p10, median, p90 = (float(p) for p in np.percentile(known, (10, 50, 90)))
        return cls(median, p10, p90, float(np.mean(known)), max(known, key=badness), len(known))

    def cells(self, digits: int) -> list[str]:
        """Formats median, p10, p90, mean and worst."""
        return [
            number(value, digits)
            for value in (self.median, self.p10, self.p90, self.mean, self.worst)
        ]


def number(value: float, digits: int) -> str:
    """Formats a number with this many decimals, or as a dash."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Formats a table and an empty line; the first column holds words, the others numbers."""
    line = [*header]
    return [
        _row(line),
        "|" + "|".join(["---"] + ["---:"] * (len(line) - 1)) + "|",
        *[_row(row) for row in rows],
        "",
    ]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
