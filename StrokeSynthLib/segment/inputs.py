"""What a network sees of an examination: slabs of slices, and the channels made of them.

The same code serves training, on tensors, and prediction, on numpy arrays; it imports no PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .options import NetworkOptions
from .preprocess import HIGHEST_ADC, Prepared

Array = npt.NDArray[Any]

#: Images of a slab, in this order.
DWI, ADC, MIRRORED_DWI, MIRRORED_ADC = range(4)
#: Puts ADC in the range of the DWI; absent ADC is zero like its outside.
_ADC_SCALE = 2 / HIGHEST_ADC


@dataclass
class Slabs:
    """A batch of slabs, all of tensors or all of arrays.

    Parameters
    ----------
    images
        (batch, 4, slices, x, y): DWI, ADC, and both of the other hemisphere.
    adc_known
        (batch,), 1 with ADC and 0 without.
    position
        (batch, slices): height in the brain, -1 (lowest slice) to 1.
    thickness
        (batch,): distance of slices (mm).
    """

    images: Any
    adc_known: Any
    position: Any
    thickness: Any


def images_of(prepared: Prepared) -> Array:
    """(4, z, x, y) float16; the two of ADC are zero without ADC."""
    nothing = np.zeros_like(prepared.dwi)
    stack = [
        prepared.dwi,
        nothing if prepared.adc is None else prepared.adc,
        prepared.mirrored_dwi,
        nothing if prepared.mirrored_adc is None else prepared.mirrored_adc,
    ]
    return np.stack([image.transpose(2, 0, 1) for image in stack]).astype(np.float16)


def heights(count: int) -> Array:
    """Position of each of ``count`` slices, -1 to 1."""
    return np.linspace(-1.0, 1.0, count, dtype=np.float32) if count > 1 else np.zeros(1, np.float32)


def assemble(slabs: Slabs, options: NetworkOptions) -> Any:
    """The network's input, (batch, channels, x, y) in 2D, (batch, channels, slices, x, y) in 3D.

    2D: DWI and ADC of the slice and its neighbors, both of the other hemisphere in the slice
    itself, whether ADC is known, height, thickness. 3D: one of each. A tensor of tensors, else an array.
    """
    images = slabs.images
    batch, _, depth, x, y = images.shape
    known, thickness = 2 * slabs.adc_known - 1, slabs.thickness / 4 - 1
    if options.dimensions == 3:
        result = _empty_like(images, (batch, options.inputs, depth, x, y))
        result[:, :4] = images
        for channel in (ADC, MIRRORED_ADC):
            result[:, channel] *= _ADC_SCALE
        result[:, 4] = known[:, None, None, None]
        result[:, 5] = slabs.position[:, :, None, None]
        result[:, 6] = thickness[:, None, None, None]
        return result
    middle = depth // 2
    result = _empty_like(images, (batch, options.inputs, x, y))
    result[:, :depth] = images[:, DWI]
    result[:, depth : 2 * depth] = images[:, ADC] * _ADC_SCALE
    result[:, 2 * depth] = images[:, MIRRORED_DWI, middle]
    result[:, 2 * depth + 1] = images[:, MIRRORED_ADC, middle] * _ADC_SCALE
    result[:, -3] = known[:, None, None]
    result[:, -2] = slabs.position[:, middle, None, None]
    result[:, -1] = thickness[:, None, None]
    return result


def _empty_like(images: Any, shape: tuple[int, ...]) -> Any:
    """A tensor or array of that shape, as ``images`` is one."""
    return np.empty(shape, images.dtype) if isinstance(images, np.ndarray) else images.new_empty(shape)
