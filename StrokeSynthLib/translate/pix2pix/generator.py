"""The generator: a U-Net that corrects a sketch (pix2pix, Isola et al., CVPR 2017).

As in the paper: strided 4-kernel convolutions down, skip connections, dropout; up-sampling by
nearest neighbor and a convolution instead of transposed convolutions, which leave a checkerboard
(Odena et al., Distill 2016). The map enters again at full resolution, so that lesion edges
are as sharp as the mask. No import of MONAI here: this file also serves inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...schema import CLASS_COUNT
from ..networks.painter import REACH, SKETCH_CHANNELS, Painter, corrected

#: Features that the one-hot map is embedded into where it enters at full resolution.
_MAP_FEATURES = 12


@dataclass(frozen=True)
class GeneratorOptions:
    """What builds a generator; part of the model's config.

    Parameters
    ----------
    dimensions
        2 or 3. In 3D the first two levels leave the slice axis alone: slices are thick.
    width
        Features of the first level (64 in the paper); doubled at each of the others.
    levels
        Halvings of the resolution.
    dropout
        In the two deepest levels of the way up.
    """

    dimensions: int = 2
    width: int = 24
    levels: int = 4
    dropout: float = 0.3

    def stride(self, level: int) -> tuple[int, ...]:
        """Of the strided convolution at ``level``."""
        if self.dimensions == 2:
            return (2, 2)
        return (2, 2, 1 if level < 2 else 2)

    @property
    def multiple(self) -> tuple[int, ...]:
        """What the input's axes must be multiples of."""
        sizes = [1] * self.dimensions
        for level in range(self.levels):
            sizes = [a * b for a, b in zip(sizes, self.stride(level), strict=True)]
        return tuple(sizes)


class Generator(Painter):
    """One-hot map and sketch -> b0 (in units of white matter) and ADC.

    The sketch (class values painted on the map) takes the place of the paper's noise vector,
    which a network trained with L1 learns to ignore: it tells contrast, lesion and texture of
    *this* case, so that a new draw gives a new image. The output is
    ``b0 = sketch * exp(1.2 tanh(.))`` and ``ADC = sketch + 1.2 tanh(.)``: where the sketch is
    empty, so is the image.

    Examples
    --------
    >>> generator = Generator(GeneratorOptions(width=8))
    >>> onehot, sketch = torch.zeros(1, CLASS_COUNT, 64, 64), torch.ones(1, 2, 64, 64)
    >>> generator(onehot, sketch).shape
    torch.Size([1, 2, 64, 64])
    """

    def __init__(self, options: GeneratorOptions) -> None:
        super().__init__()
        self.options = options
        self.dimensions = options.dimensions
        conv = nn.Conv2d if options.dimensions == 2 else nn.Conv3d
        widths = [options.width * 2 ** min(level, 3) for level in range(options.levels)]
        inputs = CLASS_COUNT + SKETCH_CHANNELS
        self.down = nn.ModuleList()
        for level, width in enumerate(widths):
            self.down.append(_down(options, level, inputs if level == 0 else widths[level - 1], width))
        self.up = nn.ModuleList()
        features = widths[-1]
        for level in range(options.levels - 2, -1, -1):
            dropout = options.dropout if level >= options.levels - 3 else 0.0
            self.up.append(_up(options, features + widths[level], widths[level], dropout))
            features = widths[level]
        self.embed_map = conv(CLASS_COUNT, _MAP_FEATURES, 1)
        merged = features + _MAP_FEATURES + SKETCH_CHANNELS
        self.merge = nn.Sequential(conv(merged, options.width, 3, padding=1), nn.LeakyReLU(0.2))
        self.correct = conv(options.width, SKETCH_CHANNELS, 3, padding=1)
        self.apply(_initialize)
        nn.init.normal_(self.correct.weight, 0.0, 0.002)  # start at the sketch

    @property
    def multiple(self) -> tuple[int, ...]:
        """See :class:`..networks.painter.Painter`."""
        return self.options.multiple

    def config(self) -> dict[str, Any]:
        """See :class:`..networks.painter.Painter`."""
        return asdict(self.options)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Generator:
        """See :class:`..networks.painter.Painter`."""
        return cls(GeneratorOptions(**config))

    def forward(
        self, onehot: Tensor, sketch: Tensor, random: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """See :class:`..networks.painter.Painter`; nothing is taken from chance."""
        features = torch.cat([onehot, sketch], 1)
        skips: list[Tensor] = []
        for block in self.down:
            features = block(features)
            skips.append(features)
        for block, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            features = nn.functional.interpolate(features, size=skip.shape[2:], mode="nearest")
            features = block(torch.cat([features, skip], 1))
        features = nn.functional.interpolate(features, size=onehot.shape[2:], mode="nearest")
        raw = self.correct(self.merge(torch.cat([features, self.embed_map(onehot), sketch], 1))).float()
        return corrected(sketch, REACH * torch.tanh(raw))


def _down(options: GeneratorOptions, level: int, inputs: int, outputs: int) -> nn.Module:
    stride = options.stride(level)
    kernel = tuple(4 if s == 2 else 3 for s in stride)
    conv, norm = (nn.Conv2d, nn.InstanceNorm2d) if options.dimensions == 2 else (nn.Conv3d, nn.InstanceNorm3d)
    layers: list[nn.Module] = [conv(inputs, outputs, kernel, stride, padding=1)]  # type: ignore[arg-type]
    if level > 0:
        layers.append(norm(outputs, affine=True))
    return nn.Sequential(*layers, nn.LeakyReLU(0.2))


def _up(options: GeneratorOptions, inputs: int, outputs: int, dropout: float) -> nn.Module:
    conv, norm = (nn.Conv2d, nn.InstanceNorm2d) if options.dimensions == 2 else (nn.Conv3d, nn.InstanceNorm3d)
    layers: list[nn.Module] = [conv(inputs, outputs, 3, padding=1), norm(outputs, affine=True), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))


def _initialize(module: nn.Module) -> None:
    """Weights of convolutions normal with 0.02, as in the paper."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
