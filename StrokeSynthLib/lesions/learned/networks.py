"""Generator and critic of the Wasserstein GAN, in PyTorch. What is shipped runs without (:mod:`.wgan`).

The generator turns noise and conditions into 4^3 features, doubles them three times (nearest neighbor, then a
convolution, so that no checkerboard arises), and shuffles the last features into 32^3 voxels. Each level is
scaled and shifted by the conditions. The critic is Gulrajani's: strided convolutions, no norm of any kind
(a batch norm would make the gradient penalty, which is one sample's, depend on the others), and it judges a
crop *with* its conditions (Miyato and Koyama, 2018). It sees the signed distance and a steep version of it,
in which a small piece is as bright as a large one.

MONAI's ``Generator`` and ``Critic`` take neither conditions nor a critic without norm at this size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .crops import CONDITIONS

SLOPE = 0.2
#: How much steeper the critic's second view of the signed distance is.
STEEP = 6.0


@dataclass(frozen=True)
class WganOptions:
    """What builds both networks; channels in multiples of 16 are what CPUs compute fastest.

    Parameters
    ----------
    noise
        Length of the noise vector.
    hidden
        Features made from noise and conditions.
    channels
        Features of the generator at 4, 8 and 16 voxels.
    critic
        Features of the critic at 8 and 4 voxels.
    """

    noise: int = 64
    hidden: int = 128
    channels: tuple[int, int, int] = (32, 32, 16)
    critic: tuple[int, int] = (32, 64)


class Generator(nn.Module):
    """(n, noise) and (n, conditions) -> (n, 1, 32, 32, 32) signed distance in -1 ... 1."""

    def __init__(self, options: WganOptions) -> None:
        super().__init__()
        a, b, c = options.channels
        self.first = a
        self.mapping = nn.Linear(options.noise + len(CONDITIONS), options.hidden)
        self.start = nn.Linear(options.hidden, a * 64)
        self.convolutions = nn.ModuleList(
            [nn.Conv3d(a, b, 3, padding=1), nn.Conv3d(b, c, 3, padding=1), nn.Conv3d(c, 8, 3, padding=1)]
        )
        self.styles = nn.ModuleList([nn.Linear(options.hidden, 2 * n) for n in (b, c)])

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """See the class."""
        hidden = functional.leaky_relu(self.mapping(torch.cat([noise, conditions], 1)), SLOPE)
        value = functional.leaky_relu(self.start(hidden).view(-1, self.first, 4, 4, 4), SLOPE)
        for convolution, style in zip(self.convolutions, self.styles, strict=False):
            value = doubled(value, cast(nn.Conv3d, convolution))
            scale, shift = style(hidden)[:, :, None, None, None].chunk(2, 1)
            value = functional.leaky_relu(value * (1.0 + scale) + shift, SLOPE)
        return torch.tanh(blurred(shuffled(self.convolutions[2](value))))


def doubled(value: Tensor, convolution: nn.Conv3d) -> Tensor:
    """A convolution (3^3, padded by 1) of the value doubled by nearest neighbor.

    Done as one transposed convolution of the undoubled value: neighbors that share a voxel share one sum of
    weights, so that 64 products a voxel do what 216 did.
    """
    kernel = convolution.weight.transpose(0, 1)
    for axis in (2, 3, 4):
        nothing = torch.zeros_like(kernel.narrow(axis, 0, 1))
        kernel = torch.cat([kernel, nothing], axis) + torch.cat([nothing, kernel], axis)
    return functional.conv_transpose3d(value, kernel.flip(2, 3, 4), convolution.bias, stride=2, padding=1)


def shuffled(value: Tensor) -> Tensor:
    """(n, 8, x, y, z) -> (n, 1, 2 x, 2 y, 2 z)."""
    n, _, x, y, z = value.shape
    value = value.view(n, 2, 2, 2, x, y, z).permute(0, 4, 1, 5, 2, 6, 3)
    return value.reshape(n, 1, 2 * x, 2 * y, 2 * z)


def unshuffled(value: Tensor) -> Tensor:
    """(n, c, 2 x, 2 y, 2 z) -> (n, 8 c, x, y, z)."""
    n, c, x, y, z = value.shape
    value = value.view(n, c, x // 2, 2, y // 2, 2, z // 2, 2).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return value.reshape(n, 8 * c, x // 2, y // 2, z // 2)


def blurred(value: Tensor) -> Tensor:
    """Three voxels by 1, 2, 1 along each axis: the seams of shuffled voxels go, edges stay where they are."""
    for axis in (2, 3, 4):
        size = value.shape[axis]
        ends = [value.narrow(axis, 0, 1), value, value.narrow(axis, size - 1, 1)]
        wide = torch.cat(ends, axis)
        value = 0.25 * (wide.narrow(axis, 0, size) + wide.narrow(axis, 2, size)) + 0.5 * value
    return value


class Critic(nn.Module):
    """A crop (n, 1, 32, 32, 32) and its conditions -> (n,), larger for real ones."""

    def __init__(self, options: WganOptions) -> None:
        super().__init__()
        a, b = options.critic
        self.convolutions = nn.ModuleList(
            [nn.Conv3d(16, a, 3, stride=2, padding=1), nn.Conv3d(a, b, 3, stride=2, padding=1)]
        )
        self.hidden = nn.Linear(b * 64, options.hidden)
        self.judge = nn.Linear(options.hidden, 1)
        self.fit = nn.Linear(len(CONDITIONS), options.hidden)

    def forward(self, crop: Tensor, conditions: Tensor) -> Tensor:
        """See the class."""
        value = unshuffled(torch.cat([crop, torch.tanh(STEEP * crop)], 1))
        for convolution in self.convolutions:
            value = functional.leaky_relu(convolution(value), SLOPE)
        features = functional.leaky_relu(self.hidden(value.flatten(1)), SLOPE)
        judged: Tensor = self.judge(features)[:, 0] + (self.fit(conditions) * features).mean(1)
        return judged


def gradient_penalty(critic: Critic, real: Tensor, made: Tensor, conditions: Tensor, mix: Tensor) -> Tensor:
    """Mean of (|gradient| - 1)^2 between real and made crops (Gulrajani et al., 2017); ``mix`` (n,)."""
    part = mix[:, None, None, None, None]
    between = (part * real + (1.0 - part) * made).detach().requires_grad_(True)
    judged = critic(between, conditions).sum()
    (gradient,) = torch.autograd.grad(judged, between, create_graph=True)
    penalty: Tensor = ((gradient.flatten(1).norm(2, dim=1) - 1.0) ** 2).mean()
    return penalty
