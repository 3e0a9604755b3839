"""What a lesion does to the signal of the tissue it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..fields import smooth
from .texture import fit_texture, robust_sd

Array = npt.NDArray[Any]

_FEWEST_VOXELS = 8


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
    lesion: Array, log_b0: Array, adc: Array, expected_adc: Array, spacing: tuple[float, float, float],
    b0_noise: float, dwi_noise: float, dwi_level: float, b: float,
) -> LesionFit | None:  # fmt: skip
    """Statistics over the inner part of ``lesion`` (all of it when it is small); None when too small."""
    if lesion.sum() < _FEWEST_VOXELS:
        return None
    # Edge voxels are half tissue; the inner part tells the lesion's own values.
    inner = lesion & (smooth(lesion, 1.0 * min(spacing), spacing) > 0.75)
    inside = inner if inner.sum() >= 3 * _FEWEST_VOXELS else lesion
    ratio = np.log(np.clip(adc[inside], 0.1, None) / np.clip(expected_adc[inside], 0.3, None))
    signal = log_b0[inside]
    noise_adc = np.hypot(b0_noise, dwi_noise / max(dwi_level * 1.6, 1e-3)) / b / 0.6
    b0_spread = np.sqrt(max(robust_sd(signal) ** 2 - (b0_noise / 1.3) ** 2, 0.02**2))
    adc_spread = np.sqrt(max(robust_sd(ratio) ** 2 - noise_adc**2, 0.03**2))
    correlation = 0.0
    if signal.std() > 1e-6 and ratio.std() > 1e-6:
        correlation = float(np.clip(np.corrcoef(signal, ratio)[0, 1], -0.9, 0.9))
    across = int(np.argmax(spacing)) if max(spacing) > 1.2 * min(spacing) else 2
    axes = tuple(axis for axis in range(3) if axis != across)
    texture = fit_texture(log_b0, lesion, axes, spacing[axes[0]]) if lesion.sum() > 300 else None
    return LesionFit(
        float(np.median(signal)), float(np.median(ratio)), float(b0_spread), float(adc_spread),
        correlation, texture.length if texture else float("nan"), int(lesion.sum()),
    )  # fmt: skip
