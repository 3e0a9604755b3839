"""Brightening by susceptibility near the skull base is no lesion unless its ADC is low.

Air in the sinuses and in the petrous bone bends the field; echo-planar images pile signal up at the
brain's underside, in DWI and b0 alike, so that ADC stays normal there (:mod:`..scanner.susceptibility`).
Rule: a marked component near the skull base counts as a lesion only if its median ADC is below 0.85 of the
other side's, or of normal tissue's where that is higher (the other side may be low by chance, fluid, or
marked itself). Without ADC nothing tells the two apart and every component stays.

By the other side alone the rule lost 2 of the 15 true components that the shipped network marks there in 112
simulated examinations (ADC 0.69 and 0.76 of normal tissue's) and removed 2 of 6 false ones; so it loses and
removes none. Of 332 false components of a threshold on DWI alone it removes 197, by the other side alone 209.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import TISSUES
from .filters import components, dilated
from .preprocess import Prepared

Array = npt.NDArray[Any]

#: Median ADC of a lesion as a share of the other side's or of normal tissue's, at most.
HIGHEST_RATIO = 0.85
#: The skull base: within this distance (mm) of what is no brain, and so far below the vertex (mm). The
#: orbital and temporal undersides lie 85 to 130 mm below it; the rest is for heads that are nodded.
REACH_MM, BELOW_VERTEX_MM = 10.0, 75.0
#: Share of a component in that zone from which on it is judged.
_MOSTLY = 0.5
#: ADC that brain tissue, healthy or not, can have (10^-3 mm^2/s).
_TISSUE_ADC = (0.3, 1.5)
#: DWI (normal tissue 1) of air and bone, where no map names them; fluid has 0.2 and more.
_NOTHING_DWI = 0.12
#: The brain's mask reaches so far beyond the brain (mm).
_MASK_RIM_MM = 6.0
_AROUND = ("air", "skull", "soft-tissue", "scalp", "eye", "mucosa")


def drop_susceptibility(mask: Array, prepared: Prepared, tissue: Array | None = None) -> Array:
    """A lesion mask without the components near the skull base whose ADC is not low.

    Parameters
    ----------
    mask
        (x, y, z) in the canonical frame, not 0 where lesion.
    prepared
        The examination there; without ADC the mask stays as it is.
    tissue
        (x, y, z) uint8 numbers of :data:`..schema.TISSUES` in that frame, or None: it tells bone and air
        within the head from fluid, which DWI alone does not always.

    Returns
    -------
    Array
        uint8.
    """
    kept = np.asarray(mask > 0)
    if prepared.adc is None or not kept.any():
        return kept.astype(np.uint8)
    zone = skull_base(prepared, tissue)
    parts, sizes = components(kept, diagonal=True)
    inside = np.bincount(parts.ravel(), zone.ravel(), len(sizes))
    ratios = _Ratios(prepared, kept)
    for number in np.flatnonzero((sizes > 0) & (inside >= _MOSTLY * sizes)):
        component = parts == number
        if ratios.of(component) >= HIGHEST_RATIO:
            kept &= ~component
    return kept.astype(np.uint8)


def without_susceptibility(
    probability: Array, prepared: Prepared, tissue: Array | None, threshold: float
) -> Array:
    """A probability map in which what :func:`drop_susceptibility` drops stays below the threshold.

    As the map is decided only on the grid of the DWI, this is how the rule reaches the mask: what is
    dropped remains a possibility, but is not marked.

    Parameters
    ----------
    probability
        (x, y, z) in the canonical frame.
    threshold
        From which on the map is lesion.
    """
    marked = probability >= threshold
    dropped = marked & (drop_susceptibility(marked, prepared, tissue) == 0)
    if not dropped.any():
        return probability
    limit = np.float32(0.98 * threshold)
    return np.where(dropped, np.minimum(probability, limit), probability)


def skull_base(prepared: Prepared, tissue: Array | None = None) -> Array:
    """Where susceptibility brightens: low in the head and close to bone or air, boolean (x, y, z)."""
    spacing, brain = prepared.frame.spacing, prepared.brain
    if tissue is None:
        outside = _widened(~brain, _MASK_RIM_MM, spacing, in_plane=True) | (prepared.dwi < _NOTHING_DWI)
    else:
        outside = ~brain | np.isin(tissue, [TISSUES.index(name) for name in _AROUND])
    # What lies above and below the picture is not known to be bone.
    low = np.zeros_like(brain)
    slices = np.flatnonzero(brain.any(axis=(0, 1)))
    if slices.size:
        low[:, :, : max(0, int(slices[-1] + 1 - BELOW_VERTEX_MM / spacing[2]))] = True
    return _widened(outside, REACH_MM, spacing, in_plane=False) & low & brain


def _widened(mask: Array, reach_mm: float, spacing: tuple[float, float, float], *, in_plane: bool) -> Array:
    """``mask`` widened by about ``reach_mm``: an octagon in the plane, and along the slices."""
    result = mask
    x, y, z = (int(reach_mm / s) for s in spacing)
    # A diamond and a square, each of about half the reach, make an octagon.
    cross = np.zeros((3, 3, 1), bool)
    cross[1, :, 0] = cross[:, 1, 0] = True
    for step in range(min(x, y)):
        result = dilated(result, np.ones((3, 3, 1), bool) if step % 5 < 2 else cross)
    if not in_plane and z:
        result = dilated(result, np.ones((1, 1, 2 * z + 1), bool))
    return result


class _Ratios:
    """ADC of components against the other side's."""

    def __init__(self, prepared: Prepared, mask: Array) -> None:
        assert prepared.adc is not None
        assert prepared.mirrored_adc is not None
        self._adc, self._other = prepared.adc, prepared.mirrored_adc
        low, high = _TISSUE_ADC
        # The other side is no measure where it is fluid, outside, or marked itself.
        mirrored = prepared.plane.reflect(mask.astype(np.float32), prepared.frame.spacing)
        self._usable = (mirrored < 0.25) & (self._other > low) & (self._other < high)
        normal = prepared.brain & ~mask & (self._adc > low) & (self._adc < high)
        normal &= (prepared.dwi > 0.7) & (prepared.dwi < 1.3)
        self._usual = float(np.median(self._adc[normal])) if normal.any() else 0.0

    def of(self, component: Array) -> float:
        """Median ADC over the higher one of the other side's, where it is a measure, and normal tissue's."""
        own = self._adc[component & (self._adc > 0)]
        if own.size == 0:
            return 0.0
        there = component & self._usable
        enough = int(there.sum()) >= max(3, 0.3 * own.size)
        other = float(np.median(self._other[there])) if enough else 0.0
        reference = max(other, self._usual)
        return float(np.median(own)) / reference if reference > 0 else 0.0
