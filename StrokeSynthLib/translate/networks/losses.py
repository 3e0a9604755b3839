"""What translators' networks are trained by, shared by all kinds.

Least-squares adversarial loss (Mao et al., ICCV 2017) with the discriminator's targets 1 for real and
0 for fake; L1 on b0, ADC and the DWI that follows from them, lesion voxels weighted more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...schema import LESION
from .dataset import Batch

LESION_WEIGHT = 5.0
_BACKGROUND_WEIGHT = 0.1
#: Brings b0, ADC and DWI (white matter: 1, 0.75, 0.47) to about the same size.
_SCALES = (0.5, 0.5, 1.5)
_LARGEST = 3.0
#: Noise on a discriminator's input, annealed to 0 over the training, step by step.
_INSTANCE_NOISE = 0.1

#: b0 (of white matter) below which an image shows air, and from which on it does not.
AIR, _TISSUE = 0.08, 0.16

Discriminator = Callable[[Tensor], list[Tensor]]


def _broadcast(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, 1, *([1] * (like.ndim - 2)))


def with_dwi(painted: Tensor, b_value: Tensor) -> Tensor:
    """b0 and ADC (n, 2, ...) -> b0, ADC and DWI = b0 exp(-b ADC) (n, 3, ...)."""
    b0, adc = painted[:, :1], painted[:, 1:2]
    dwi = b0 * torch.exp(-_broadcast(b_value, b0) * 1e-3 * adc)
    return torch.cat([b0, adc, dwi], 1)


def scaled(images: Tensor) -> Tensor:
    """Channels b0, ADC, DWI brought to one size and clipped."""
    factors = torch.tensor(_SCALES, dtype=images.dtype, device=images.device)
    return (images * factors.reshape(1, 3, *([1] * (images.ndim - 2)))).clamp(0.0, _LARGEST)


def as_scanned(images: Tensor, batch: Batch) -> Tensor:
    """The painted images with the case's grain and Rician noise, and the ADC that follows from them.

    The painting itself stays free of both; only the discriminator sees them, so that it judges anatomy
    and not the lack of noise. As in the case's own images, there is no ADC where b0 is below the floor.
    """
    noise = batch.scan
    sigma_b0, sigma_dwi = (_broadcast(batch.noise[:, i], images) for i in (0, 1))
    filled = (batch.sketch[:, :1] > 0).to(images.dtype)
    tiny = 1e-8
    clean_b0, clean_dwi = images[:, :1] * batch.grain[:, :1], images[:, 2:] * batch.grain[:, 1:]
    b0 = torch.sqrt((clean_b0 + sigma_b0 * noise[:, :1]) ** 2 + (sigma_b0 * noise[:, 1:2]) ** 2 + tiny)
    dwi = torch.sqrt((clean_dwi + sigma_dwi * noise[:, 2:3]) ** 2 + (sigma_dwi * noise[:, 3:]) ** 2 + tiny)
    ratio = torch.log(b0.clamp_min(0.02) / dwi.clamp_min(0.02))
    adc = (ratio / (_broadcast(batch.b_value, images) * 1e-3)).clamp(0.0, 4.0)
    adc = adc * (b0 > _broadcast(batch.adc_floor, images))
    return torch.cat([b0, adc, dwi], 1) * filled


def voxel_weights(batch: Batch) -> Tensor:
    """How much each voxel counts (n, 1, ...): little where the image is empty, most in lesions."""
    lesion = batch.onehot[:, LESION : LESION + 1]
    filled = (batch.sketch[:, :1] > 0).to(lesion.dtype)
    return _BACKGROUND_WEIGHT + (1.0 - _BACKGROUND_WEIGHT) * filled + LESION_WEIGHT * lesion


def image_loss(images: Tensor, batch: Batch) -> Tensor:
    """Weighted L1 between painted and real b0, ADC and DWI."""
    weight = voxel_weights(batch)
    difference = (scaled(images) - scaled(batch.target)).abs().mean(1, keepdim=True)
    return (weight * difference).sum() / weight.sum()


def instance_noise(used: float) -> float:
    """Noise on the discriminator's input when the share ``used`` of the training is over."""
    return _INSTANCE_NOISE * (1.0 - used)


def blurred_by(images: Tensor, amount: float) -> Tensor:
    """Images with normal noise of ``amount`` on top."""
    return images + amount * torch.randn_like(images)


def without_air(images: Tensor) -> Tensor:
    """Images (n, channels, ...) with b0 first, faded to 0 where b0 is that of air.

    For discriminators: noise, ghosts and the edge of the field of view in air would tell real from fake
    before anything in the head does, and no generator can change them.
    """
    seen = ((images[:, :1] - AIR) / (_TISSUE - AIR)).clamp(0.0, 1.0)
    return images * seen


def adversarial_loss() -> Any:
    """Least squares against targets 1 and 0, no activation before it (MONAI)."""
    from monai.losses import PatchAdversarialLoss

    return PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)


def patch_discriminator(dimensions: int, width: int, channels: int) -> Any:
    """PatchGAN (MONAI) on ``channels``; receptive field 70 in 2D as in the paper, 34 in 3D."""
    from monai.networks.nets import PatchDiscriminator

    return PatchDiscriminator(
        spatial_dims=dimensions, channels=width, in_channels=channels, out_channels=1,
        num_layers_d=3 if dimensions == 2 else 2, norm="INSTANCE",
    )  # fmt: skip


def discriminator_loss(discriminator: Discriminator, adversarial: Any, real: Tensor, fake: Tensor) -> Tensor:
    """Mean of the losses on real (target 1) and fake (target 0); no gradient reaches the generator."""
    on_real = adversarial(discriminator(real)[-1], target_is_real=True, for_discriminator=True)
    on_fake = adversarial(discriminator(fake.detach())[-1], target_is_real=False, for_discriminator=True)
    return 0.5 * (on_real + on_fake)  # type: ignore[no-any-return]


def fooling_loss(discriminator: Discriminator, adversarial: Any, fake: Tensor) -> Tensor:
    """How far the discriminator is from taking ``fake`` for real."""
    loss: Tensor = adversarial(discriminator(fake)[-1], target_is_real=True, for_discriminator=False)
    return loss
