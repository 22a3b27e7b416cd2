"""Trains any network: seeded, resumable, with a progress bar, a log and pictures."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm

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


@runtime_checkable
class Stateful(Protocol):
    """A task with further state, to be saved in checkpoints."""

    def state(self) -> dict[str, Any]:
        """Returns the state to save."""

    def restore(self, state: dict[str, Any]) -> None:
        """Restores a saved state."""


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


class _From(Sampler[int]):
    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last))

    def __len__(self) -> int:
        return self.last - self.first


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


class Ema(Generic[Net]):
    """Exponential moving average of a network's parameters; its buffers are copied."""

    def __init__(self, net: Net, make: Net, decay: float) -> None:
        self.net, self.decay = make, decay
        self.net.load_state_dict(net.state_dict())
        self.net.requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, net: Net, step: int) -> None:
        keep = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(
            self.net.state_dict().values(), net.state_dict().values(), strict=True
        ):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - keep)
            else:
                mine.copy_(theirs)


def _rate(schedule: Schedule, step: int) -> float:
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / max(schedule.steps - schedule.warmup, 1)
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(done, 1.0))))


def _append(path: Path, row: dict[str, Any]) -> None:
    """Adds a row to a CSV log whose columns may grow from row to row."""
    old: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="") as handle:
            old = list(csv.DictReader(handle))
    columns = list(dict.fromkeys([key for line in [*old, row] for key in line]))
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns, restval="")
        writer.writeheader()
        writer.writerows([*old, row])


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
    net = task.net.to(memory_format=torch.channels_last)
    decay = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in net.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": decay, "weight_decay": schedule.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=schedule.rate)
    ema = Ema(net, averaged, schedule.ema)
    first = 0
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        ema.net.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        if isinstance(task, Stateful):
            task.restore(state["task"])
        first = int(state["step"])

    def save(step: int) -> None:
        state = {
            "net": net.state_dict(),
            "ema": ema.net.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
        }
        if isinstance(task, Stateful):
            state["task"] = task.state()
        torch.save(state, checkpoint.with_suffix(".tmp"))
        os.replace(checkpoint.with_suffix(".tmp"), checkpoint)
        cv2.imwrite(str(run / "state.png"), cv2.cvtColor(task.picture(ema.net), cv2.COLOR_RGB2BGR))

    loader = DataLoader(
        _Samples(task, schedule.seed),
        batch_size=schedule.batch,
        sampler=_From(first * schedule.batch, schedule.steps * schedule.batch),
        num_workers=schedule.workers,
        prefetch_factor=4 if schedule.workers else None,
        worker_init_fn=_start_worker,
        drop_last=True,
    )
    saved = time.monotonic()
    running: dict[str, float] = {}
    bar = tqdm(loader, initial=first, total=schedule.steps, desc=task.name, mininterval=5)
    for step, batch in enumerate(bar, start=first):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * _rate(schedule, step)
        net.train()
        torch.manual_seed(
            schedule.seed * 1_000_003 + step
        )  # random numbers of a loss are the same after a resume
        loss, figures = task.loss(batch, step / schedule.steps)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"{task.name}: the loss is not finite at step {step}; resume with a lower rate"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), schedule.clip)
        optimizer.step()
        ema.update(net, step)
        for key, value in figures.items():
            running[key] = 0.98 * running.get(key, value) + 0.02 * value
        if step % 20 == 0:
            bar.set_postfix({key: f"{value:.3f}" for key, value in running.items()})
        last = step + 1 == schedule.steps
        if last or (step + 1) % schedule.evaluate_every == 0:
            scores = task.evaluate(ema.net)
            _append(run / "log.csv", {"step": step + 1, **running, **scores})
            bar.write(
                f"step {step + 1}: "
                + ", ".join(f"{key} {value:.4f}" for key, value in scores.items())
            )
        if last or time.monotonic() - saved > 60 * schedule.checkpoint_minutes:
            save(step + 1)
            saved = time.monotonic()
    return ema.net
