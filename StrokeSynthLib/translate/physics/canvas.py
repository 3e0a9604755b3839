"""What stays while the lesion of an image changes, and the painting of any box of it.

A map and a seed decide the random fields, the bias, the noise and where the image is empty: computed
once, by :class:`Canvas`. What a lesion changes is local, it reaches as far as the blur does. So a box
that is painted alone, with that much around it, has the very bits that it has in the whole image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...randomness import generator
from ..boxes import Box, grown, reach_of, sliced, within
from ..examples import IS_PARENCHYMA
from ..fields import correlated_field
from ..signal import receiver_noise
from .assumed import TISSUE_OF_CLASS
from .bias import bias_field
from .lesion_fit import depth_reach
from .model import CaseDraw
from .paint import Noise, Painting, Texture, before_blur, filled_mask, nearest_parenchyma, paint

Array = npt.NDArray[Any]
_NO_TEXTURE = np.zeros((), np.float32)


class Canvas:
    """A map that is ready to be painted with any lesion.

    Bias field and skull stripping follow from the map as it is given; a lesion that lies outside of its
    parenchyma moves neither, and is shown all the same.

    Parameters
    ----------
    labels
        Classes, (x, y, z) in RAS+ order.
    spacing
        Of the voxels (mm).
    draw
        The case's values.
    seed
        Of everything random on it.
    """

    def __init__(self, labels: Array, spacing: tuple[float, float, float], draw: CaseDraw, seed: int) -> None:
        self.labels = labels
        self.spacing = spacing
        self.draw = draw
        self.seed = seed
        self.shape: tuple[int, ...] = labels.shape
        self.filled = filled_mask(labels, spacing, draw, seed)
        self.bias = bias_field(np.asarray(draw.bias), labels, spacing)
        #: How far blur and border of a lesion reach (voxels along each axis).
        blur, soft = (reach_of(width, spacing) for width in (draw.blur_mm, draw.lesion_softness_mm))
        edge = [max(pair) for pair in zip(soft, depth_reach(draw.lesion_profile, spacing), strict=True)]
        self.reach = tuple(one + other for one, other in zip(blur, edge, strict=True))
        self._fields = self._correlated("texture b0", "texture adc", draw.texture_mm)

    def prepare(self, axis: int) -> None:
        """Make ready for many paintings: compute now what is otherwise computed when it is first needed.

        Noise is laid out so that its slices along ``axis`` are quickly at hand.
        """
        _ = self.nearest, self._lesion_fields
        self.noise = self.noise_in(lambda array: sliced(array, axis))

    def noise_in(self, pick: Callable[[Array], Array]) -> Noise:
        """What ``pick`` makes of each field of noise."""
        b0, dwi = (None if pair is None else (pick(pair[0]), pick(pair[1])) for pair in self.noise)
        return b0, dwi

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """What was drawn, for the record."""
        return self.draw.record()

    @cached_property
    def nearest(self) -> Array:
        """The class of the nearest parenchyma of every voxel: what lies under a lesion."""
        return nearest_parenchyma(self.labels, self.spacing)

    @cached_property
    def noise(self) -> Noise:
        """Of both images, over the whole of them."""
        b0, dwi = self.draw.b0_noise, self.draw.dwi_noise
        return (
            receiver_noise(self.shape, b0, generator(self.seed, "noise b0")),
            receiver_noise(self.shape, dwi, generator(self.seed, "noise dwi")),
        )

    def labels_in(self, lesion: Array, box: Box) -> tuple[Array, Array]:
        """Classes in a box, with tissue under the whole lesion, and where the image is not empty there."""
        labels = self.labels[box].copy()
        wrong = lesion[box] & ~IS_PARENCHYMA[labels]
        filled = self.filled[box] | wrong
        return (np.where(wrong, self.nearest[box], labels) if wrong.any() else labels), filled

    def texture(self, labels: Array, lesion: Array, box: Box) -> Texture:
        """Random texture in a box, of ``labels`` and ``lesion`` there."""
        draw, tissue = self.draw, TISSUE_OF_CLASS[labels]
        b0_field, own_field = (np.ascontiguousarray(field[box]) for field in self._fields)
        shared = np.asarray(draw.texture_correlation, np.float32)[tissue]
        adc_field = shared * b0_field + np.sqrt(1.0 - shared**2) * own_field
        in_tissue = (
            np.asarray(draw.b0_texture, np.float32)[tissue] * b0_field,
            np.asarray(draw.adc_texture, np.float32)[tissue] * adc_field,
        )
        if not lesion.any():
            return Texture(*in_tissue, _NO_TEXTURE, _NO_TEXTURE)
        return Texture(*in_tissue, *(np.ascontiguousarray(field[box]) for field in self._lesion_fields))

    def paint(self, lesion: Array, box: Box, *, bare: bool = False) -> Painting:
        """Paint a box of the image with ``lesion``, boolean over the whole image.

        ``bare``: only the tissue under the lesion, as if it were well.
        """
        outer = grown(box, self.reach, self.shape)
        labels, filled = self.labels_in(lesion, outer)
        seen = np.zeros(labels.shape, bool) if bare else np.ascontiguousarray(lesion[outer])
        painting = self.painted(labels, seen, filled, self.texture(labels, seen, outer), outer)
        return painting.cut(within(box, outer))

    def painted(self, labels: Array, lesion: Array, filled: Array, texture: Texture, box: Box) -> Painting:
        """Paint a box from its parts; at its border the blur lacks what lies beyond."""
        return paint(labels, lesion, self.spacing, self.draw, texture, filled, self.bias[box])

    @cached_property
    def _lesion_fields(self) -> tuple[Array, Array]:
        """Variation of log b0 and log ADC within a lesion, drawn everywhere."""
        _, _, sd_b0, sd_adc, correlation, length = self.draw.lesion
        first, second = self._correlated("lesion b0", "lesion adc", length)
        mixed = correlation * first + float(np.sqrt(1.0 - correlation**2)) * second
        return np.float32(sd_b0) * first, np.float32(sd_adc) * mixed

    def _correlated(self, first: str, second: str, length: float) -> tuple[Array, Array]:
        sharp, gain = before_blur(length, self.draw.blur_mm)
        one, other = (
            gain * correlated_field(self.shape, self.spacing, sharp, generator(self.seed, name))
            for name in (first, second)
        )
        return one, other
