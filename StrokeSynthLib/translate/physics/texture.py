"""Noise and texture told apart by their correlation: the variogram.

Half the mean squared difference of voxels h apart is n^2 + s^2 (1 - exp(-h^2 / (2 L^2))): white
noise n adds at every distance, texture s only beyond its correlation length L.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_LAGS = (1, 2, 3, 4, 6, 8)
#: Correlation lengths that are tried (voxels).
_LENGTHS = (0.8, 1.2, 1.8, 2.5, 3.5, 5.0)
_FEWEST_PAIRS = 50
#: Turns the median of |x| into a standard deviation of normal x.
_MEDIAN_TO_SD = 1.0 / 0.6745


@dataclass(frozen=True)
class Texture:
    """Standard deviation of noise and of texture, and the texture's correlation length (mm)."""

    noise: float
    spread: float
    length: float


def robust_sd(values: Array) -> float:
    """Standard deviation from the median absolute deviation."""
    return float(_MEDIAN_TO_SD * np.median(np.abs(values - np.median(values)))) if values.size else 0.0


def fit_texture(residual: Array, mask: Array, axes: tuple[int, ...], step: float) -> Texture | None:
    """Fit the variogram of ``residual`` inside ``mask`` along ``axes`` (``step`` mm a voxel).

    None when the mask is too small.
    """
    from scipy.optimize import nnls

    lags, gammas = [], []
    for lag in _LAGS:
        differences = [_differences(residual, mask, axis, lag) for axis in axes]
        values = np.concatenate(differences)
        if values.size >= _FEWEST_PAIRS:
            lags.append(lag)
            gammas.append((_MEDIAN_TO_SD * float(np.median(np.abs(values)))) ** 2 / 2.0)
    if len(lags) < 3:
        return None
    h = np.array(lags, float)
    best: tuple[float, float, float, float] | None = None
    for length in _LENGTHS:
        design = np.stack([np.ones_like(h), 1.0 - np.exp(-(h**2) / (2.0 * length**2))], 1)
        (nugget, sill), error = nnls(design, np.array(gammas))
        if best is None or error < best[0]:
            best = (float(error), float(nugget), float(sill), length)
    assert best is not None
    return Texture(float(np.sqrt(best[1])), float(np.sqrt(best[2])), best[3] * step)


def _differences(residual: Array, mask: Array, axis: int, lag: int) -> Array:
    if residual.shape[axis] <= lag:
        return np.empty(0, np.float32)
    first = [slice(None)] * residual.ndim
    second = list(first)
    first[axis], second[axis] = slice(None, -lag), slice(lag, None)
    both = mask[tuple(first)] & mask[tuple(second)]
    return np.asarray((residual[tuple(second)] - residual[tuple(first)])[both])
