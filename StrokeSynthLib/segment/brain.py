"""Where the brain is in a DWI, and how bright its normal tissue is.

Works with the skull present or removed, with a background of zeros, noise or slightly negative
values, and whatever the size of a lesion: the scale is the *mode* of the brain's intensities,
which a bright lesion or a dark ventricle does not move, unlike a mean or a percentile.

1. Smooth, take the root (so that a bright lesion does not attract the threshold), Otsu.
2. Mode of the smoothed intensities above it, of their brighter part where that is as large as a
   brain (skull present): normal parenchyma, about 1 after division.
3. Brain: the largest component above half the mode, closed, filled, and widened a little for
   the sulcal fluid, which is darker than half the tissue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .filters import dilated, eroded, filled_slices, gaussian, gaussian_matrix, largest_component, opened

Array = npt.NDArray[Any]

#: A foreground smaller than this (ml) is a lesion or a hot spot, not a brain.
SMALLEST_BRAIN_ML = 300.0
#: A bright part larger than this (ml) is a brain within a head, not a lesion within a brain.
LARGEST_LESION_ML = 700.0
_BINS = 256
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Brain:
    """What :func:`find_brain` found.

    Parameters
    ----------
    mask
        Boolean, shape of the image: brain, ventricles and a rim of about 6 mm.
    scale
        Intensity of normal parenchyma, in the image's units.
    spread
        Robust standard deviation of parenchyma, as a share of ``scale``.
    """

    mask: Array
    scale: float
    spread: float


def _flat(low: float, high: float) -> bool:
    """Whether values in between are the same but for rounding."""
    return high - low <= _ROUNDING * max(abs(low), abs(high))


def otsu(values: Array) -> float:
    """Threshold that best separates ``values`` in two classes (Otsu, IEEE Trans. SMC 1979).

    Of values that are all the same the largest, above which there is nothing.
    """
    if _flat(float(values.min()), float(values.max())):
        return float(values.max())
    counts, edges = np.histogram(values, _BINS)
    centers = (edges[:-1] + edges[1:]) / 2
    weight = counts.cumsum()
    total = np.cumsum(counts * centers)
    rest = weight[-1] - weight
    with np.errstate(divide="ignore", invalid="ignore"):
        between = weight * rest * (total / weight - (total[-1] - total) / rest) ** 2
    return float(edges[1 + int(np.nanargmax(between[:-1]))])


def mode(values: Array) -> float:
    """Most frequent value, from a smoothed histogram."""
    top = float(np.percentile(values, 99.5))
    low = float(values.min())
    if _flat(low, top):
        return top
    counts, edges = np.histogram(values, _BINS, (low, top))
    peak = int(np.argmax(gaussian_matrix(_BINS, _BINS / 50) @ counts))
    return float((edges[peak] + edges[peak + 1]) / 2)


def find_brain(dwi: Array, spacing: tuple[float, float, float]) -> Brain:
    """Find the brain in a DWI of any intensity unit.

    Parameters
    ----------
    dwi
        Trace image (x, y, z), RAS+; b of about 1000 s/mm^2.
    spacing
        Voxel size (mm).

    Returns
    -------
    Brain
        With the whole image as mask when there is nothing that looks like a brain.
    """
    positive = np.clip(dwi, 0, None).astype(np.float32, copy=False)
    smoothed = gaussian(positive, [2.0 / s for s in spacing])
    root = np.sqrt(smoothed)
    if not root.max() > 0:
        return Brain(np.ones(dwi.shape, bool), 1.0, 1.0)
    voxel_ml = float(np.prod(spacing)) / 1000.0
    threshold = otsu(root)
    # A very bright spot can be what Otsu separates: then look among the darker voxels.
    for _ in range(3):
        if (root > threshold).sum() * voxel_ml >= SMALLEST_BRAIN_ML:
            break
        threshold = otsu(root[root <= threshold])
    if not (root > threshold).any():
        return Brain(np.ones(dwi.shape, bool), float(smoothed.max()), 1.0)
    scale = _tissue_mode(root[root > threshold], voxel_ml)
    mask = largest_component(opened(smoothed > 0.5 * scale))
    if mask is None:
        return Brain(np.ones(dwi.shape, bool), scale, 1.0)
    # Once more within that component: noise, scalp and mucosa are gone.
    core = eroded(mask)
    scale = mode(smoothed[core if core.any() else mask])
    values = positive[mask] / scale
    below = values[values < 1.0]
    # From the lower side only: lesions are on the upper one.
    spread = 1.4826 * float(np.median(1.0 - below[below > 0.5])) if (below > 0.5).any() else 0.1
    return Brain(_filled(mask, spacing), scale, max(spread, 0.02))


def _tissue_mode(root: Array, voxel_ml: float) -> float:
    """Mode of the brain among foreground intensities (their roots).

    The scalp's intensities are fewer but closer together than the brain's, so that they can be the
    mode of the whole head. The brighter part is tried instead while it is as large as a brain or a
    good share of the foreground, which a lesion is not.
    """
    scale = mode(root**2)
    for _ in range(2):
        bright = root[root > otsu(root)]
        large = bright.size > 0.35 * root.size or bright.size * voxel_ml > LARGEST_LESION_ML
        if not large or mode(bright**2) < 1.5 * scale:
            break
        root, scale = bright, mode(bright**2)
    return scale


def _filled(mask: Array, spacing: tuple[float, float, float]) -> Array:
    """Close sulci, fill ventricles slice by slice, widen by about 6 mm in the slice plane."""
    reach = max(1, round(6.0 / spacing[0]))
    disk = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= reach
    padded = np.pad(mask, ((reach, reach), (reach, reach), (0, 0)))
    return filled_slices(dilated(padded, disk[:, :, None]))[reach:-reach, reach:-reach]
