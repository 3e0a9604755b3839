"""The network of ``rflow`` and the way from noise to an image along it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...randomness import generator as random_stream
from ...schema import CLASS_COUNT
from ..networks.painter import REACH, SKETCH_CHANNELS, Painter, corrected

#: Times of the flow that training knows.
TIMES = 1000
#: Most steps that a sample may take.
MOST_STEPS = 30
#: Spread of the corrections (log b0, ADC) that real images need: brings them to about that of the noise.
_SPREAD = (0.25, 0.35)
#: Brings the noise of b0 and DWI (0.01 to 0.1 of white matter) to about one.
_NOISE_SCALE = 20.0


@dataclass(frozen=True)
class FlowOptions:
    """What builds a flow's network; part of the model's config.

    Parameters
    ----------
    dimensions
        2 or 3.
    width
        Features of the first level; 2, 3 and 4 times as many at the others.
    steps
        Steps of a sample where the user does not say, 1 to 30.
    """

    dimensions: int = 2
    width: int = 16
    steps: int = 8

    @property
    def widths(self) -> tuple[int, ...]:
        """Features of each level; multiples of eight, for the norm's groups."""
        first = max(8, self.width // 8 * 8)
        return (first, 2 * first, 3 * first, 4 * first)


class Flow(Painter):
    """From noise to the correction of the sketch, on a straight line as far as it was learned.

    The velocity is given by MONAI's ``DiffusionModelUNet`` for the noisy correction, with map, sketch
    and the noise of the images as further channels; the way follows MONAI's ``RFlowScheduler``. The
    images that are learned hold grain and noise, so those are painted too.
    """

    paints_noise = True
    most_sampling_steps = MOST_STEPS

    def __init__(self, options: FlowOptions) -> None:
        super().__init__()
        from monai.networks.nets import DiffusionModelUNet

        self.options = options
        self.dimensions = options.dimensions
        self.sampling_steps: int = options.steps
        levels = len(options.widths)
        self.velocity = DiffusionModelUNet(
            spatial_dims=options.dimensions,
            in_channels=2 * SKETCH_CHANNELS + CLASS_COUNT + 2, out_channels=SKETCH_CHANNELS,
            channels=options.widths, num_res_blocks=1, attention_levels=(False,) * levels,
            norm_num_groups=8, num_head_channels=8,
        )  # fmt: skip
        self.register_buffer("spread", torch.tensor(_SPREAD), persistent=False)

    @property
    def multiple(self) -> tuple[int, ...]:
        """See :class:`..networks.painter.Painter`."""
        return (2 ** (len(self.options.widths) - 1),) * self.dimensions

    def config(self) -> dict[str, Any]:
        """See :class:`..networks.painter.Painter`."""
        return asdict(self.options)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Flow:
        """See :class:`..networks.painter.Painter`."""
        return cls(FlowOptions(**config))

    def randomness(self, seed: int, numbers: Sequence[int], shape: Sequence[int]) -> Tensor:
        """The noise that each slice begins with."""
        slices = np.stack([
            random_stream(seed, "flow", number).standard_normal((SKETCH_CHANNELS, *shape), dtype=np.float32)
            for number in numbers
        ])  # fmt: skip
        noise = torch.from_numpy(slices)
        return noise if self.dimensions == 2 else noise.permute(1, 2, 3, 0)[None]

    def scaled(self, correction: Tensor) -> Tensor:
        """A correction with about the spread of the noise."""
        return correction / self._spread_like(correction)

    def _spread_like(self, tensor: Tensor) -> Tensor:
        return self.spread.reshape(1, -1, *([1] * (tensor.ndim - 2)))  # type: ignore[operator]

    def conditions(self, onehot: Tensor, sketch: Tensor, noise: Tensor) -> Tensor:
        """Everything that the network knows of an image beside its noisy correction."""
        flat = (_NOISE_SCALE * noise).reshape(*noise.shape, *([1] * (sketch.ndim - 2)))
        return torch.cat([onehot, sketch, flat.expand(-1, -1, *sketch.shape[2:]).to(sketch.dtype)], 1)

    def velocity_at(self, state: Tensor, conditions: Tensor, times: Tensor) -> Tensor:
        """Direction of the flow at ``times`` (0 image to 1000 noise), in units of the whole way."""
        velocity: Tensor = self.velocity(x=torch.cat([state, conditions], 1), timesteps=times)
        return velocity

    def forward(
        self, onehot: Tensor, sketch: Tensor, random: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """See :class:`..networks.painter.Painter`; ``random`` is the noise to begin with."""
        return self.stepwise(onehot, sketch, random, noise, lambda: None)

    def stepwise(
        self, onehot: Tensor, sketch: Tensor, random: Tensor | None, noise: Tensor | None,
        step: Callable[[], None],
    ) -> Tensor:  # fmt: skip
        """See :class:`..networks.painter.Painter`."""
        from monai.networks.schedulers import RFlowScheduler

        if random is None or noise is None:
            raise ValueError("a flow begins with noise, and is told that of the images")
        scheduler = RFlowScheduler(num_train_timesteps=TIMES, use_discrete_timesteps=True)
        scheduler.set_timesteps(self.sampling_steps)
        times = [*scheduler.timesteps.tolist(), 0]
        conditions = self.conditions(onehot, sketch, noise)
        state = random.to(sketch.dtype)
        for now, then in pairwise(times):
            here = torch.full((len(state),), now, device=state.device)
            velocity = self.velocity_at(state, conditions, here).float()
            state, _ = scheduler.step(velocity, now, state, then)
            step()
        correction = (state * self._spread_like(state)).clamp(-REACH, REACH)
        return corrected(sketch, correction)
