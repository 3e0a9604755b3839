"""The two networks that translate: sketch to image, and image to sketch and map.

Zhu et al. (ICCV 2017): residual blocks at a quarter of the resolution between strided and up-sampling
convolutions, instance norm. Different from there: up-sampling by nearest neighbor and a convolution
(Odena et al., Distill 2016); what came in enters again at full resolution, so that edges stay
sharp; both networks correct what they get instead of painting it anew, and so begin near the identity.
No import of MONAI here: this file also serves inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...schema import CLASS_COUNT
from ..networks.painter import REACH, SKETCH_CHANNELS, Painter, corrected

#: Features that the one-hot map is embedded into where it enters.
_MAP_FEATURES = 12
#: b0, ADC and DWI.
IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class ResidualOptions:
    """What builds the networks; part of the model's config.

    Parameters
    ----------
    dimensions
        2 or 3. In 3D the slice axis keeps its resolution: slices are thick.
    width
        Features at full resolution (64 in the paper); four times as many in the residual blocks.
    blocks
        Residual blocks (9 in the paper, for 256 x 256 pixels).
    """

    dimensions: int = 2
    width: int = 24
    blocks: int = 5

    @property
    def multiple(self) -> tuple[int, ...]:
        """What the input's axes must be multiples of."""
        return (4, 4) if self.dimensions == 2 else (4, 4, 1)


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, dimensions: int, width: int) -> None:
        super().__init__()
        conv, norm = _layers(dimensions)
        self.layers = nn.Sequential(
            conv(width, width, 3, padding=1), norm(width, affine=True), nn.ReLU(),
            conv(width, width, 3, padding=1), norm(width, affine=True),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        """``features`` and what the convolutions add, same shape."""
        added: Tensor = self.layers(features)
        return features + added


class Trunk(nn.Module):
    """``inputs`` channels -> ``outputs`` channels at the same resolution."""

    def __init__(self, options: ResidualOptions, inputs: int, outputs: int) -> None:
        super().__init__()
        conv, norm = _layers(options.dimensions)
        stride: Any = 2 if options.dimensions == 2 else (2, 2, 1)
        width = options.width
        # Without a norm: it would take away the level and contrast of the image.
        self.stem = nn.Sequential(conv(inputs, width, 3, padding=1), nn.LeakyReLU(0.2))
        self.down = nn.ModuleList(
            nn.Sequential(conv(w, 2 * w, 3, stride, 1), norm(2 * w, affine=True), nn.ReLU())
            for w in (width, 2 * width)
        )
        self.blocks = nn.Sequential(*(Residual(options.dimensions, 4 * width) for _ in range(options.blocks)))
        self.up = nn.ModuleList(
            nn.Sequential(conv(w, w // 2, 3, padding=1), norm(w // 2, affine=True), nn.ReLU())
            for w in (4 * width, 2 * width)
        )
        self.head = nn.Sequential(conv(2 * width, width, 3, padding=1), nn.LeakyReLU(0.2))
        self.last = conv(width, outputs, 3, padding=1)
        self.apply(_initialize)

    def forward(self, inputs: Tensor) -> Tensor:
        """``inputs`` (n, channels, x, y[, z])."""
        stem = self.stem(inputs)
        features, sizes = stem, []
        for block in self.down:
            sizes.append(features.shape[2:])
            features = block(features)
        features = self.blocks(features)
        for block, size in zip(self.up, reversed(sizes), strict=True):
            features = block(nn.functional.interpolate(features, size=size, mode="nearest"))
        result: Tensor = self.last(self.head(torch.cat([features, stem], 1)))
        return result


class CycleGenerator(Painter):
    """One-hot map and sketch -> b0 (in units of white matter) and ADC; where the map says air, the sketch.

    Examples
    --------
    >>> generator = CycleGenerator(ResidualOptions(width=8))
    >>> onehot, sketch = torch.zeros(1, CLASS_COUNT, 64, 64), torch.ones(1, 2, 64, 64)
    >>> generator(onehot, sketch).shape
    torch.Size([1, 2, 64, 64])
    """

    def __init__(self, options: ResidualOptions) -> None:
        super().__init__()
        self.options = options
        self.dimensions = options.dimensions
        self.embed_map = _layers(options.dimensions)[0](CLASS_COUNT, _MAP_FEATURES, 1)
        self.trunk = Trunk(options, _MAP_FEATURES + SKETCH_CHANNELS, SKETCH_CHANNELS)

    @property
    def multiple(self) -> tuple[int, ...]:
        """See :class:`..networks.painter.Painter`."""
        return self.options.multiple

    def config(self) -> dict[str, Any]:
        """See :class:`..networks.painter.Painter`."""
        return asdict(self.options)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> CycleGenerator:
        """See :class:`..networks.painter.Painter`."""
        return cls(ResidualOptions(**config))

    def forward(
        self, onehot: Tensor, sketch: Tensor, random: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """See :class:`..networks.painter.Painter`; nothing is taken from chance."""
        raw = self.trunk(torch.cat([self.embed_map(onehot), sketch], 1)).float()
        # Air is noise alone. Nothing else would keep a network without pairs from painting into it.
        return corrected(sketch, REACH * torch.tanh(raw) * (1.0 - onehot[:, :1].float()))


class Reader(nn.Module):
    """b0, ADC and DWI -> the sketch of b0 and ADC that they are an image of, and logits of the map.

    Used in training only.
    """

    def __init__(self, options: ResidualOptions) -> None:
        super().__init__()
        self.trunk = Trunk(options, IMAGE_CHANNELS, SKETCH_CHANNELS + CLASS_COUNT)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """``images`` (n, 3, ...) -> sketch (n, 2, ...) and logits (n, 44, ...)."""
        raw = self.trunk(images).float()
        correction = REACH * torch.tanh(raw[:, :SKETCH_CHANNELS])
        return corrected(images[:, :SKETCH_CHANNELS], correction), raw[:, SKETCH_CHANNELS:]


def _layers(dimensions: int) -> tuple[Any, Any]:
    """Convolution and instance norm."""
    return (nn.Conv2d, nn.InstanceNorm2d) if dimensions == 2 else (nn.Conv3d, nn.InstanceNorm3d)


def _initialize(module: nn.Module) -> None:
    """Weights of convolutions normal with 0.02, as in the paper."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
