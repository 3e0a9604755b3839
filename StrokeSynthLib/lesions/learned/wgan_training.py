"""Training of the Wasserstein GAN with gradient penalty (Gulrajani et al., 2017).

1. A batch of real crops and their conditions is drawn by (seed, step, critic step); the generator makes crops
   for the *same* conditions, so that the critic learns what fits them.
2. The critic takes several steps: real up, made down, its gradient between them near 1. Crops are never
   inverted: the lesion is positive in both.
3. The generator takes one step against the critic. Its weights are averaged exponentially.

Killed at any point, a training with ``resume`` goes on from ``OUT.resume`` and ends with the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ...device import choose_device
from ...errors import BadInputError, CancelledError
from ...progress import Progress, ProgressEvent
from ...randomness import generator as stream
from .crops import Piece
from .networks import Critic, Generator, WganOptions, gradient_penalty
from .options import LesionTrainingOptions
from .state import forget_state, load_state, save_state

Array = npt.NDArray[Any]

_SAVE_SECONDS = 60.0
#: Keeps the critic's values near zero (Karras et al., 2018).
_DRIFT = 1e-3
_HISTORY_EVERY = 100


def train_wgan(
    pieces: Sequence[Piece], out: Path, options: LesionTrainingOptions, mark: str, progress: Progress
) -> tuple[dict[str, Array], dict[str, Any], float]:
    """Train; returns the generator's averaged weights, facts for the record, and the minutes it took.

    Raises
    ------
    BadInputError
        When the training becomes unstable, or the state to resume is of another training.
    CancelledError
        When ``progress`` raises it; the state is kept.
    """
    threads = torch.get_num_threads()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        run = _Wgan(pieces, out, options, mark)
        try:
            run.learn(progress)
        except CancelledError:
            run.save()
            raise
        forget_state(out)
        return run.averaged(), run.facts(), run.seconds / 60.0
    finally:
        torch.set_num_threads(threads)


class _Wgan:
    """Both networks, their optimizers, and how far they are."""

    def __init__(self, pieces: Sequence[Piece], out: Path, options: LesionTrainingOptions, mark: str) -> None:
        self.options, self.out, self.mark = options, out, mark
        self.device = choose_device(options.device)
        self.crops = np.stack([c.crop for c in pieces])[:, None]
        self.conditions = np.stack([c.conditions for c in pieces])
        self.chances = _chances([c.volume_ml for c in pieces])
        torch.manual_seed(options.seed)
        networks = WganOptions()
        self.generator = Generator(networks).to(self.device.name)
        self.critic = Critic(networks).to(self.device.name)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=options.learning_rate, betas=(0.0, 0.9))
            for network in (self.generator, self.critic)
        ]
        self.average = {n: v.detach().clone() for n, v in self.generator.state_dict().items()}
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        if options.resume and (found := load_state(out, mark)) is not None:
            self._load(*found)
        elif not options.resume:
            forget_state(out)

    def learn(self, progress: Progress) -> None:
        """All steps that are left."""
        options = self.options
        clock, saved = time.monotonic() - self.seconds, time.monotonic()
        while self.step < options.steps:
            self.seconds = time.monotonic() - clock
            done = self.step / options.steps
            if options.minutes is not None:
                done = max(done, self.seconds / 60.0 / options.minutes)
            if done >= 1.0:
                break
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = options.learning_rate * min(1.0, 5.0 * (1.0 - done))
            values = self._one_step()
            self.step += 1
            if self.step % _HISTORY_EVERY == 0:
                self.history.append({"step": self.step, **{k: round(v, 5) for k, v in values.items()}})
            if time.monotonic() - saved > _SAVE_SECONDS:
                self.seconds = time.monotonic() - clock
                self.save()
                saved = time.monotonic()
            progress(ProgressEvent("Training", self.step, options.steps, values=values))
        self.seconds = time.monotonic() - clock

    def _one_step(self) -> dict[str, float]:
        values = {}
        for turn in range(self.options.critic_steps):
            values = self._critic_step(turn)
        _real, conditions, noise, _mix = self._batch(self.options.critic_steps)
        loss = -self.critic(self.generator(noise, conditions), conditions).mean()
        _descend(self.optimizers[0], loss)
        decay = min(self.options.averaging, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            for name, value in self.generator.state_dict().items():
                self.average[name].lerp_(value, 1.0 - decay)
        if not np.isfinite(values["distance"]) or not torch.isfinite(loss):
            raise BadInputError(
                f"Training became unstable at step {self.step} (the loss is not a number); "
                "train with another seed."
            )
        return values

    def _critic_step(self, turn: int) -> dict[str, float]:
        real, conditions, noise, mix = self._batch(turn)
        with torch.no_grad():
            made = self.generator(noise, conditions)
        of_real = self.critic(real, conditions)
        distance = of_real.mean() - self.critic(made, conditions).mean()
        penalty = gradient_penalty(self.critic, real, made, conditions, mix)
        loss = -distance + self.options.penalty * penalty + _DRIFT * (of_real**2).mean()
        _descend(self.optimizers[1], loss)
        return {"distance": float(distance.detach()), "penalty": float(penalty.detach())}

    def _batch(self, turn: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Real crops, their conditions, noise and mixing shares of one step, whenever it is made."""
        rng = stream(self.options.seed, "step", self.step, turn)
        rows = rng.choice(len(self.crops), self.options.batch, p=self.chances)
        noise = rng.standard_normal(
            (len(rows), self.generator.mapping.in_features - self.conditions.shape[1])
        )
        parts = (self.crops[rows], self.conditions[rows], noise, rng.random(len(rows)))
        real, conditions, drawn, mix = (
            torch.from_numpy(np.asarray(part, np.float32)).to(self.device.name) for part in parts
        )
        return real, conditions, drawn, mix

    def save(self) -> None:
        """Keep all that is needed to go on."""
        tensors: dict[str, Tensor] = {f"average/{n}": v for n, v in self.average.items()}
        networks: list[tuple[str, nn.Module]] = [("generator", self.generator), ("critic", self.critic)]
        for (name, network), optimizer in zip(networks, self.optimizers, strict=True):
            tensors |= {f"{name}/{n}": v for n, v in network.state_dict().items()}
            for number, entry in optimizer.state_dict()["state"].items():
                tensors |= {f"{name}-moments/{number}/{n}": v for n, v in entry.items()}
        arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        facts = {
            "fingerprint": self.mark,
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
        }
        save_state(self.out, arrays, facts)

    def _load(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        tensors = {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}

        def part(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}

        networks: list[tuple[str, nn.Module]] = [("generator", self.generator), ("critic", self.critic)]
        for (name, network), optimizer in zip(networks, self.optimizers, strict=True):
            network.load_state_dict(part(f"{name}/"))
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in part(f"{name}-moments/").items():
                number, moment = key.split("/")
                state.setdefault(int(number), {})[moment] = value
            optimizer.load_state_dict(
                {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
            )
        self.average = {n: v.to(self.device.name) for n, v in part("average/").items()}
        self.step, self.seconds, self.history = facts["step"], facts["seconds"], facts["history"]

    def averaged(self) -> dict[str, Array]:
        """The generator's averaged weights."""
        return {name: value.cpu().numpy() for name, value in self.average.items()}

    def facts(self) -> dict[str, Any]:
        """What the record keeps of the training."""
        counts = {
            name: sum(p.numel() for p in network.parameters())
            for name, network in (("generator", self.generator), ("critic", self.critic))
        }
        return {
            "steps": self.step, "networks": asdict(WganOptions()), "parameters": counts,
            "history": self.history, "torch": torch.__version__, "device": self.device.reason,
        }  # fmt: skip


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _chances(volumes: Sequence[float]) -> Array:
    """Chances of the pieces: large ones are rarer and have more to learn, so they come more often."""
    weights = np.clip(np.array(volumes), 0.1, 20.0) ** 0.4
    return np.asarray(weights / weights.sum())
