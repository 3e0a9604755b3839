"""What a network that paints has to offer, whatever it is inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

#: Channels of the sketch, and of what is painted: b0 and ADC.
SKETCH_CHANNELS = 2
#: Furthest that a correction can go from the sketch: log b0, and ADC (10^-3 mm^2/s).
REACH = 1.2


class Painter(nn.Module, ABC):
    """Paints b0 (in units of white matter) and ADC (10^-3 mm^2/s) on a map.

    All painters get the same: the one-hot map with the lesion as its last class, and the sketch, which
    tells contrast, lesion, coil profile and slow texture of *this* case. What they add to it is their own
    affair. No import of MONAI in their files: they serve inference, and MONAI takes seconds to import.
    """

    #: Whether grain and noise of the images are painted too; otherwise they are put on afterward.
    paints_noise = False
    #: Furthest that log b0 is corrected.
    reach = REACH
    #: Steps that an image takes, for painters that let it be chosen, and the most there can be; else None.
    sampling_steps: int | None = None
    most_sampling_steps: int | None = None
    dimensions: int

    @property
    @abstractmethod
    def multiple(self) -> tuple[int, ...]:
        """What the input's axes must be multiples of."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What builds an equal painter with :meth:`from_config`, as JSON."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> Painter:
        """Built from the JSON of a model folder, weights by chance."""

    def randomness(self, seed: int, numbers: Sequence[int], shape: Sequence[int]) -> Tensor | None:
        """Random inputs of slices ``numbers`` with ``shape`` in plane; None for a painter without.

        They depend on the seed and each slice's own number alone, so that a slice comes out the same
        beside any others. In two dimensions the first axis is the slices', in three there is one item.
        """
        return None

    def stepwise(
        self, onehot: Tensor, sketch: Tensor, random: Tensor | None, noise: Tensor | None,
        step: Callable[[], None],
    ) -> Tensor:  # fmt: skip
        """As :meth:`forward`, and ``step`` is called after each of the steps that an image takes."""
        image: Tensor = self(onehot, sketch, random, noise)
        step()
        return image

    @abstractmethod
    def forward(
        self, onehot: Tensor, sketch: Tensor, random: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """Paint.

        Parameters
        ----------
        onehot
            (batch, 44, x, y[, z]).
        sketch
            b0 and ADC, (batch, 2, ...).
        random
            What :meth:`randomness` gave; None for painters without.
        noise
            Noise of b0 and DWI in units of white matter, (batch, 2), for painters that paint it.

        Returns
        -------
        Tensor
            b0 and ADC, (batch, 2, ...).
        """


def corrected(sketch: Tensor, correction: Tensor) -> Tensor:
    """``b0 = sketch * exp(.)`` and ``ADC = sketch + .``; where the sketch is empty, so is the image."""
    b0 = sketch[:, :1] * correction[:, :1].exp()
    adc = (sketch[:, 1:] + correction[:, 1:]).relu() * (sketch[:, :1] > 0)
    return _joined(b0, adc)


def correction_between(sketch: Tensor, image: Tensor, limit: float = REACH) -> Tensor:
    """What :func:`corrected` would need to make ``image`` (b0, ADC, ...) of ``sketch``; 0 where empty."""
    filled = (sketch[:, :1] > 1e-4) & (image[:, :1] > 1e-4)
    log_b0 = (image[:, :1].clamp_min(1e-4) / sketch[:, :1].clamp_min(1e-4)).log()
    change = image[:, 1:2] - sketch[:, 1:]
    return _joined(log_b0, change).clamp(-limit, limit) * filled


def _joined(first: Tensor, second: Tensor) -> Tensor:
    import torch

    return torch.cat([first, second], 1)
