"""Trains the fusion networks on packed faces, by time or steps, resumable at any kill."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import cv2
import torch

from facefusion.training.logs import append_row
from facefusion.training.rates import cosine_decay
from facefusion.training.tensors.discriminators import Discriminators
from facefusion.training.tensors.faces import PackedFaces
from facefusion.training.tensors.figures import FEATURE_SIDE
from facefusion.training.tensors.loss_networks import LossFiles, LossNetworks
from facefusion.training.tensors.objective import Objective, Weights
from facefusion.training.tensors.odds import DEFAULT_ODDS, Odds
from facefusion.training.tensors.sampler import TensorSampler
from facefusion.training.tensors.scenes import render_side
from facefusion.training.tensors.stages import SHIPPED, FusionStage, Nets
from facefusion.training.tensors.step import State, TrainingStep
from facefusion.training.tensors.validation import Validation

#: Share of the training after which the discriminators count in full.
RAMP_END: Final = 0.04
#: Steps over which the rate rises.
WARM_UP: Final = 100
#: Share of the average that a late step keeps.
KEEP: Final = 0.9995
#: What a checkpoint holds of `State`.
SAVED: Final = (
    "stage",
    "averaged",
    "discriminators",
    "optimizer",
    "discriminator_optimizer",
)


@dataclass(frozen=True)
class Settings:
    """Settings of a training.

    Attributes:
        stage: "coarse", "refine" or "joint".
        views: side of the samples and samples of a batch, one step of each in turn.
        rate: AdamW's rate at its highest.
        seconds, steps: length, which may be spread over several runs: the first that is reached.
            Figures and pictures do not count as time.
        nets: the networks' designs.
        weights: weights of the losses.
        odds: probabilities in a sample.
        seed: of all random numbers.
        log_every: seconds between lines of the log.
        save_every: seconds between checkpoints and pictures.
        graphs: whether steps are captured as CUDA graphs on a GPU.
    """

    stage: str
    views: tuple[tuple[int, int], ...]
    rate: float
    seconds: float = math.inf
    steps: float = math.inf
    nets: Nets = SHIPPED
    weights: Weights = field(default_factory=Weights)
    odds: Odds = DEFAULT_ODDS
    seed: int = 0
    log_every: float = 20.0
    save_every: float = 150.0
    graphs: bool = True

    def progress(self, seconds: float, steps: int) -> float:
        """Returns how much of the training is done, from 0 to 1."""
        return min(max(seconds / self.seconds, steps / self.steps), 1.0)


@dataclass(frozen=True)
class Files:
    """Files of a training.

    Attributes:
        start: folder of the networks to begin with.
        out: folder of the results.
        discriminators: state of discriminators to begin with, or None.
        checkpoint: file that a run resumes from and writes, by default in `out`.
        new: whether the stage's networks begin with random weights.
    """

    start: Path
    out: Path
    discriminators: Path | None = None
    checkpoint: Path | None = None
    new: bool = False


@dataclass(frozen=True)
class Material:
    """What trainings share: faces and frozen networks, on one device.

    Attributes:
        train, val: faces of both splits.
        networks: frozen networks.
        people: embeddings of the training faces by each judge.
        device: where all of it is.
    """

    train: PackedFaces
    val: PackedFaces
    networks: LossNetworks
    people: list[torch.Tensor]
    device: torch.device

    @classmethod
    def load(
        cls,
        pack: Path,
        networks: LossFiles,
        views: Iterable[int],
        device: torch.device,
        limit: int | None = None,
    ) -> Self:
        """Loads packed faces for samples of these sides, at most `limit` of a split."""
        sides = sorted({render_side(view) for view in views})
        train, val = (
            PackedFaces.load(pack, split, device, sides, limit=limit) for split in ("train", "val")
        )
        frozen = LossNetworks(networks, device)
        return cls(train, val, frozen, frozen.embed_faces(train), device)


class Training:
    """A training of the fusion networks."""

    def __init__(self, settings: Settings, files: Files, material: Material) -> None:
        self.settings, self.files, self.device = settings, files, material.device
        self.checkpoint = files.checkpoint or files.out / "checkpoint.pt"
        torch.manual_seed(settings.seed)
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
        files.out.mkdir(parents=True, exist_ok=True)
        networks, views = material.networks, settings.views
        self.validation = Validation(material.val, networks, views[0][0], settings.odds)
        objective = Objective(networks, material.people, settings.weights)
        stage, averaged = (FusionStage(settings.stage, settings.nets) for _ in range(2))
        if not self.checkpoint.exists():
            stage.load(files.start, new=files.new)
        lite0 = networks.lite0 if settings.weights.projected else None
        discriminators = Discriminators(lite0, FEATURE_SIDE)
        if files.discriminators is not None:
            discriminators.load_state_dict(
                torch.load(files.discriminators, map_location="cpu", weights_only=True)
            )
        self.state = State.of(stage, averaged, discriminators, settings.rate, self.device)
        self.steps = [
            TrainingStep(
                TensorSampler(material.train, view, settings.odds), batch, self.state, objective
            )
            for view, batch in views
        ]
        self.graphs = settings.graphs and self.device.type == "cuda"
        self.step, self.spent = 0, 0.0

    def run(self, seconds: float = math.inf) -> None:
        """Trains until `seconds` have passed, all included, or the training's length is reached."""
        self.resume()
        if self._progress() == 1:
            return
        if self.step == 0:
            self._log_figures()
        started = logged = saved = before = time.monotonic()
        while time.monotonic() - started < seconds and self._progress() < 1:
            self._set_numbers()
            step = self.steps[self.step % len(self.steps)]
            if self.graphs and step.graph is None:
                _capture(step)
            step()
            self.step += 1
            if self.device.type == "cuda" and self.step % 10 == 0:
                torch.cuda.synchronize()
            now = time.monotonic()
            self.spent += now - before
            if now - logged > self.settings.log_every:
                logged = now
                self._print(step)
            if now - saved > self.settings.save_every:
                self.save()
                saved = time.monotonic()
            before = time.monotonic()
        self.save()

    def _progress(self) -> float:
        return self.settings.progress(self.spent, self.step)

    def _set_numbers(self) -> None:
        progress = self._progress()
        rate = self.settings.rate * cosine_decay(progress) * min(1.0, (self.step + 1) / WARM_UP)
        keep = min(KEEP, (self.step + 1) / (self.step + 10))
        ramp = 1.0 if self.files.discriminators is not None else min(1.0, progress / RAMP_END)
        self.state.set(rate, keep, ramp)

    def _print(self, step: TrainingStep) -> None:
        figures = dict(zip(step.names, step.figures.tolist(), strict=True))
        words = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
        print(f"{self.spent:.0f} s, step {self.step}: {words}", flush=True)

    def _log_figures(self) -> None:
        """Prints the figures and adds them to `log.csv`."""
        row: dict[str, float] = {"step": self.step, "spent": self.spent}
        row |= self.validation.figures(self.state.averaged)
        print(" ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
        append_row(self.files.out / "log.csv", row)

    def resume(self) -> None:
        """Loads the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        for name in SAVED:
            getattr(self.state, name).load_state_dict(saved[name])
        self.step, self.spent = saved["step"], saved["spent"]
        random = saved["random"].cpu()
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(random)
        else:
            torch.set_rng_state(random)

    def save(self) -> None:
        """Writes networks, discriminators, a picture, a row of the log and then the checkpoint."""
        state = self.state
        state.averaged.save(self.files.out)
        torch.save(
            {
                name: value.half() if value.is_floating_point() else value
                for name, value in state.discriminators.state_dict().items()
            },
            self.files.out / "discriminators.pt",
        )
        picture = self.validation.picture(state.averaged)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 92]
        cv2.imwrite(str(self.files.out / "state.jpg"), picture[..., ::-1], quality)
        self._log_figures()
        saved: dict[str, Any] = {name: getattr(state, name).state_dict() for name in SAVED}
        cuda = self.device.type == "cuda"
        random = torch.cuda.get_rng_state() if cuda else torch.get_rng_state()
        saved |= {"step": self.step, "spent": self.spent, "random": random}
        unfinished = self.checkpoint.with_suffix(".tmp")
        torch.save(saved, unfinished)
        os.replace(unfinished, self.checkpoint)


def _capture(step: TrainingStep) -> None:
    """Captures a step as a CUDA graph."""
    started = time.monotonic()
    step.capture()
    print(f"captured in {time.monotonic() - started:.0f} s", flush=True)
