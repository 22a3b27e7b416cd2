"""The refine network through torch: the same answer, and the CPU's where the GPU has none. Here
torch runs on the CPU.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import app
from facefusion import FusionPipeline
from facefusion.engines import gpu
from facefusion.engines.sessions import Feeds, make_session
from facefusion.nets.refine import EnhancementNet
from facefusion.pipeline import loading
from facefusion.types import FloatArray


def open_pipeline(device: str = "cpu") -> FusionPipeline:
    """A pipeline in 32 bits, as torch computes."""
    return FusionPipeline.from_pretrained(engine="onnxruntime", device=device)


@pytest.fixture
def on_torch() -> FusionPipeline:
    """A pipeline whose refine network runs in torch, on the CPU."""
    return open_pipeline("cpu:0")


def test_safetensors_are_read(tmp_path: Path) -> None:
    ours, theirs = gpu.read_safetensors(gpu.CHECKPOINT), load_file(gpu.CHECKPOINT)
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    save_file(
        {"half": torch.tensor([1.5, 2]).half(), "none": torch.zeros(0)}, tmp_path / "t", {"a": "b"}
    )
    assert gpu.read_safetensors(tmp_path / "t")["half"].tolist() == [1.5, 2]


def test_both_give_the_same_picture(
    on_torch: FusionPipeline, guest: np.ndarray, group: np.ndarray
) -> None:
    assert isinstance(on_torch.networks.refine.network, gpu.GpuNetwork)
    large = np.repeat(np.repeat(guest, 2, 0), 2, 1)
    ours, theirs = (pipe(group, large, tier="best") for pipe in (on_torch, open_pipeline()))
    assert np.abs(ours.image.astype(int) - theirs.image).max() <= 2
    assert (
        np.abs(theirs.image.astype(int) - theirs.coarse).max() > 10
    )  # there was something to refine


def test_zero_gpu_is_asked_and_the_cpu_answers_where_it_has_none(
    monkeypatch: pytest.MonkeyPatch,
    guest: np.ndarray,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[float] = []

    def decorate(task: Callable[..., Any], duration: float) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            asked.append(duration)
            if len(asked) > 1:
                raise RuntimeError("quota of someone@example.org")
            return task(*args)

        return run

    caplog.set_level(logging.WARNING, "facefusion")
    monkeypatch.setattr(gpu, "spaces", SimpleNamespace(GPU=decorate))
    pipeline = open_pipeline("cpu:0")
    large = np.repeat(np.repeat(guest, 2, 0), 2, 1)
    first, second = (pipeline(guest, large, tier="best").image for _ in range(2))
    assert asked == [gpu.DURATION] * 2
    difference = np.abs(first.astype(int) - second)  # two engines: 3 levels at single pixels
    assert difference.max() <= 4 and difference.mean() < 0.05
    assert [record.getMessage() for record in caplog.records] == [
        "No GPU for this fusion: RuntimeError"
    ]


class TorchNetwork:
    """A refine network that torch runs."""

    def __init__(self, net: EnhancementNet) -> None:
        self.net = net.eval()

    def run(self, outputs: list[str], feeds: Feeds, /) -> list[FloatArray]:
        with torch.inference_mode():
            answers = self.net(**{name: torch.from_numpy(values) for name, values in feeds.items()})
        return [answer.numpy() for answer in answers]


def test_another_network_does_not_take_its_place(tmp_path: Path) -> None:
    cpu = make_session(gpu.REFERENCE)
    gpu.GpuNetwork(cpu, device="cpu")
    net = EnhancementNet()
    torch.nn.init.normal_(net.head[0].weight)
    save_file(net.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors is not the network of refine\.onnx"):
        gpu.GpuNetwork(cpu, tmp_path / "other.safetensors", device="cpu")
    with pytest.raises(FileNotFoundError):
        gpu.GpuNetwork(cpu, tmp_path / "none.safetensors", device="cpu")
    served = gpu.read_safetensors(gpu.CHECKPOINT)
    served["head.0.bias"] += (
        2  # as it would be after another training, whose weights came from the Hub
    )
    net.load_state_dict(served)
    with pytest.raises(ValueError, match="another network serves"):
        gpu.GpuNetwork(TorchNetwork(net), device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_cuda_the_cpu_serves(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "facefusion")
    pipeline = open_pipeline("cuda")
    assert not isinstance(pipeline.networks.refine.network, gpu.GpuNetwork)
    assert caplog.messages[0].startswith("The refine network stays on the CPU: ")


class Stopped(Exception):
    """Raised instead of serving the page."""


def _stop(*_: object, **__: object) -> None:
    raise Stopped


@pytest.mark.parametrize(
    ("variables", "device"),
    [({}, "cpu"), ({"SPACES_ZERO_GPU": "true"}, "cuda"), ({"FACEFUSION_DEVICE": "cuda"}, "cuda")],
)
def test_the_page_runs_it_where_it_is_asked_to(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], device: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    devices: list[str] = []
    open_networks = loading.open_networks

    def spy(*weights: Any, **options: Any) -> loading.Opened:
        devices.append(weights[2].device)
        return open_networks(*weights[:2], **options)

    monkeypatch.setattr("facefusion.pipeline.pipeline.open_networks", spy)
    monkeypatch.setattr(app, "launch", _stop)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    monkeypatch.setattr(app.os, "umask", lambda _: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # `main` sets it; here it is put back
    monkeypatch.setattr(sys, "argv", ["app.py"])
    with pytest.raises(Stopped):
        app.main()
    assert devices == [device]


def test_the_page_is_served_without_torch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "facefusion")
    monkeypatch.setenv("FACEFUSION_DEVICE", "cuda")
    monkeypatch.setitem(sys.modules, "facefusion.engines.gpu", None)
    monkeypatch.delattr("facefusion.engines.gpu")
    monkeypatch.setattr(app, "launch", _stop)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    monkeypatch.setattr(app.os, "umask", lambda _: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # `main` sets it; here it is put back
    monkeypatch.setattr(sys, "argv", ["app.py"])
    with pytest.raises(Stopped):
        app.main()
    assert "The refine network stays on the CPU: torch is not installed." in caplog.messages
