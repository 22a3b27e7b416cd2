"""Reconstruction of portraits whose face was swapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from facefusion.evaluation.image_metrics import ImageMetrics, ssim
from facefusion.evaluation.pairs import DataError, ValFace
from facefusion.evaluation.reconstruction import BASELINE, reconstruct
from facefusion.evaluation.reconstruction_samples import make_samples, put_other_face
from facefusion.tiers import Tier
from facefusion.types import FusionResult, Timings


@pytest.fixture
def portraits(tmp_path: Path, make_mesh, rng: np.random.Generator) -> tuple[Path, list[ValFace]]:
    """A data folder of five made-up faces and its validation split."""
    faces = [ValFace(f"{i}.png", 4.0 * i) for i in range(5)]
    shapes = [
        make_mesh((120, 120), 110 + i, yaw=face.yaw, mouth_open=i == 2)
        for i, face in enumerate(faces)
    ]
    for face in faces:
        blobs = rng.integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(blobs).resize((240, 240), Image.Resampling.BICUBIC).save(
            tmp_path / face.file
        )
    np.savez(tmp_path / "mesh468.npz", files=[face.file for face in faces], mesh=np.stack(shapes))
    rows = "".join(f"{face.file},val,{face.yaw}\n" for face in faces)
    (tmp_path / "faces.csv").write_text(f"file,split,yaw_deg\n{rows}")
    return tmp_path, faces


def test_samples_change_the_face_and_nothing_else(portraits) -> None:
    folder, faces = portraits
    samples = list(make_samples(folder, faces, 9))
    assert len({sample.name for sample in samples}) == 5
    again = next(make_samples(folder, faces, 1))
    np.testing.assert_array_equal(again.source, samples[0].source)
    np.testing.assert_array_equal(again.target, samples[0].target)
    for sample in samples:
        change = cv2.absdiff(sample.target, sample.truth).max(2)
        assert change[sample.inside].mean() > 12 and change[0].max() == change[:, 0].max() == 0
        assert cv2.absdiff(sample.source, sample.truth).mean() > 2


def test_a_face_put_on_itself_is_no_swap_and_the_mouth_stays(
    make_photo, make_mesh, rng: np.random.Generator
) -> None:
    photo, mesh = make_photo(192, 192), make_mesh((96, 96), 110, mouth_open=True)
    assert cv2.absdiff(put_other_face(photo, mesh, photo, mesh), photo).max() <= 2
    noise = rng.integers(0, 255, (192, 192, 3), np.uint8)
    change = cv2.absdiff(put_other_face(photo, mesh, noise, mesh), photo)
    x, y = (round(float(value)) for value in mesh[[13, 14], :2].mean(0))
    assert change[y, x].max() <= 6 and change[y - 30 : y - 20, x - 5 : x + 5].max() > 40


def test_a_product_that_returns_the_truth_reconstructs_it(portraits) -> None:
    folder, faces = portraits
    samples = list(make_samples(folder, faces, 3))
    truths = {sample.target.tobytes(): sample.truth for sample in samples[:2]}

    def perfect(source: np.ndarray, target: np.ndarray, *, tier: Tier) -> FusionResult:
        image = truths[target.tobytes()]
        return FusionResult(image, image, np.zeros((1, 1), np.float32), Timings(), tier, ())

    product: Any = perfect
    run = reconstruct(product, samples, [Tier.BEST], ImageMetrics({"SSIM": ssim}))
    assert run.samples == 3 and run.figures[Tier.BEST]["SSIM"] == pytest.approx([1, 1])
    assert len(run.figures[BASELINE]["SSIM"]) == 3 and max(run.figures[BASELINE]["SSIM"]) < 0.95
    (failure,) = run.failures[Tier.BEST]
    assert failure.startswith(f"{samples[2].name}: Unexpected KeyError")
    assert len(run.pictures[Tier.BEST]) == 3


def test_samples_need_meshes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no mesh468"):
        next(make_samples(tmp_path, [], 1))
    np.savez(tmp_path / "mesh468.npz", files=["a"], mesh=np.zeros((1, 5, 3)))
    with pytest.raises(DataError, match="468 points"):
        next(make_samples(tmp_path, [], 1))
