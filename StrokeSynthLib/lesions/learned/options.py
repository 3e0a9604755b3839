"""How lesion models are trained. Free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...errors import BadInputError


@dataclass(frozen=True)
class LesionTrainingOptions:
    """How a lesion model is trained.

    Parameters
    ----------
    seed
        Of weights, batches and noise.
    steps
        Steps of the generator (the GAN); the shape model is computed at once.
    minutes
        Stop after this wall-clock time. Results then depend on the machine's speed.
    threads
        CPU threads; all when None.
    resume
        Go on from the state beside the model folder.
    device
        "auto", "cpu" or "cuda".
    batch
        Pieces in a step.
    critic_steps
        Steps of the critic for each of the generator.
    penalty
        Weight of the gradient penalty.
    learning_rate
        Of both networks (Adam, betas 0 and 0.9); the last fifth of the training brings it to zero.
    averaging
        Decay of the exponential moving average of the generator's weights, which is what is kept.
    modes
        Modes that the shape model keeps.
    """

    seed: int = 0
    steps: int = 5000
    minutes: float | None = None
    threads: int | None = None
    resume: bool = False
    device: str = "auto"
    batch: int = 16
    critic_steps: int = 5
    penalty: float = 10.0
    learning_rate: float = 3e-4
    averaging: float = 0.995
    modes: int = 64

    def __post_init__(self) -> None:
        """Check, with the offending value in the message."""
        for name in ("steps", "batch", "critic_steps", "modes"):
            if getattr(self, name) < 1:
                raise BadInputError(f"{name} {getattr(self, name)}: must be at least 1.")

    def record(self) -> dict[str, Any]:
        """What goes into the model's record: not how or when it was run."""
        left_out = ("resume", "threads", "device")
        return {name: value for name, value in asdict(self).items() if name not in left_out}
