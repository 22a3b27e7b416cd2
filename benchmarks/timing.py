"""Times calls, and summarises seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np


def seconds_of(call: Callable[[], object]) -> float:
    """Returns the seconds that a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def percentiles(values: Sequence[float], *ranks: float) -> list[float]:
    """Returns the percentiles of `values` at `ranks` in percent; NaN where there are no values."""
    if not values:
        return [float("nan")] * len(ranks)
    return [float(value) for value in np.percentile(values, ranks)]
