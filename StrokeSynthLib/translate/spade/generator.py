"""The generator: a latent vector, unfolded under the map (SPADE, Park et al., CVPR 2019).

As in the paper: the map enters by spatially adaptive modulation of normalized features and nowhere
else, at every resolution, *full resolution included*, where the edge of a lesion is decided.

MONAI's ``SPADENet`` was read and is not used: its last block works at half resolution and is
up-sampled after, its modulation is instance-normalized itself (so the size of a lesion would change
the look of all else in the slice), and its latent vector is bound to one image size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...randomness import generator as random_stream
from ...schema import CLASS_COUNT
from ..networks.painter import REACH, SKETCH_CHANNELS, Painter, corrected

#: Features that map and sketch are embedded into, once, for all modulations.
_MAP_FEATURES = 16
_START = 4  # voxels along each axis that the latent vector is unfolded to


@dataclass(frozen=True)
class SpadeOptions:
    """What builds a generator; part of the model's config.

    Parameters
    ----------
    dimensions
        2 or 3. In 3D the finest two resolutions leave the slice axis alone: slices are thick.
    width
        Features at full resolution; doubled at each coarser one up to four times.
    levels
        Halvings of the resolution.
    latent
        Length of the latent vector (128 in the paper).
    """

    dimensions: int = 2
    width: int = 16
    levels: int = 4
    latent: int = 64

    def features(self, level: int) -> int:
        """Of the block at ``level``, 0 the finest."""
        return self.width * (1, 2, 4)[min(level, 2)]

    def stride(self, level: int) -> tuple[int, ...]:
        """From ``level`` to the next coarser one."""
        if self.dimensions == 2:
            return (2, 2)
        return (2, 2, 1 if level < 2 else 2)


class Modulated(nn.Module):
    """A residual block whose features are normalized, then scaled and shifted by what the map says there."""

    def __init__(self, dimensions: int, inputs: int, outputs: int) -> None:
        super().__init__()
        conv = nn.Conv2d if dimensions == 2 else nn.Conv3d
        self.first = Modulation(dimensions, inputs)
        self.conv_first = conv(inputs, outputs, 3, padding=1)
        self.second = Modulation(dimensions, outputs)
        self.conv_second = conv(outputs, outputs, 3, padding=1)
        self.shortcut = conv(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, features: Tensor, embedded: Tensor) -> Tensor:
        """``features`` and the embedded map, of one resolution."""
        change = self.conv_first(nn.functional.leaky_relu(self.first(features, embedded), 0.2))
        change = self.conv_second(nn.functional.leaky_relu(self.second(change, embedded), 0.2))
        result: Tensor = self.shortcut(features) + change
        return result


class Modulation(nn.Module):
    """Instance normalization without parameters, then scale and shift from the map."""

    def __init__(self, dimensions: int, features: int) -> None:
        super().__init__()
        conv = nn.Conv2d if dimensions == 2 else nn.Conv3d
        self.normalize = (nn.InstanceNorm2d if dimensions == 2 else nn.InstanceNorm3d)(features)
        self.shared = conv(_MAP_FEATURES, features, 3, padding=1)
        self.scale_and_shift = conv(features, 2 * features, 3, padding=1)

    def forward(self, features: Tensor, embedded: Tensor) -> Tensor:
        """Modulated features."""
        scale, shift = self.scale_and_shift(self.shared(embedded).relu()).chunk(2, 1)
        result: Tensor = self.normalize(features) * (1.0 + scale) + shift
        return result


class SpadeGenerator(Painter):
    """Latent vector, map and sketch -> b0 and ADC.

    Examples
    --------
    >>> generator = SpadeGenerator(SpadeOptions(width=8))
    >>> onehot, sketch = torch.zeros(1, CLASS_COUNT, 64, 64), torch.ones(1, 2, 64, 64)
    >>> generator(onehot, sketch, torch.zeros(1, 64)).shape
    torch.Size([1, 2, 64, 64])
    """

    def __init__(self, options: SpadeOptions) -> None:
        super().__init__()
        self.options = options
        self.dimensions = options.dimensions
        conv = nn.Conv2d if options.dimensions == 2 else nn.Conv3d
        self.embed = conv(CLASS_COUNT + SKETCH_CHANNELS, _MAP_FEATURES, 1)
        deepest = options.features(options.levels)
        self.unfold = nn.Linear(options.latent, deepest * _START**options.dimensions)
        self.blocks = nn.ModuleList()
        features = deepest
        for level in range(options.levels, -1, -1):
            self.blocks.append(Modulated(options.dimensions, features, options.features(level)))
            features = options.features(level)
        self.paint = conv(features, SKETCH_CHANNELS, 3, padding=1)
        nn.init.normal_(self.paint.weight, 0.0, 0.002)  # start at the sketch

    @property
    def multiple(self) -> tuple[int, ...]:
        """See :class:`..networks.painter.Painter`."""
        sizes = [1] * self.dimensions
        for level in range(self.options.levels):
            sizes = [a * b for a, b in zip(sizes, self.options.stride(level), strict=True)]
        return tuple(sizes)

    def config(self) -> dict[str, Any]:
        """See :class:`..networks.painter.Painter`."""
        return asdict(self.options)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SpadeGenerator:
        """See :class:`..networks.painter.Painter`."""
        return cls(SpadeOptions(**config))

    def randomness(self, seed: int, numbers: Sequence[int], shape: Sequence[int]) -> Tensor:
        """One latent vector for all slices of an image: they belong to one examination."""
        vector = random_stream(seed, "latent").standard_normal(self.options.latent, dtype=np.float32)
        one = torch.from_numpy(vector)[None]
        return one.expand(len(numbers), -1) if self.dimensions == 2 else one

    def forward(
        self, onehot: Tensor, sketch: Tensor, random: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """See :class:`..networks.painter.Painter`; ``random`` (batch, latent)."""
        if random is None:
            raise ValueError("SPADE paints from a latent vector")
        # Averaged, not picked: a thin cortex or a lacune must not get lost between grid points.
        pool = nn.functional.avg_pool2d if self.dimensions == 2 else nn.functional.avg_pool3d
        embedded = [self.embed(torch.cat([onehot, sketch], 1))]
        for level in range(self.options.levels):
            embedded.append(pool(embedded[-1], self.options.stride(level)))
        features = self.unfold(random).reshape(len(random), -1, *([_START] * self.dimensions))
        for block, map_features in zip(self.blocks, reversed(embedded), strict=True):
            features = nn.functional.interpolate(features, size=map_features.shape[2:], mode="nearest")
            features = block(features, map_features)
        raw = self.paint(nn.functional.leaky_relu(features, 0.2)).float()
        return corrected(sketch, REACH * torch.tanh(raw))
