"""What a lesion does to the signal of the tissue it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..fields import smooth
from ..geometry import slice_axis
from .texture import fit_texture, robust_sd

Array = npt.NDArray[Any]

_FEWEST_VOXELS = 8
_ENOUGH_FOR_LENGTH = 300


@dataclass(frozen=True)
class LesionRatios:
    """Log of observed over expected, voxel by voxel: of b0, and of ADC."""

    b0: Array
    adc: Array


@dataclass(frozen=True)
class LesionFit:
    """One lesion against the tissue it is in.

    Parameters
    ----------
    log_b0, log_adc
        Log of the ratio to what the tissue would have had, median over the lesion.
    b0_spread, adc_spread
        Standard deviation of both within the lesion, without the noise.
    correlation
        Of the two within the lesion.
    length_mm
        Correlation length of the variation; NaN when the lesion is too small to tell.
    """

    log_b0: float
    log_adc: float
    b0_spread: float
    adc_spread: float
    correlation: float
    length_mm: float
    voxels: int


def fit_lesion(
    lesion: Array, ratios: LesionRatios, spacing: tuple[float, float, float], noise: tuple[float, float]
) -> LesionFit | None:
    """Statistics over the inner part of ``lesion`` (all of it when it is small); None when too small.

    ``noise``: standard deviation that noise alone gives to the two ratios in tissue.
    """
    if lesion.sum() < _FEWEST_VOXELS:
        return None
    # Edge voxels are half tissue; the inner part tells the lesion's own values.
    inner = lesion & (smooth(lesion, 1.0 * min(spacing), spacing) > 0.75)
    inside = inner if inner.sum() >= 3 * _FEWEST_VOXELS else lesion
    signal, ratio = ratios.b0[inside], ratios.adc[inside]
    b0_spread = np.sqrt(max(robust_sd(signal) ** 2 - noise[0] ** 2, 0.02**2))
    adc_spread = np.sqrt(max(robust_sd(ratio) ** 2 - noise[1] ** 2, 0.03**2))
    correlation = 0.0
    if signal.std() > 1e-6 and ratio.std() > 1e-6:
        correlation = float(np.clip(np.corrcoef(signal, ratio)[0, 1], -0.9, 0.9))
    across = slice_axis(spacing)
    axes = tuple(axis for axis in range(3) if axis != across)
    texture = (
        fit_texture(ratios.b0, lesion, axes, spacing[axes[0]]) if lesion.sum() > _ENOUGH_FOR_LENGTH else None
    )
    return LesionFit(
        float(np.median(signal)), float(np.median(ratio)), float(b0_spread), float(adc_spread),
        correlation, texture.length if texture else float("nan"), int(lesion.sum()),
    )  # fmt: skip
