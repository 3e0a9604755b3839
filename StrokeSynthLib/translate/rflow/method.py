"""Training of ``rflow``: match the velocity from noise to image, lesion voxels weighted more."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.schedulers import RFlowScheduler
from torch import Tensor, nn

from ...device import Device
from ..networks.dataset import Batch
from ..networks.losses import voxel_weights
from ..networks.method import Method, stepped
from ..networks.painter import correction_between
from ..options import TranslatorOptions
from .flow import TIMES, Flow, FlowOptions


class RectifiedFlow(Method):
    """See :class:`..networks.method.Method`."""

    kind = "rflow"
    rate, betas = 1e-3, (0.9, 0.99)  # nothing adversarial in it that could run away
    architecture = (
        "Rectified flow (Liu et al., ICLR 2023) from noise to the correction of the sketch; velocity by a\n"
        "U-Net with embedded time and the map, the sketch and the noise level as channels (MONAI)."
    )
    losses = (
        "Squared error of the velocity, lesion voxels weighted more; times logit-normal (Esser et al., 2024)."
    )
    failures = (
        "Grain and noise are learned with the image: with few steps, of training or of sampling, they are\n"
        "too smooth or speckled. On grids finer than the frame the finest noise is not painted but put on\n"
        "top."
    )

    def __init__(self, options: TranslatorOptions, device: Device) -> None:
        super().__init__(options, device)
        self.scheduler = RFlowScheduler(
            num_train_timesteps=TIMES, use_discrete_timesteps=True, sample_method="logit-normal"
        )
        self.optimizer = self.adam(self.painter)

    @classmethod
    def new_painter(cls, options: TranslatorOptions) -> Flow:
        """See :class:`..networks.method.Method`; the same width as elsewhere costs more here."""
        return Flow(FlowOptions(dimensions=options.dimensions, width=max(8, options.width * 2 // 3)))

    def networks(self) -> dict[str, nn.Module]:
        """See :class:`..networks.method.Method`."""
        return {}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See :class:`..networks.method.Method`."""
        return {"painter": self.optimizer}

    def facts(self) -> dict[str, Any]:
        """See :class:`..networks.method.Method`."""
        return {**super().facts(), "times": "logit-normal"}

    def train_step(self, batch: Batch, used: float) -> dict[str, Tensor]:
        """See :class:`..networks.method.Method`."""
        flow = self.painter
        assert isinstance(flow, Flow)
        image = flow.scaled(correction_between(batch.sketch, batch.target))
        noise = torch.randn_like(image)
        times = self.scheduler.sample_timesteps(image)
        state = self.scheduler.add_noise(image, noise, times)
        with self.device.autocast():
            conditions = flow.conditions(batch.onehot, batch.sketch, batch.noise_left)
            velocity = flow.velocity_at(state, conditions, times)
        weight = voxel_weights(batch)
        error = (velocity.float() - (image - noise)).square().mean(1, keepdim=True)
        loss = (weight * error).sum() / weight.sum()
        stepped(self.optimizer, loss)
        return {"velocity": loss}
