"""Degradations of targets, and how far new faces have the degradation of their photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facefusion.cli.main import main
from facefusion.errors import FaceTurnedError
from facefusion.evaluation import degraded_report
from facefusion.evaluation.degradations import (
    COMPARED,
    add_noise,
    blur,
    compress_jpeg,
    degradations,
    halve,
    skin_energies,
)
from facefusion.evaluation.degraded_report import (
    SHOWN,
    cell,
    ratio_cells,
    run_degraded,
    skin_close_up,
)
from facefusion.evaluation.faces import KnownFace, KnownFaces
from facefusion.evaluation.pairs import Pair
from facefusion.evaluation.realism import FaceCrop, energies
from facefusion.evaluation.sheets import TILE
from facefusion.types import FusionResult, Timings

FINE = COMPARED.index("photo's below 1 px")


@pytest.fixture
def photo(rng: np.random.Generator) -> np.ndarray:
    """(331, 300, 3) of texture at every scale."""
    layers = [cv2.resize(rng.normal(0, 14, (side, side, 3)), (300, 331)) for side in (10, 60, 300)]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


@pytest.fixture
def mesh(make_mesh) -> np.ndarray:
    return np.asarray(make_mesh((150, 160), 200))


# Degradations


def test_noise_has_its_deviation_in_every_channel_alone() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = add_noise(grey, 1, 15.0) - 128.0
    np.testing.assert_allclose(noise.std((0, 1)), 15, rtol=0.03)
    assert abs(noise.mean()) < 0.2
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.03
    assert abs(np.corrcoef(noise[:, 1:, 0].ravel(), noise[:, :-1, 0].ravel())[0, 1]) < 0.03
    assert (add_noise(grey, 1, 15.0) - 128.0 == noise).all()
    assert (add_noise(grey, 2, 15.0) - 128.0 != noise).any()
    white = add_noise(np.full((50, 50, 3), 250, np.uint8), 1, 25.0)
    assert white.max() == 255 and white.min() > 100  # clipped, not wrapped around


def test_blur_jpeg_and_half_the_resolution(photo: np.ndarray) -> None:
    everywhere = np.ones(photo.shape[:2])
    own = energies(photo, everywhere)
    soft, half, small = (
        energies(image, everywhere) / own
        for image in (blur(photo, 2), halve(photo), compress_jpeg(photo, 5))
    )
    assert soft[0] < 0.2 and soft[4] > 0.95
    assert half[0] < 0.7 and half[3] > 0.95 and half[0] > soft[0]
    assert abs(small[0] - 1) > 0.02
    assert compress_jpeg(photo, 90).mean((0, 1)) == pytest.approx(photo.mean((0, 1)), abs=1)
    blocks = np.abs(np.diff(compress_jpeg(photo, 5)[..., 1].astype(float), axis=1)).mean(0)
    assert blocks[7::8].mean() > 1.3 * np.delete(blocks, np.s_[7::8]).mean()


def test_every_degradation_keeps_the_size_and_is_named(photo: np.ndarray) -> None:
    kinds = degradations()
    assert list(kinds) == [
        "as it is", "noise, sd 5", "noise, sd 15", "noise, sd 25", "blur, sd 1 px", "blur, sd 2 px",
        "blur, sd 4 px", "JPEG, quality 20", "half resolution",
    ]  # fmt: skip
    made = [degrade(photo, 3) for degrade in kinds.values()]
    assert all(one.shape == photo.shape and one.dtype == np.uint8 for one in made)
    apart = [np.abs(one - photo.astype(float)).mean() for one in made]
    assert apart[0] == 0 and apart[1] < apart[2] < apart[3] and apart[4] < apart[5] < apart[6]
    assert min(apart[1:]) > 1


# What follows


def test_a_face_of_the_photos_kind_has_ratios_of_one(photo: np.ndarray, mesh: np.ndarray) -> None:
    mask = np.ones(photo.shape[:2], np.float32)
    np.testing.assert_allclose(skin_energies(photo, photo, mask, mesh).ratios, 1, atol=1e-6)
    worse = add_noise(photo, 0, 25)
    clean = skin_energies(worse, photo, mask, mesh)
    assert clean.ratios[FINE] < 0.75 and clean.target[FINE] > clean.result[FINE]
    assert skin_energies(worse, add_noise(photo, 9, 25), mask, mesh).ratios[FINE] == pytest.approx(
        1, abs=0.05
    )
    sharp = skin_energies(blur(photo, 2), photo, mask, mesh).ratios
    assert sharp[0] > 3 and sharp[FINE] > 3 and sharp[COMPARED.index("8-16 px")] < 1.2


def test_only_new_skin_is_measured(photo: np.ndarray, mesh: np.ndarray) -> None:
    mask = np.zeros(photo.shape[:2], np.float32)
    mask[:, :150] = 1
    result = photo.copy()
    result[:, 170:] = 128
    np.testing.assert_allclose(
        skin_energies(photo, result, mask, mesh).ratios[[0, FINE]], 1, atol=0.01
    )
    assert skin_energies(photo, result, 1 - mask, mesh).ratios[FINE] < 0.7
    lips = photo.copy()
    x, y = np.rint(mesh[[13, 14], :2].mean(0)).astype(int)
    cv2.circle(lips, (int(x), int(y)), 5, (0, 0, 255), -1)
    np.testing.assert_allclose(
        skin_energies(photo, lips, mask * 0 + 1, mesh).ratios[FINE], 1, atol=0.01
    )
    assert np.isnan(skin_energies(photo, result, mask * 0, mesh).ratios).all()


def test_a_face_at_the_photos_edge_is_measured(photo: np.ndarray, mesh: np.ndarray) -> None:
    mask = np.ones(photo.shape[:2], np.float32)
    moved = mesh + [-110, -130, 0]
    assert moved[:, :2].min() < 0
    np.testing.assert_allclose(skin_energies(photo, photo, mask, moved).ratios, 1, atol=1e-6)


# The table


def test_what_is_outside_of_the_bounds_is_bold() -> None:
    assert cell([0.85, 0.85]) == "0.85 (0.85 to 0.85)"
    assert cell([0.84]) == "**0.84 (0.84 to 0.84)**"
    assert cell([1.16, float("nan")]) == "**1.16 (1.16 to 1.16)**"
    assert cell([0.0, 1.0, 1.0, 1.0, 5.0]) == "1.00 (0.40 to 3.40)"
    assert cell([float("nan")]) == "- (- to -)"


def test_the_closest_view_shows_each_pixel_as_four(photo: np.ndarray, mesh: np.ndarray) -> None:
    for place in (mesh, mesh + [400, 0, 0]):
        tile = skin_close_up(photo, place)
        assert tile.shape == (TILE, TILE, 3)
        assert (tile[::2, ::2] == tile[1::2, 1::2]).all()
        small = tile[::2, ::2]
        assert cv2.matchTemplate(photo, small, cv2.TM_CCOEFF_NORMED).max() > 0.9999


def test_every_target_is_fused_under_every_degradation(
    photo: np.ndarray, mesh: np.ndarray, tmp_path: Path
) -> None:
    mask = np.ones(photo.shape[:2], np.float32)

    def follows(source: np.ndarray, target: np.ndarray, *, tier: str) -> FusionResult:
        return FusionResult(target, target, mask, Timings(), tier, ())

    def clean(source: np.ndarray, target: np.ndarray, *, tier: str) -> FusionResult:
        if (target == photo).all():
            raise FaceTurnedError("target")
        if np.abs(target - photo.astype(float)).mean() > 15:
            raise RuntimeError("too\nnoisy")
        return FusionResult(photo, photo, mask, Timings(), tier, ())

    cv2.imwrite(str(tmp_path / "a.png"), photo[..., ::-1])
    face = KnownFace(mesh, np.ones(2, np.float32), FaceCrop.of(photo, mesh))
    known = KnownFaces(tmp_path, {"a.png": face}, None, None, "")
    pairs = [Pair("a.png", "a.png")] * (SHOWN + 1)
    good: Any = follows
    rows, shown = run_degraded(good, known, pairs)
    assert list(rows) == list(degradations()) and len(shown) == SHOWN * len(rows)
    right = ["1.00 (1.00 to 1.00)"] * len(COMPARED)
    assert all(ratio_cells(row) == [*right, str(len(pairs))] for row in rows.values())
    poor: Any = clean
    rows, _ = run_degraded(poor, known, pairs[:1])
    assert rows["as it is"].failures == [f"as it is, a.png -> a.png: {FaceTurnedError('target')}"]
    assert rows["noise, sd 25"].failures == [
        "noise, sd 25, a.png -> a.png: Unexpected RuntimeError: too noisy"
    ]
    assert ratio_cells(rows["noise, sd 15"])[FINE].startswith("**0.")
    assert ratio_cells(rows["blur, sd 2 px"])[FINE].startswith("**")
    assert float(ratio_cells(rows["blur, sd 2 px"])[FINE].strip("*").split()[0]) > 3


def test_the_command_writes_table_and_sheet(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = dict(list(degradations().items())[:2])
    monkeypatch.setattr(degraded_report, "degradations", lambda: few)
    out = tmp_path / "out"
    words = ["evaluate", "--data", str(data), "--degraded", "--limit", "1", "--out", str(out)]
    assert main(words) == 0
    assert "0 results failed" in capsys.readouterr().out
    text = (out / "degraded.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in text and "evaluate --data DIR --degraded --limit 1`" in text
    assert [text.count(f"| {name} |") for name in degradations()][:3] == [2, 2, 0]
    assert "[degraded.jpg](degraded.jpg)" in text and (out / "degraded.jpg").is_file()
    (out / "degraded.jpg").unlink()
    assert main([*words, "--worst", "0"]) == 0
    assert not (out / "degraded.jpg").exists()
    assert "degraded.jpg" not in (out / "degraded.md").read_text(encoding="utf-8")
