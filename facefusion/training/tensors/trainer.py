"""Trains the fusion networks on packed faces, by time, resumable at any kill."""

from __future__ import annotations

import csv
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import torch

from facefusion.training.rates import cosine_decay
from facefusion.training.tensors.discriminators import Discriminators
from facefusion.training.tensors.faces import PackedFaces
from facefusion.training.tensors.loss_networks import LossFiles, LossNetworks
from facefusion.training.tensors.objective import Objective, Weights
from facefusion.training.tensors.odds import DEFAULT_ODDS, Odds
from facefusion.training.tensors.sampler import TensorSampler
from facefusion.training.tensors.scenes import render_side
from facefusion.training.tensors.stages import FusionStage
from facefusion.training.tensors.step import State, TrainingStep
from facefusion.training.tensors.validation import Validation

#: Share of the training after which the discriminators count in full.
RAMP_END: Final = 0.04
#: Steps over which the rate rises.
WARM_UP: Final = 100
#: Share of the average that a late step keeps.
KEEP: Final = 0.9995
#: Side in pixels at which the discriminators see features.
FEATURE_SIDE: Final = 160


@dataclass(frozen=True)
class Settings:
    """Settings of a training.

    Attributes:
        stage: "coarse", "refine" or "joint".
        views: side of the samples and samples of a batch, one step of each in turn.
        seconds: length, which may be spread over several runs.
        rate: AdamW's rate at its highest.
        weights: weights of the losses.
        odds: probabilities in a sample.
        seed: of all random numbers.
        log_every: seconds between lines of the log.
        save_every: seconds between checkpoints and pictures.
        limit: number of faces of a split, for trials.
        graphs: whether steps are captured as CUDA graphs on a GPU.
    """

    stage: str
    views: tuple[tuple[int, int], ...]
    seconds: float
    rate: float
    weights: Weights = field(default_factory=Weights)
    odds: Odds = DEFAULT_ODDS
    seed: int = 0
    log_every: float = 20.0
    save_every: float = 150.0
    limit: int | None = None
    graphs: bool = True


@dataclass(frozen=True)
class Files:
    """Files of a training.

    Attributes:
        pack: packed faces.
        networks: frozen networks.
        start: folder of the networks to begin with.
        out: folder of the results.
        discriminators: state of discriminators to begin with, or None.
        checkpoint: file that a run resumes from and writes.
    """

    pack: Path
    networks: LossFiles
    start: Path
    out: Path
    discriminators: Path | None
    checkpoint: Path


class Training:
    """A training of the fusion networks."""

    def __init__(self, settings: Settings, files: Files, device: torch.device) -> None:
        self.settings, self.files, self.device = settings, files, device
        torch.manual_seed(settings.seed)
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
        files.out.mkdir(parents=True, exist_ok=True)
        sides = sorted({render_side(view) for view, _ in settings.views})
        self.train, self.val = (
            PackedFaces.load(files.pack, split, device, sides, limit=settings.limit)
            for split in ("train", "val")
        )
        self.networks = LossNetworks(files.networks, device)
        people = self.networks.embed_faces(self.train)
        self.validation = Validation(self.val, self.networks, settings.views[0][0], settings.odds)
        objective = Objective(self.networks, people, settings.weights)
        stage, averaged = (FusionStage(settings.stage) for _ in range(2))
        stage.load(files.start)
        discriminators = Discriminators(self.networks.lite0, FEATURE_SIDE)
        if files.discriminators is not None:
            discriminators.load_state_dict(
                torch.load(files.discriminators, map_location="cpu", weights_only=True)
            )
        self.state = State.of(stage, averaged, discriminators, settings.rate, device)
        self.steps = [
            TrainingStep(
                TensorSampler(self.train, view, settings.odds), batch, self.state, objective
            )
            for view, batch in settings.views
        ]
        self.graphs = settings.graphs and device.type == "cuda"
        self.step, self.spent = 0, 0.0

    def run(self, seconds: float) -> None:
        """Trains until `seconds` have passed or the training's length is reached."""
        self.resume()
        self._log(
            {"step": self.step, "spent": self.spent} | self.validation.figures(self.state.averaged)
        )
        started = logged = saved = time.monotonic()
        before = self.spent
        while time.monotonic() - started < seconds and self.spent < self.settings.seconds:
            self._set_numbers()
            step = self.steps[self.step % len(self.steps)]
            if self.graphs and step.graph is None:
                _capture(step)
            step()
            self.step += 1
            if self.device.type == "cuda" and self.step % 10 == 0:
                torch.cuda.synchronize()
            self.spent = before + time.monotonic() - started
            if time.monotonic() - logged > self.settings.log_every:
                logged = time.monotonic()
                self._print(step)
            if time.monotonic() - saved > self.settings.save_every:
                saved = time.monotonic()
                self.save()
        self.save()

    def _set_numbers(self) -> None:
        progress = min(self.spent / self.settings.seconds, 1.0)
        rate = self.settings.rate * cosine_decay(progress) * min(1.0, (self.step + 1) / WARM_UP)
        keep = min(KEEP, (self.step + 1) / (self.step + 10))
        ramp = 1.0 if self.files.discriminators is not None else min(1.0, progress / RAMP_END)
        self.state.set(rate, keep, ramp)

    def _print(self, step: TrainingStep) -> None:
        figures = dict(zip(step.names, step.figures.tolist(), strict=True))
        words = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
        print(f"{self.spent:.0f} s, step {self.step}: {words}", flush=True)

    def _log(self, row: dict[str, float]) -> None:
        """Prints a row of figures and adds it to `log.csv`."""
        print(" ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
        path = self.files.out / "log.csv"
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            if is_new:
                writer.writerow(row)
            writer.writerow(row.values())

    def resume(self) -> None:
        """Loads the checkpoint, if there is one."""
        if not self.files.checkpoint.exists():
            return
        saved = torch.load(self.files.checkpoint, map_location=self.device, weights_only=True)
        for name in ("stage", "averaged", "discriminators", "optimizer", "discriminator_optimizer"):
            getattr(self.state, name).load_state_dict(saved[name])
        self.step, self.spent = saved["step"], saved["spent"]
        torch.manual_seed(self.settings.seed * 1_000_003 + self.step)

    def save(self) -> None:
        """Writes checkpoint, networks, discriminators, a picture and a row of the log."""
        state = self.state
        names = ("stage", "averaged", "discriminators", "optimizer", "discriminator_optimizer")
        saved: dict[str, Any] = {name: getattr(state, name).state_dict() for name in names}
        saved |= {"step": self.step, "spent": self.spent}
        unfinished = self.files.checkpoint.with_suffix(".tmp")
        torch.save(saved, unfinished)
        os.replace(unfinished, self.files.checkpoint)
        state.averaged.save(self.files.out)
        torch.save(
            {
                name: value.half() if value.is_floating_point() else value
                for name, value in state.discriminators.state_dict().items()
            },
            self.files.out / "discriminators.pt",
        )
        picture = self.validation.picture(self.state.averaged)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 92]
        cv2.imwrite(str(self.files.out / "state.jpg"), picture[..., ::-1], quality)
        self._log(
            {"step": self.step, "spent": self.spent} | self.validation.figures(self.state.averaged)
        )


def _capture(step: TrainingStep) -> None:
    """Captures a step as a CUDA graph."""
    started = time.monotonic()
    step.capture()
    print(f"captured in {time.monotonic() - started:.0f} s", flush=True)
