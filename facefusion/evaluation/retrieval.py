"""Tests whether a result's face retrieves its source among many people."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from facefusion.evaluation.pairs import DataError
from facefusion.types import FloatArray

#: Cosine similarity to a source above which a gallery face is left out, because it may show the
#: same person.
SAME_PERSON: Final = 0.7


def read_gallery(path: Path, dimensions: int) -> FloatArray:
    """Reads embeddings of other people.

    Args:
        path: .npy of (N, D) unit-length embeddings by the identity judge.
        dimensions: D of the judge.

    Raises:
        DataError: it cannot be read, or has another form.
    """
    try:
        gallery = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"The gallery {path} cannot be read.") from error
    if gallery.ndim != 2 or not gallery.size or not np.issubdtype(gallery.dtype, np.floating):
        raise DataError(f"The gallery {path} must hold an (N, D) array of embeddings.")
    if gallery.shape[1] != dimensions:
        raise DataError(
            f"The gallery {path} has {gallery.shape[1]} numbers a face, the identity judge {dimensions}."
        )
    return np.asarray(gallery, np.float32)


def top1(
    names: list[str], sources: FloatArray, results: FloatArray, gallery: FloatArray | None = None
) -> list[bool]:
    """Returns for each result whether the most similar of all faces is its source.

    Args:
        names: N source files, possibly repeated.
        sources: (N, D) embeddings of the sources.
        results: (N, D) embeddings of the results.
        gallery: (M, D) embeddings of other people.
    """
    people = [*names]
    if gallery is not None:
        others = gallery[(gallery @ sources.T).max(1) <= SAME_PERSON]
        sources, people = np.concatenate([sources, others]), people + [""] * len(others)
    return [
        people[int(np.argmax(sources @ result))] == name
        for name, result in zip(names, results, strict=True)
    ]
