"""What a training has come to, in memory and on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import checkpoint
from .losses import Average
from .network import load_weights, weights_of
from .options import TrainingOptions

#: Share of a training after which validations are compared.
_LATER = 0.5
#: What is saved beside the tensors.
_FACTS = ("best_dice", "best_step", "step", "seconds", "history", "losses")


@dataclass
class TrainingState:
    """What a training has come to; with the batches' seeds it is all that resuming needs."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    best: dict[str, Tensor]
    best_dice: float = -1.0
    best_step: int = 0
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    #: Of the steps since the last validation.
    losses: list[float] = field(default_factory=list)

    def settled(self, options: TrainingOptions) -> bool:
        """Whether a validation of the training's later half is there to be compared with.

        Until then the latest weights are the best: with few validation cases an unfinished network is now
        and then ahead by chance, and floods other cases with false positives.
        """
        shares = [entry["step"] / options.total_steps for entry in self.history]
        if options.minutes is not None:
            shares += [entry["seconds"] / 60 / options.minutes for entry in self.history]
        return max(shares, default=0.0) >= _LATER

    def save(self, out: Path, mark: str) -> None:
        """Write it beside ``out``, with the fingerprint of its training."""
        tensors = {
            **checkpoint.flatten("network", weights_of(self.network)),
            **checkpoint.flatten("optimizer", checkpoint.optimizer_tensors(self.optimizer)),
            **checkpoint.flatten("average", self.average.weights),
            **checkpoint.flatten("best", self.best),
        }
        facts = {name: getattr(self, name) for name in _FACTS}
        checkpoint.save_state(out, tensors, {**facts, "fingerprint": mark})

    def load(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Take up what was saved."""
        load_weights(self.network, checkpoint.pick("network", tensors))
        checkpoint.load_optimizer(self.optimizer, checkpoint.pick("optimizer", tensors))
        self.average.weights = checkpoint.pick("average", tensors)
        self.best = checkpoint.pick("best", tensors)
        for name in _FACTS:
            setattr(self, name, facts[name])
