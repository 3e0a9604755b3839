"""Training of pix2pix: one discriminator step and one generator step on each batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...device import Device
from ...schema import CLASS_COUNT
from ..networks.dataset import Batch
from ..networks.losses import (
    adversarial_loss,
    as_scanned,
    blurred_by,
    discriminator_loss,
    fooling_loss,
    image_loss,
    instance_noise,
    patch_discriminator,
    scaled,
    with_dwi,
    without_air,
)  # fmt: skip
from ..networks.method import Method, stepped
from ..options import TranslatorOptions
from .generator import Generator, GeneratorOptions

L1_WEIGHT = 10.0


class Pix2Pix(Method):
    """See :class:`..networks.method.Method`."""

    kind = "pix2pix"
    architecture = (
        "Conditional adversarial network (Isola et al., CVPR 2017): a U-Net that corrects the sketch,\n"
        "up-sampling by nearest neighbor, the map again at full resolution; a patch discriminator on image\n"
        "and map."
    )
    losses = (
        "Least squares, targets 1 for real and 0 for fake, plus 10 x L1 on b0, ADC and DWI, lesion voxels\n"
        "weighted more; noise on the discriminator's input, annealed."
    )
    failures = (
        "Corrections are small with few cases or steps: the images then look like the sketch, as `physics`\n"
        "draws it."
    )

    def __init__(self, options: TranslatorOptions, device: Device) -> None:
        super().__init__(options, device)
        judge = patch_discriminator(options.dimensions, options.width, CLASS_COUNT + 3)
        self.discriminator = judge.to(device.name)
        self.adversarial = adversarial_loss()
        self._optimizers = {
            "painter": self.adam(self.painter),
            "discriminator": self.adam(self.discriminator),
        }

    @classmethod
    def new_painter(cls, options: TranslatorOptions) -> Generator:
        """See :class:`..networks.method.Method`."""
        return Generator(GeneratorOptions(dimensions=options.dimensions, width=options.width))

    def networks(self) -> dict[str, nn.Module]:
        """See :class:`..networks.method.Method`."""
        return {"discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See :class:`..networks.method.Method`."""
        return dict(self._optimizers)

    def facts(self) -> dict[str, Any]:
        """See :class:`..networks.method.Method`."""
        return {**super().facts(), "l1_weight": L1_WEIGHT}

    def train_step(self, batch: Batch, used: float) -> dict[str, Tensor]:
        """See :class:`..networks.method.Method`."""
        blur = instance_noise(used)
        with self.device.autocast():
            painted = with_dwi(self.painter(batch.onehot, batch.sketch), batch.b_value)
        seen = scaled(without_air(as_scanned(painted, batch)))

        def judged(images: Tensor) -> Tensor:
            return torch.cat([blurred_by(images, blur), batch.onehot], 1)

        real = judged(scaled(without_air(batch.target)))
        self.discriminator.requires_grad_(True)
        with self.device.autocast():
            judge_loss = discriminator_loss(self.discriminator, self.adversarial, real, judged(seen))
        stepped(self._optimizers["discriminator"], judge_loss)
        self.discriminator.requires_grad_(False)
        with self.device.autocast():
            fooling = fooling_loss(self.discriminator, self.adversarial, judged(seen))
        likeness = image_loss(painted, batch)
        stepped(self._optimizers["painter"], fooling + L1_WEIGHT * likeness)
        return {"discriminator": judge_loss, "fooling": fooling, "l1": likeness}
