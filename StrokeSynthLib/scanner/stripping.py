"""Skull stripping as tools do it: a smooth hull that follows the brain, not quite perfectly.

Tools keep brain, ventricles and the fluid in sulci, and cut off most of the fluid under the skull.
The hull closes sulci and fissures, has no holes and is in one piece. Its level varies from place
to place, so that here a rim of fluid stays and there a little cortex is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import INTRACRANIAL, PARENCHYMA, VENTRICLES
from .fields import linear_weights, smooth_noise

Array = npt.NDArray[Any]

#: Spacing of the grid on which the hull is made (mm), and half the width of sulci that it closes (steps).
STEP, CLOSING = 3.0, 3


def brain_hull(semantic_map: Array, spacing: tuple[float, ...], seed: int) -> Array:
    """Smooth membership of the brain's hull in a map of classes: 0.5 at its middle level, 1 inside."""
    from scipy.ndimage import binary_closing, binary_fill_holes, gaussian_filter, label

    table = np.zeros((2, 256), np.float32)
    table[0, [*PARENCHYMA, *VENTRICLES]] = 1.0
    table[1, list(INTRACRANIAL)] = 1.0
    counts = [max(2, round(n * s / STEP)) for n, s in zip(semantic_map.shape, spacing, strict=True)]
    # Positions in both grids run from edge to edge; the way down averages, the way up interpolates.
    down = [_averaging(n, c) for n, c in zip(semantic_map.shape, counts, strict=True)]
    up = [
        linear_weights((np.arange(n) + 0.5) * c / n - 0.5, c)
        for n, c in zip(semantic_map.shape, counts, strict=True)
    ]
    brain, cavity = (_separable(row[semantic_map], down) > 0.5 for row in table)

    closed = binary_closing(np.pad(brain, CLOSING + 1), iterations=CLOSING)
    inner = (slice(CLOSING + 1, -CLOSING - 1),) * 3
    closed = binary_fill_holes((closed[inner] & cavity) | brain)
    pieces, number = label(closed)
    if number == 0:
        return np.zeros(semantic_map.shape, np.float32)
    largest = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    smooth = gaussian_filter(largest.astype(np.float32), 1.0, mode="nearest")
    uneven = (
        0.35 * smooth * (1 - smooth) * smooth_noise(np.random.default_rng(seed), smooth.shape, 12.0 / STEP)
    )
    return _separable((smooth - uneven).astype(np.float32), up)


def stripped(image: Array, hull: Array, level: float, *, resampled: bool) -> Array:
    """``image`` inside the ``level`` (0.3 generous, 0.6 tight) of ``hull``, 0 outside.

    ``resampled``: as published sets that were resampled after stripping: voxels at the edge are
    mixed with the zeros beside them, and the spline leaves small negative values around the brain.
    """
    if not resampled:
        return np.asarray(np.where(hull > level, image, np.float32(0)))
    share = np.clip((hull - level) / 0.16 + 0.5, 0.0, 1.0)
    ring = (share == 0.0) & (hull > level - 0.14)
    return np.asarray(np.where(ring, np.float32(-0.01) * image, image * share), np.float32)


def _averaging(fine: int, coarse: int) -> Array:
    """Matrix (coarse, fine) that averages, each fine sample shared between its neighbors.

    Along thick slices the hull's grid is the finer one; there it interpolates.
    """
    if coarse >= fine:
        return linear_weights((np.arange(coarse) + 0.5) * fine / coarse - 0.5, fine)
    weights = linear_weights((np.arange(fine) + 0.5) * coarse / fine - 0.5, coarse).T
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-6))


def _separable(values: Array, matrices: list[Array]) -> Array:
    """Apply one matrix per axis."""
    for axis, matrix in enumerate(matrices):
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(values)
