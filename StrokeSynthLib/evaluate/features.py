"""What images are described by when two sets of them are compared; nothing is downloaded.

Three extractors of different kinds, all on the examination in the segmenters' frame (normal tissue 1, some
2 mm in the slice):

- ``network``: the coarsest features of the shipped segmenter ``acute`` in each slice, what it has
  learned to see of tissue, fluid, lesion and artifact;
- ``encoder``: what the shipped encoder has learned without labels (:mod:`.encoder`), brain only;
- ``texture``: handcrafted and without any training, so that no network's blind spot is shared: quantiles
  of intensity and of ADC, strength of edges, and energy in bands of detail, of each slice's brain.

The network also says where lesion and tissues are, in the same way for real and synthetic images.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..cohort.case import Case
from ..schema import CLASS_ON_LEFT
from ..segment.predict import UNetSegmenter
from ..segment.preprocess import Prepared
from .encoder import shipped_encoder

Array = npt.NDArray[Any]

#: The extractors, as the report names them.
EXTRACTORS = ("network", "encoder", "texture")
#: The shipped segmenter.
MODEL = "acute"
#: Slices with less brain than this (share of the fullest slice) hold little to describe.
_LEAST_BRAIN = 0.25
_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_EDGE_QUANTILES = (0.5, 0.9, 0.98)
#: Widths (mm) between which bands of detail lie.
_BANDS = (0.0, 1.5, 3.0, 6.0, 12.0)


@dataclass(frozen=True)
class Described:
    """What a case looks like.

    Parameters
    ----------
    slices
        (slices, n) float32 by extractor, lowest slice first.
    tissue
        Classes of the schema (left ones for both sides), (x, y, z) uint8 in the frame, from the network.
    lesion
        What the network takes for a lesion (probability above one half, not calibrated), same shape, boolean.
    prepared
        The examination in that frame.
    """

    slices: dict[str, Array]
    tissue: Array | None
    lesion: Array
    prepared: Prepared

    def whole(self, extractor: str) -> Array:
        """One vector a case: means of the lower, middle and upper third of its slices."""
        thirds = np.array_split(self.slices[extractor], 3)
        filled = [part if len(part) else self.slices[extractor] for part in thirds]
        return np.concatenate([part.mean(axis=0) for part in filled]).astype(np.float32)


@lru_cache(maxsize=2)
def _network(device: str) -> UNetSegmenter:
    return UNetSegmenter.open(MODEL, device)


def describe(case: Case, device: str = "auto", *, with_adc: bool = True) -> Described:
    """Features of one case.

    Parameters
    ----------
    device
        Where the network computes.
    with_adc
        Whether its ADC is shown; off for all where one case has none, so that all are seen alike.
    """
    adc = case.adc if with_adc else None
    prepared, found = _network(device).examine(case.dwi, adc, tissue=True)
    area = prepared.brain.sum(axis=(0, 1))
    kept = np.flatnonzero(area >= _LEAST_BRAIN * max(int(area.max()), 1))
    texture = np.stack([_texture(prepared, int(z)) for z in kept])
    tissue = None
    if found.tissue is not None:
        tissue = np.array(CLASS_ON_LEFT, np.uint8)[found.tissue.transpose(1, 2, 0)]
    return Described(
        {
            "network": found.features[kept],
            "encoder": shipped_encoder().describe(prepared, kept),
            "texture": texture,
        },
        tissue,
        found.lesion.transpose(1, 2, 0) > 0,
        prepared,
    )


def _texture(prepared: Prepared, index: int) -> Array:
    """Handcrafted description of one slice of the frame."""
    brain, step = prepared.brain[:, :, index], prepared.frame.spacing[0]
    found = _statistics(prepared.dwi[:, :, index], brain, step)
    if prepared.adc is not None:
        adc = prepared.adc[:, :, index]
        found += _statistics(adc, brain, step)
        found.append(_correlation(prepared.dwi[:, :, index][brain], adc[brain]))
    other = prepared.mirrored_dwi[:, :, index]
    found.append(_correlation(prepared.dwi[:, :, index][brain], other[brain]))
    return np.array(found, np.float32)


def _statistics(image: Array, brain: Array, step: float) -> list[float]:
    """Quantiles, edges, and the logarithm of the energy in each band of detail."""
    values = [float(v) for v in np.quantile(image[brain], _QUANTILES)]
    inner = ndimage.binary_erosion(brain, iterations=2)
    inner = inner if inner.any() else brain
    slope = np.hypot(*np.gradient(image, step))
    values += [float(v) for v in np.quantile(slope[inner], _EDGE_QUANTILES)]
    smooth = [image if width == 0 else ndimage.gaussian_filter(image, width / step) for width in _BANDS]
    for finer, coarser in itertools.pairwise(smooth):
        values.append(float(np.log10(np.mean((finer - coarser)[inner] ** 2) + 1e-6)))
    return values


def _correlation(first: Array, second: Array) -> float:
    if first.std() < 1e-6 or second.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
