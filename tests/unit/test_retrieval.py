"""Retrieval of the source among many people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefusion.evaluation.pairs import DataError
from facefusion.evaluation.retrieval import read_gallery, top1


def test_retrieval_looks_among_sources_and_gallery(tmp_path: Path) -> None:
    people = np.eye(4, dtype=np.float32)
    results = people[:2] * 0.9 + people[2:3] * np.array([[0.3], [0.95]], np.float32)
    assert top1(["a", "b"], people[:2], results) == [True, True]
    assert top1(["a", "b"], people[:2], results, people[2:3]) == [True, False]
    alike = people[2:3] * 0.6 + people[1:2] * 0.8  # may be b
    assert top1(["a", "b"], people[:2], results, alike) == [True, True]
    assert top1(["a", "a"], people[[0, 0]], people[[0, 0]]) == [True, True]
    assert top1(["a", "b"], people[:2], people[[1, 1]]) == [False, True]
    np.save(tmp_path / "gallery.npy", people)
    np.testing.assert_array_equal(read_gallery(tmp_path / "gallery.npy", 4), people)
    with pytest.raises(DataError, match="4 numbers a face, the identity judge 128"):
        read_gallery(tmp_path / "gallery.npy", 128)
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(DataError, match="cannot be read"):
        read_gallery(tmp_path / "text.npy", 4)
