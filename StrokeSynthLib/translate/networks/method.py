"""How a kind of translator trains: its networks, what one step does to them, what its card says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...device import Device
from ...progress import Progress
from ...segment.checkpoint import flatten, load_optimizer, optimizer_tensors, pick
from ..options import TranslatorOptions
from .dataset import Material, Stack, draw_batch, make_stacks
from .painter import Painter

_EMA = 0.998


class Method(ABC):
    """Everything that changes while a painter is trained.

    The painter is what is trained; its average over the last steps is what is kept.

    Parameters
    ----------
    options
        Of the training.
    device
        Where.
    """

    kind: ClassVar[str]
    #: Of the optimizers; the paper's for adversarial networks.
    rate: ClassVar[float] = 2e-4
    betas: ClassVar[tuple[float, float]] = (0.5, 0.999)
    #: Training steps and items a step, by dimensions, where the user does not say.
    steps: ClassVar[Mapping[int, int]] = {2: 1500, 3: 600}
    batch: ClassVar[Mapping[int, int]] = {2: 4, 3: 1}
    #: Lines of the model's card.
    architecture: ClassVar[str]
    losses: ClassVar[str]
    failures: ClassVar[str]

    def __init__(self, options: TranslatorOptions, device: Device) -> None:
        self.painter = self.new_painter(options).to(device.name)
        self.average = deepcopy(self.painter).requires_grad_(False).eval()
        self.device = device
        #: Whole steps so far, the seconds that they took, and whether none is under way.
        self.done, self.seconds, self.whole = 0, 0.0, True

    @classmethod
    @abstractmethod
    def new_painter(cls, options: TranslatorOptions) -> Painter:
        """An untrained painter; its weights follow torch's current seed."""

    @classmethod
    def stacks(cls, material: Material, options: TranslatorOptions, progress: Progress) -> list[Stack]:
        """Training cases in their frames; the first has the frame's in-plane size."""
        return make_stacks(material, progress)

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """All networks beside the painter and its average, by name."""

    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """All optimizers by name."""

    @abstractmethod
    def train_step(self, batch: Any, used: float) -> dict[str, Tensor]:
        """One step on what :meth:`draw` drew; ``used`` is the share of the training that is over."""

    def draw(self, stacks: Sequence[Stack], size: int, depth: int, rng: np.random.Generator) -> Any:
        """Examples of one step; anything with a method ``to``."""
        return draw_batch(stacks, size, depth, rng)

    def facts(self) -> dict[str, Any]:
        """Settings of the training, for the model's record."""
        return {"learning_rate": self.rate, "betas": list(self.betas)}

    def extra(self) -> dict[str, Tensor]:
        """State beside networks and optimizers."""
        return {}

    def load_extra(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`extra` gave."""
        assert not tensors, "state that nobody takes back"

    def finished(self) -> Painter:
        """What is kept when the training is over."""
        return self.average

    def adam(self, network: nn.Module) -> torch.optim.Adam:
        """The optimizer of a network."""
        return torch.optim.Adam(network.parameters(), self.rate, self.betas)

    def step(self, batch: Any, used: float) -> dict[str, Tensor]:
        """One step, and the average follows."""
        rate = self.rate * min(1.0, 2.0 * (1.0 - used))  # constant, then to zero over the second half
        for optimizer in self.optimizers().values():
            for group in optimizer.param_groups:
                group["lr"] = rate
        self.whole = False
        losses = self.train_step(batch, used)
        self._follow(min(_EMA, (1.0 + self.done) / (10.0 + self.done)))
        self.done += 1
        self.whole = True
        return {name: loss.detach() for name, loss in losses.items()}

    def _follow(self, decay: float) -> None:
        with torch.no_grad():
            for old, new in zip(self.average.parameters(), self.painter.parameters(), strict=True):
                old.lerp_(new, 1.0 - decay)
            # Buffers (of spectral norm) belong to the weights that they were computed with.
            for kept, current in zip(self.average.buffers(), self.painter.buffers(), strict=True):
                kept.copy_(current)

    def tensors(self) -> dict[str, Tensor]:
        """All state by name."""
        state = flatten("extra", self.extra())
        for name, network in self._all().items():
            state |= flatten(name, network.state_dict())
        for name, optimizer in self.optimizers().items():
            state |= flatten(f"steps of {name}", optimizer_tensors(optimizer))
        return state

    def load(self, tensors: dict[str, Tensor], done: int) -> None:
        """Put back what :meth:`tensors` gave after ``done`` steps."""
        self.done = done
        for name, network in self._all().items():
            network.load_state_dict(pick(name, tensors))
        for name, optimizer in self.optimizers().items():
            load_optimizer(optimizer, pick(f"steps of {name}", tensors))
        self.load_extra(pick("extra", tensors))

    def _all(self) -> dict[str, nn.Module]:
        return {"painter": self.painter, "average": self.average, **self.networks()}


def stepped(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient of ``loss``."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
