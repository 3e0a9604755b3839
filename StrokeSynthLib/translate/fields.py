"""Random fields with a correlation length: white noise, smoothed, brought back to unit spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Standard deviations at which a smoothing kernel ends.
TRUNCATE = 3.0


def correlated_field(
    shape: tuple[int, ...], spacing: Sequence[float], length: float, rng: np.random.Generator
) -> Array:
    """Gaussian random field of mean 0 and standard deviation 1, float32.

    Parameters
    ----------
    shape
        Of the result (x, y, z).
    spacing
        Distance between voxels along each axis (mm).
    length
        L in the correlation exp(-d^2 / (2 L^2)) between points d apart (mm).
    """
    from scipy.ndimage import gaussian_filter

    white = rng.standard_normal(shape, dtype=np.float32)
    # White noise smoothed with s has the correlation exp(-d^2 / (4 s^2)), so s = L / sqrt(2).
    sigma = [length / np.sqrt(2.0) / step for step in spacing]
    field = gaussian_filter(white, sigma, mode="wrap", truncate=TRUNCATE)
    return np.asarray(field / max(float(field.std()), 1e-6), np.float32)


def smooth(array: Array, sigma_mm: Sequence[float] | float, spacing: Sequence[float]) -> Array:
    """Gaussian smoothing by a width in mm (one, or one an axis), float32."""
    from scipy.ndimage import gaussian_filter

    widths = [sigma_mm] * 3 if isinstance(sigma_mm, int | float) else list(sigma_mm)
    sigma = [width / step for width, step in zip(widths, spacing, strict=True)]
    return np.asarray(
        gaussian_filter(array.astype(np.float32, copy=False), sigma, mode="nearest", truncate=TRUNCATE)
    )


def smooth_within(
    arrays: Sequence[Array], mask: Array, sigma_mm: float, spacing: Sequence[float]
) -> list[Array]:
    """Smoothing of each of ``arrays`` that knows only the voxels of ``mask``; 0 outside of it."""
    if not mask.any():
        return [np.zeros(mask.shape, np.float32) for _ in arrays]
    weight = np.maximum(smooth(mask.astype(np.float32), sigma_mm, spacing), 1e-3)
    values = (smooth(np.where(mask, array, 0.0), sigma_mm, spacing) for array in arrays)
    return [np.where(mask, value / weight, 0.0).astype(np.float32) for value in values]
