"""What a network sees of an examination: slabs of slices, and the channels made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .options import NetworkOptions
from .preprocess import HIGHEST_ADC, Prepared

Array = npt.NDArray[Any]

#: Images of a slab, in this order.
DWI, ADC, MIRRORED_DWI, MIRRORED_ADC = range(4)


@dataclass
class Slabs:
    """A batch of slabs.

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

    images: Tensor
    adc_known: Tensor
    position: Tensor
    thickness: Tensor


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


def assemble(slabs: Slabs, options: NetworkOptions) -> Tensor:
    """The network's input, (batch, channels, x, y) in 2D, (batch, channels, slices, x, y) in 3D.

    2D: DWI and ADC of the slice and its neighbors, both of the other hemisphere in the slice
    itself, whether ADC is known, height, thickness. 3D: one of each.
    """
    images = slabs.images
    batch, _, depth, x, y = images.shape
    # Centered roughly on normal tissue; absent ADC is zero like its outside.
    scaled = (
        images
        * torch.tensor([1.0, 1.0 / HIGHEST_ADC * 2, 1.0, 1.0 / HIGHEST_ADC * 2]).to(images)[
            :, None, None, None
        ]
    )
    known = (2 * slabs.adc_known - 1)[:, None, None].expand(batch, depth, 1)
    thickness = (slabs.thickness / 4 - 1)[:, None, None].expand(batch, depth, 1)
    facts = torch.cat((known, slabs.position[:, :, None], thickness), dim=2)  # batch, slices, 3
    if options.dimensions == 3:
        planes = facts.permute(0, 2, 1)[..., None, None].expand(batch, 3, depth, x, y)
        return torch.cat((scaled, planes), dim=1)
    middle = depth // 2
    planes = facts[:, middle, :, None, None].expand(batch, 3, x, y)
    return torch.cat(
        (scaled[:, DWI], scaled[:, ADC], scaled[:, MIRRORED_DWI:, middle], planes), dim=1
    ).contiguous()
