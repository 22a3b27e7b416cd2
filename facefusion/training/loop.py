"""Trains any network: seeded, resumable, with a progress bar, a log and pictures."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm

from facefusion.training.averages import move_average
from facefusion.training.logs import append_row
from facefusion.training.rates import cosine_decay

Batch = dict[str, Tensor]
Net = TypeVar("Net", bound=nn.Module)


def to_input(crops: Tensor) -> Tensor:
    """Converts (N, S, S, 3) RGB uint8 to the networks' input, (N, 3, S, S) in [-1, 1]."""
    return ((crops.permute(0, 3, 1, 2).float() - 127.5) / 127.5).contiguous(
        memory_format=torch.channels_last
    )


class Task(Protocol[Net]):
    """Training of one network: its samples, loss, evaluation and picture."""

    name: str
    net: Net

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns one training sample, which depends on `rng` alone."""

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """Returns the loss and the figures for the log; `progress` runs from 0 to 1."""

    def evaluate(self, net: Net) -> dict[str, float]:
        """Returns figures on the val split."""

    def picture(self, net: Net) -> np.ndarray:
        """Returns an RGB uint8 picture of the results of `net` on val images."""


@dataclass(frozen=True)
class Schedule:
    """Length and rates of a training.

    AdamW with linear warm-up and cosine decay to 1 % of `rate`; weights are averaged exponentially.
    """

    steps: int
    batch: int = 16
    rate: float = 2e-3
    warmup: int = 200
    weight_decay: float = 1e-2
    ema: float = 0.998
    clip: float = 2.0
    seed: int = 0
    workers: int = 1
    threads: int = 1
    checkpoint_minutes: float = 3.0
    evaluate_every: int = 1000


class _Samples(Dataset[dict[str, np.ndarray]]):
    """Samples by number: sample i is drawn from the seed (seed, i).

    So it is the same for any number of workers and after a resume.
    """

    def __init__(self, task: Task[Any], seed: int) -> None:
        self.task, self.seed = task, seed

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self.task.sample(np.random.default_rng((self.seed, index)))


class _NumberRange(Sampler[int]):
    """The numbers of the samples from `first` to before `last`, in order."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last))

    def __len__(self) -> int:
        return self.last - self.first


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _batches(task: Task[Any], schedule: Schedule, first: int) -> DataLoader[Any]:
    """Returns the batches of all steps from `first` on."""
    return DataLoader(
        _Samples(task, schedule.seed),
        batch_size=schedule.batch,
        sampler=_NumberRange(first * schedule.batch, schedule.steps * schedule.batch),
        num_workers=schedule.workers,
        prefetch_factor=4 if schedule.workers else None,
        worker_init_fn=_start_worker,
        drop_last=True,
    )


class MovingAverage(Generic[Net]):
    """Exponential moving average of a network's parameters; its buffers are copied.

    Args:
        trained: the network whose values are averaged.
        averaged: a second instance of it, which takes the averages.
        decay: share of the average that a step keeps; less in the first steps.
    """

    def __init__(self, trained: Net, averaged: Net, decay: float) -> None:
        self.net, self.decay = averaged, decay
        self.net.load_state_dict(trained.state_dict())
        self.net.requires_grad_(False).eval()

    def update(self, trained: Net, step: int) -> None:
        """Takes over the values of `trained` after a step."""
        move_average(self.net, trained, 1 - min(self.decay, (1 + step) / (10 + step)))


def _optimizer(net: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """Makes the optimizer; biases and normalisations are not decayed."""
    trained = [p for p in net.parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for p in trained if p.ndim > 1],
            "weight_decay": schedule.weight_decay,
        },
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.rate)


def _rate_factor(schedule: Schedule, step: int) -> float:
    """Returns the share of `Schedule.rate` at a step."""
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    progress = (step - schedule.warmup) / max(schedule.steps - schedule.warmup, 1)
    return cosine_decay(progress)


class _Training(Generic[Net]):
    """State of a training: the network, its average, the optimizer and smoothed figures."""

    def __init__(self, task: Task[Net], schedule: Schedule, run: Path, averaged: Net) -> None:
        self.task, self.schedule, self.run = task, schedule, run
        self.net = task.net.to(memory_format=torch.channels_last)
        self.optimizer = _optimizer(self.net, schedule)
        self.average = MovingAverage(self.net, averaged, schedule.ema)
        self.figures: dict[str, float] = {}

    def restore(self) -> int:
        """Loads the checkpoint, if there is one, and returns the number of finished steps."""
        checkpoint = self.run / "checkpoint.pt"
        if not checkpoint.exists():
            return 0
        state = torch.load(checkpoint, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    def save(self, steps: int) -> None:
        """Writes the checkpoint and the picture after this number of steps."""
        state = {
            "net": self.net.state_dict(),
            "ema": self.average.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": steps,
        }
        unfinished = self.run / "checkpoint.tmp"
        torch.save(state, unfinished)
        os.replace(unfinished, self.run / "checkpoint.pt")
        picture = self.task.picture(self.average.net)
        cv2.imwrite(str(self.run / "state.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def step(self, batch: Batch, step: int) -> None:
        """Trains on one batch.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate * _rate_factor(self.schedule, step)
        self.net.train()
        # So the random numbers of a loss are the same after a resume.
        torch.manual_seed(self.schedule.seed * 1_000_003 + step)
        loss, figures = self.task.loss(batch, step / self.schedule.steps)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"{self.task.name}: the loss is not finite at step {step}; resume with a lower rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), self.schedule.clip)
        self.optimizer.step()
        self.average.update(self.net, step)
        for key, value in figures.items():
            self.figures[key] = 0.98 * self.figures.get(key, value) + 0.02 * value

    def evaluate(self, steps: int) -> dict[str, float]:
        """Evaluates the average after this number of steps, and writes a line of the log."""
        scores = self.task.evaluate(self.average.net)
        append_row(self.run / "log.csv", {"step": steps, **self.figures, **scores})
        return scores


def train(task: Task[Net], schedule: Schedule, run: Path, averaged: Net) -> Net:
    """Trains `task.net`, resuming from `run/checkpoint.pt` if that exists.

    Args:
        task: samples, loss and evaluation.
        schedule: length, rates, seed.
        run: git-ignored folder for the checkpoint, `log.csv` and `state.png`.
        averaged: a second instance of the network, for the moving average.

    Returns:
        The averaged network, in eval mode.
    """
    torch.manual_seed(schedule.seed)
    torch.set_num_threads(schedule.threads)
    run.mkdir(parents=True, exist_ok=True)
    training = _Training(task, schedule, run, averaged)
    first = training.restore()
    batches = _batches(task, schedule, first)
    bar = tqdm(batches, initial=first, total=schedule.steps, desc=task.name, mininterval=5)
    saved = time.monotonic()
    for step, batch in enumerate(bar, start=first):
        training.step(batch, step)
        if step % 20 == 0:
            bar.set_postfix({key: f"{value:.3f}" for key, value in training.figures.items()})
        is_last = step + 1 == schedule.steps
        if is_last or (step + 1) % schedule.evaluate_every == 0:
            scores = training.evaluate(step + 1)
            words = ", ".join(f"{key} {value:.4f}" for key, value in scores.items())
            bar.write(f"step {step + 1}: {words}")
        if is_last or time.monotonic() - saved > 60 * schedule.checkpoint_minutes:
            training.save(step + 1)
            saved = time.monotonic()
    return training.average.net
