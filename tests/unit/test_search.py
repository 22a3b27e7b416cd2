"""The search for a better size times designs, trains those that are fast enough, and reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from facefusion.export.onnx import CONTRACTS
from facefusion.nets import coarse, refine
from facefusion.nets.blocks import Design
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import EnhancementNet
from facefusion.training.studies import search
from facefusion.training.studies.search import Space, scaled
from facefusion.training.studies.search_report import (
    MAX_TIME_RATIO,
    pareto_front,
    plot,
    table,
    verdict,
)


def size(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_a_design_is_what_a_network_is_built_of() -> None:
    assert scaled(coarse.DESIGN, 1.0, coarse.DESIGN.expand, coarse.DESIGN.kernel) == coarse.DESIGN
    small = scaled(coarse.DESIGN, 0.6, 2.0, 5)
    assert small == Design((24, 48, 88, 144), 2.0, 5)
    images = torch.rand(1, 3, 128, 128)
    face, who = torch.ones(1, 1, 128, 128), torch.rand(1, 128)
    whole, part = CoarseFusionModel().eval(), CoarseFusionModel(design=small).eval()
    assert size(part) < 0.5 * size(whole)
    assert [tuple(x.shape) for x in part(images, images, face, who)] == [
        (1, 1, 128, 128),
        (1, 3, 128, 128),
    ]
    kernels = {tuple(p.shape[2:]) for name, p in part.down16.named_parameters() if p.ndim == 4}
    assert kernels == {(1, 1), (5, 5)}
    assert size(EnhancementNet(scaled(refine.DESIGN, 1.4, 4.0, 3))) > 1.5 * size(EnhancementNet())


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Space:
    """A space in which wide designs are slow, and large kernels are good."""

    def milliseconds(net: Any, contract: Any, reference: Any) -> tuple[float, float]:
        return size(net) / 1e5, size(reference) / 1e5

    def train(design: Design, run: Path) -> dict[str, float]:
        run.mkdir(parents=True, exist_ok=True)
        return {"psnr": 20.0 + design.kernel + 1e-7 * size(make(design)), "ssim": 0.9}

    def make(design: Design) -> CoarseFusionModel:
        return CoarseFusionModel(design=design)

    monkeypatch.setattr(search, "milliseconds", milliseconds)
    return Space(coarse.DESIGN, make, CONTRACTS["coarse"], train)


def test_only_what_is_quick_enough_is_trained_and_nothing_twice(
    space: Space, tmp_path: Path
) -> None:
    found = search.search(space, 12, tmp_path)
    assert coarse.DESIGN in found and 4 < len(found) <= 12
    for figures in found.values():
        assert ("psnr" in figures) == (figures["ratio"] <= MAX_TIME_RATIO)
    files = sorted(tmp_path.glob("*/figures.json"))
    assert len(files) == len(found)
    files[0].write_text(json.dumps(json.loads(files[0].read_text()) | {"ratio": 0.123}))
    assert 0.123 in [figures["ratio"] for figures in search.search(space, 12, tmp_path).values()]

    line = pareto_front(found)
    assert (
        line
        == sorted(line, key=lambda d: found[d]["ratio"])
        == sorted(line, key=lambda d: found[d]["psnr"])
    )
    for design in line:
        better = [d for d in found if found[d].get("psnr", 0) > found[design]["psnr"]]
        assert all(found[d]["ratio"] > found[design]["ratio"] for d in better)
    assert max(found, key=lambda d: found[d].get("psnr", 0)) in line

    report = table("coarse", found, space.reference, 12, 3)
    rows = [
        line
        for line in report.splitlines()
        if line.startswith("| ") and line.split("|")[2].strip()[0].isdigit()
    ]
    assert len(rows) == len(found) and sum("made by hand" in row for row in rows) == 1
    assert (
        "it should be trained to the end" in report
    )  # a larger kernel was made to give two decibels
    assert "made by hand stays" in verdict({coarse.DESIGN: found[coarse.DESIGN]}, coarse.DESIGN)
    assert report.count("too slow") == sum("psnr" not in figures for figures in found.values())
    plot(found, space.reference, tmp_path / "front.png")
    picture = cv2.imread(str(tmp_path / "front.png"))
    assert picture is not None and min(picture.shape[:2]) > 300 and picture.std() > 10


def test_networks_are_timed_in_turn_on_the_inputs_of_their_contract(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "ROUNDS", 3)
    small = CoarseFusionModel(design=scaled(coarse.DESIGN, 0.6, 1.5, 3)).eval()
    mine, other = search.milliseconds(small, CONTRACTS["coarse"], CoarseFusionModel().eval())
    assert 0 < mine < 1000 and 0 < other < 1000
