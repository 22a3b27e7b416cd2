"""Spread, and tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

#: The columns of `Spread.cells`.
SPREAD: Final = ("median", "p10", "p90", "mean", "worst")


@dataclass(frozen=True)
class Spread:
    """Median, 10th and 90th percentile, mean, worst value and number of samples; what is no number
    is not counted.
    """

    median: float
    p10: float
    p90: float
    mean: float
    worst: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float], badness: Callable[[float], float]) -> Spread:
        """The spread of `values`; `badness` grows as a value gets worse. All of it is NaN where
        there are none.
        """
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return cls(math.nan, math.nan, math.nan, math.nan, math.nan, 0)
        p10, median, p90 = (float(p) for p in np.percentile(known, (10, 50, 90)))
        return cls(median, p10, p90, float(np.mean(known)), max(known, key=badness), len(known))

    def cells(self, digits: int) -> list[str]:
        """Median, p10, p90, mean and worst as text."""
        return [
            number(value, digits)
            for value in (self.median, self.p10, self.p90, self.mean, self.worst)
        ]


def number(value: float, digits: int) -> str:
    """A number with so many decimals, or a dash."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table's lines, and an empty one after it. The first column holds words, the others numbers."""
    line = [*header]
    return [
        _row(line),
        "|" + "|".join(["---"] + ["---:"] * (len(line) - 1)) + "|",
        *[_row(row) for row in rows],
        "",
    ]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
