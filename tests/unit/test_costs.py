"""What networks cost to run and to train."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from facefusion.export.onnx import CONTRACTS
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.training.studies.costs import cost, images, resized, training_memory


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc"
)
def test_a_larger_side_costs_more_memory() -> None:
    torch.manual_seed(0)
    net = CoarseFusionModel().eval()
    contracts = [resized(CONTRACTS["coarse"], side) for side in (64, 256)]
    assert contracts[1].inputs["warped"] == (1, 3, 256, 256) and contracts[1].inputs[
        "identity"
    ] == (1, 128)
    small, large = (cost([(net, contract)]) for contract in contracts)
    assert small["ms"] > 0 and large["ms"] > 0 and large["mb"] > small["mb"] > 0


def test_what_training_keeps_grows_with_the_pixels() -> None:
    net = CoarseFusionModel()
    small, large = (training_memory(net, images(side)) for side in (64, 128))
    assert small > 1 and 3.5 < large / small < 4.5
