"""Spread of samples, and tables in Markdown."""

from __future__ import annotations

import numpy as np

from facefusion.evaluation.tables import Spread, table


def test_spread_leaves_out_nan() -> None:
    spread = Spread.of([*np.arange(11.0), float("nan")], lambda value: -value)
    assert spread == Spread(median=5, p10=1, p90=9, mean=5, worst=0, count=11)
    assert Spread.of([], abs).cells(2) == ["-"] * 5


def test_a_cell_stays_in_its_row_and_column() -> None:
    lines = table(["a", "b"], [["x|y", "1\n2"]])
    assert lines == ["| a | b |", "|---|---:|", "| x\\|y | 1 2 |", ""]
