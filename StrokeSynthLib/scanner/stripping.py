"""Skull stripping as tools do it: a smooth hull that follows the brain, not quite perfectly.

Tools keep brain, ventricles and the fluid in sulci, and cut off most of the fluid under the skull.
The hull is a level of the smoothed brain, without holes and in one piece. The level varies from place
to place, so that here a rim of fluid stays and there a little cortex is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import PARENCHYMA, VENTRICLES
from .fields import linear_weights, smooth_noise

Array = npt.NDArray[Any]

#: Spacing of the grid on which the hull is made (mm), and width of the smoothing kernel (standard deviation).
STEP, SMOOTHING_MM = 3.0, 3.2


def brain_mask(semantic_map: Array, spacing: tuple[float, ...], level: float, seed: int) -> Array:
    """Boolean hull of the brain in a map of classes; ``level`` 0.3 (generous) to 0.6 (tight)."""
    from scipy.ndimage import binary_fill_holes, gaussian_filter, label

    table = np.zeros(256, np.float32)
    table[[*PARENCHYMA, *VENTRICLES]] = 1.0
    counts = [max(2, round(n * s / STEP)) for n, s in zip(semantic_map.shape, spacing, strict=True)]
    # Positions in both grids run from edge to edge; the way down averages, the way up interpolates.
    down = [_averaging(n, c) for n, c in zip(semantic_map.shape, counts, strict=True)]
    up = [linear_weights((np.arange(n) + 0.5) * c / n - 0.5, c) for n, c in zip(semantic_map.shape, counts, strict=True)]
    coarse = _separable(table[semantic_map], down)
    steps = [n * s / c for n, s, c in zip(semantic_map.shape, spacing, counts, strict=True)]
    smooth = gaussian_filter(coarse, [SMOOTHING_MM / s for s in steps], mode="nearest")

    pieces, number = label(smooth > level)
    if number == 0:
        return np.zeros(semantic_map.shape, bool)
    largest = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    holes = binary_fill_holes(largest) & ~largest
    smooth = np.where(holes, 1.0, np.where((pieces > 0) & ~largest, 0.0, smooth))
    uneven = 0.07 * smooth_noise(np.random.default_rng(seed), smooth.shape, 12.0 / STEP)
    return np.asarray(_separable((smooth - uneven).astype(np.float32), up) > level)


def _averaging(fine: int, coarse: int) -> Array:
    """Matrix (coarse, fine) that averages, each fine sample shared between its neighbors."""
    weights = linear_weights((np.arange(fine) + 0.5) * coarse / fine - 0.5, coarse).T
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-6))


def _separable(values: Array, matrices: list[Array]) -> Array:
    """Apply one matrix per axis."""
    for axis, matrix in enumerate(matrices):
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(values)
