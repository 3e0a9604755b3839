"""Training of SPADE: hinge loss on patches at several scales, feature matching, spectral norm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from ...device import Device
from ...schema import CLASS_COUNT
from ..networks.dataset import Batch
from ..networks.losses import (
    as_scanned,
    blurred_by,
    image_loss,
    instance_noise,
    patch_discriminator,
    scaled,
    with_dwi,
    without_air,
)  # fmt: skip
from ..networks.method import Method, stepped
from ..networks.painter import Painter
from ..options import TranslatorOptions
from .generator import SpadeGenerator, SpadeOptions

L1_WEIGHT, MATCHING_WEIGHT, KLD_WEIGHT = 10.0, 2.0, 0.05
_SCALES = 2


class Encoder(nn.Module):
    """The style of a real image as mean and log variance of its latent vector; used in training only."""

    def __init__(self, dimensions: int, width: int, latent: int) -> None:
        super().__init__()
        conv, norm = (nn.Conv2d, nn.InstanceNorm2d) if dimensions == 2 else (nn.Conv3d, nn.InstanceNorm3d)
        layers: list[nn.Module] = []
        channels = 3
        for level in range(4):
            stride = 2 if dimensions == 2 else (2, 2, 1 if level < 2 else 2)
            layers += [conv(channels, width * 2 ** min(level, 2), 3, stride, 1)]  # type: ignore[arg-type]
            channels = width * 2 ** min(level, 2)
            # Without a norm on the first level: the norm would remove the level and contrast of the image.
            layers += [norm(channels, affine=True)] if level else []
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.mean, self.log_variance = nn.Linear(2 * channels, latent), nn.Linear(2 * channels, latent)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """``images`` (n, 3, ...) -> mean and log variance, (n, latent) each."""
        features = self.layers(images).flatten(2)
        pooled = torch.cat([features.mean(2), features.amax(2)], 1)
        return self.mean(pooled), self.log_variance(pooled).clamp(-8.0, 4.0)


class ScaledPatches(nn.Module):
    """The same kind of patch discriminator at full, half, ... resolution.

    MONAI's ``MultiScalePatchDiscriminator`` gives each scale more layers instead, which fails on small
    images and leaves no scale that sees texture alone.
    """

    def __init__(self, dimensions: int, width: int) -> None:
        super().__init__()
        self.judges = nn.ModuleList(
            patch_discriminator(dimensions, width, CLASS_COUNT + 3) for _ in range(_SCALES)
        )
        # Slices are thick: only the resolution in plane is halved.
        self.coarser = nn.AvgPool2d(2) if dimensions == 2 else nn.AvgPool3d((2, 2, 1))

    def forward(self, images: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """``images`` (n, 47, ...) -> outputs of all scales, and the features of all their layers."""
        outputs, features = [], []
        for judge in self.judges:
            *inner, output = judge(images)
            outputs.append(output)
            features.append(inner)
            images = self.coarser(images)
        return outputs, features


class Spade(Method):
    """See :class:`..networks.method.Method`."""

    kind = "spade"
    architecture = (
        "SPADE (Park et al., CVPR 2019): a latent vector unfolded under modulation by map and sketch at\n"
        "every resolution, full resolution included; spectral norm; discriminators of patches at two scales\n"
        "(MONAI); in training an encoder of the real image's style gives the latent vector."
    )
    losses = (
        "Hinge, feature matching, Kullback-Leibler divergence of the latent vector, L1 on b0, ADC and DWI\n"
        "with lesion voxels weighted more; noise on the discriminators' input, annealed."
    )
    failures = (
        "The latent vector, one for the whole image, changes little beside the sketch, which already tells\n"
        "contrast and texture."
    )

    def __init__(self, options: TranslatorOptions, device: Device) -> None:
        super().__init__(options, device)
        latent = self._spade(self.painter).options.latent
        for network in (self.painter, self.average):
            _normalize(network)
        self.average.requires_grad_(False)
        judge = ScaledPatches(options.dimensions, options.width)
        _normalize(judge)
        self.discriminator = judge.to(device.name)
        self.encoder = Encoder(options.dimensions, options.width, latent).to(device.name)
        self._optimizers = {
            "painter": self.adam(self.painter), "encoder": self.adam(self.encoder),
            "discriminator": self.adam(self.discriminator),
        }  # fmt: skip

    @classmethod
    def new_painter(cls, options: TranslatorOptions) -> SpadeGenerator:
        """See :class:`..networks.method.Method`; the same width as elsewhere costs more here."""
        width = max(4, options.width * 2 // 3)
        return SpadeGenerator(SpadeOptions(dimensions=options.dimensions, width=width))

    @staticmethod
    def _spade(painter: Painter) -> SpadeGenerator:
        assert isinstance(painter, SpadeGenerator)
        return painter

    def networks(self) -> dict[str, nn.Module]:
        """See :class:`..networks.method.Method`."""
        return {"discriminator": self.discriminator, "encoder": self.encoder}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See :class:`..networks.method.Method`."""
        return dict(self._optimizers)

    def facts(self) -> dict[str, Any]:
        """See :class:`..networks.method.Method`."""
        weights = {"l1_weight": L1_WEIGHT, "matching_weight": MATCHING_WEIGHT, "kld_weight": KLD_WEIGHT}
        return {**super().facts(), **weights}

    def finished(self) -> Painter:
        """The average with its spectral norm worked into the weights."""
        for module in self.average.modules():
            if is_parametrized(module):
                remove_parametrizations(module, "weight")
        return self.average

    def train_step(self, batch: Batch, used: float) -> dict[str, Tensor]:
        """See :class:`..networks.method.Method`."""
        blur, scan = instance_noise(used), scaled(without_air(batch.target))
        with self.device.autocast():
            mean, log_variance = self.encoder(scan)
            latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            painted = with_dwi(self.painter(batch.onehot, batch.sketch, latent), batch.b_value)
        seen = scaled(without_air(as_scanned(painted, batch)))

        def judged(images: Tensor) -> Tensor:
            return torch.cat([blurred_by(images, blur), batch.onehot], 1)

        real = judged(scan)
        self.discriminator.requires_grad_(True)
        with self.device.autocast():
            on_real, _ = self.discriminator(real)
            on_fake, _ = self.discriminator(judged(seen.detach()))
            judge_loss = hinge_loss(on_real, on_fake)
        stepped(self._optimizers["discriminator"], judge_loss)
        self.discriminator.requires_grad_(False)
        with self.device.autocast():
            on_fake, of_fake = self.discriminator(judged(seen))
            with torch.no_grad():  # features of one and the same discriminator are compared
                _, features = self.discriminator(real)
            fooling = fooling_loss(on_fake)
        matching = feature_matching(features, of_fake)
        likeness = image_loss(painted, batch)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1).mean()
        whole = fooling + MATCHING_WEIGHT * matching + L1_WEIGHT * likeness + KLD_WEIGHT * divergence
        self._optimizers["encoder"].zero_grad(set_to_none=True)
        stepped(self._optimizers["painter"], whole)
        self._optimizers["encoder"].step()
        return {
            "discriminator": judge_loss, "fooling": fooling, "matching": matching, "l1": likeness,
            "divergence": divergence,
        }  # fmt: skip


def hinge_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Hinge loss of discriminators (Lim and Ye, 2017): real above 1, fake below -1, mean over scales.

    MONAI's ``PatchAdversarialLoss`` puts a tanh before its hinge, so that the margins are never reached.
    """
    losses = [
        0.5 * ((1.0 - of_real).relu().mean() + (1.0 + of_fake).relu().mean())
        for of_real, of_fake in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def fooling_loss(fake: list[Tensor]) -> Tensor:
    """What the generator lowers: minus the discriminators' opinion of its images."""
    return torch.stack([-of_fake.mean() for of_fake in fake]).mean()


def feature_matching(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """Mean distance of the discriminators' features of real and fake, over layers and scales.

    Wang et al., CVPR 2018; no gradient reaches the real side.
    """
    distances = [
        (ours - theirs.detach()).abs().mean()
        for of_real, of_fake in zip(real, fake, strict=True)
        for theirs, ours in zip(of_real, of_fake, strict=True)
    ]
    return torch.stack(distances).mean()


def _normalize(network: nn.Module) -> None:
    """Spectral norm on every convolution (Miyato et al., ICLR 2018)."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            spectral_norm(module)
