"""Trains on one batch: a plain function, or a CUDA graph that replays it without Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.training.averages import move_average
from facefusion.training.tensors.discriminators import Discriminators
from facefusion.training.tensors.objective import Objective
from facefusion.training.tensors.sampler import TensorSampler
from facefusion.training.tensors.stages import FusionStage

#: Standard deviation of the noise on each of an embedding's 128 numbers, which are about 0.09.
IDENTITY_NOISE: Final = 0.03
#: Largest norm of the gradients.
CLIP: Final = 20.0
#: Rate of the discriminators.
DISCRIMINATOR_RATE: Final = 3e-4
#: Batches that are run before a graph is captured.
WARM_UP: Final = 3


@dataclass
class State:
    """Everything that training changes.

    Attributes:
        stage: the networks.
        averaged: a second instance with their moving average.
        discriminators: both discriminators.
        optimizer, discriminator_optimizer: AdamW of each side, with the rate in a tensor.
        rate, keep, ramp: () tensors: the rate, the share of the average that a step keeps, and the
            share of the discriminators' losses that counts.
    """

    stage: FusionStage
    averaged: FusionStage
    discriminators: Discriminators
    optimizer: torch.optim.AdamW
    discriminator_optimizer: torch.optim.AdamW
    rate: Tensor
    keep: Tensor
    ramp: Tensor

    @classmethod
    def of(
        cls,
        stage: FusionStage,
        averaged: FusionStage,
        discriminators: Discriminators,
        rate: float,
        device: torch.device,
    ) -> State:
        """Moves the networks to the device, and makes their optimizers."""
        stage.to(device, memory_format=torch.channels_last)
        averaged.to(device, memory_format=torch.channels_last)
        averaged.load_state_dict(stage.state_dict())
        averaged.eval().requires_grad_(False)
        discriminators.to(device)
        trained = [p for p in stage.parameters() if p.requires_grad]
        rate_tensor = torch.tensor(rate, device=device)
        capturable = device.type == "cuda"
        optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in trained if p.ndim > 1], "weight_decay": 1e-3},
                {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=rate_tensor if capturable else rate,
            fused=True,
            capturable=capturable,
        )
        other = torch.optim.AdamW(
            discriminators.trained(),
            lr=DISCRIMINATOR_RATE,
            betas=(0.0, 0.99),
            weight_decay=1e-4,
            fused=True,
            capturable=capturable,
        )
        numbers = [torch.zeros((), device=device) for _ in range(2)]
        return cls(stage, averaged, discriminators, optimizer, other, rate_tensor, *numbers)

    def set(self, rate: float, keep: float, ramp: float) -> None:
        """Sets the numbers of the next steps."""
        self.rate.fill_(rate)
        self.keep.fill_(keep)
        self.ramp.fill_(ramp)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


class TrainingStep:
    """One step on a batch of a sampler.

    Args:
        sampler: draws the batches.
        batch: samples of a batch, an even number.
        state: what is trained.
        objective: the losses.
    """

    def __init__(
        self, sampler: TensorSampler, batch: int, state: State, objective: Objective
    ) -> None:
        self.sampler, self.batch, self.state, self.objective = sampler, batch, state, objective
        self.graph: Any = None
        self.names: list[str] = []
        self.figures = torch.zeros(0)

    def __call__(self) -> None:
        """Trains on a batch; `figures` holds its losses then, in the order of `names`."""
        if self.graph is not None:
            self.graph.replay()
        else:
            self.figures = self._run()

    def capture(self) -> None:
        """Records the step as a CUDA graph. The batches before it train as well."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.figures = self._run()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        self._clear()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.figures = self._run()
        self.graph = graph

    def _clear(self) -> None:
        self.state.optimizer.zero_grad(set_to_none=True)
        self.state.discriminator_optimizer.zero_grad(set_to_none=True)

    def _run(self) -> Tensor:
        state, objective = self.state, self.objective
        state.stage.train()
        batch = self.sampler(self.batch)
        noise = IDENTITY_NOISE * torch.randn_like(batch["identity"])
        answer = state.stage(batch, functional.normalize(batch["identity"] + noise))
        self._clear()
        state.discriminators.train().requires_grad_(True)
        with objective.networks.autocast():
            told = state.discriminators.losses(
                batch["truth"], answer["fused"].detach(), batch["face"]
            )
        (state.ramp * torch.stack(list(told.values())).sum()).backward()
        state.discriminator_optimizer.step()
        state.discriminators.requires_grad_(False)
        losses = objective.losses(batch, answer, state.discriminators)
        if state.stage.name == "joint":
            losses["agreement"] = answer["agreement"]
        total = objective.total(losses, state.ramp)
        total.backward()
        trained = [p for p in state.stage.parameters() if p.requires_grad]
        norm = nn.utils.clip_grad_norm_(trained, CLIP)
        # A batch with a loss that is not finite is left out.
        optimizer: Any = state.optimizer
        optimizer.found_inf = (~torch.isfinite(norm)).float()
        optimizer.grad_scale = None
        optimizer.step()
        move_average(state.averaged, state.stage, 1 - state.keep)
        figures = losses | {f"{name}_discriminator": loss for name, loss in told.items()}
        figures["norm"] = norm
        self.names = list(figures)
        return torch.stack([each.detach().float() for each in figures.values()])
