"""Skull stripping as tools do it: a smooth hull that follows the brain, not quite perfectly.

Tools keep brain, ventricles and the fluid in sulci, and cut off most of the fluid under the skull.
The hull is a level of the smoothed brain; the level varies from place to place, so that here a rim of fluid
stays and there a little cortex is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import INTRACRANIAL, PARENCHYMA, VENTRICLES, classes_of
from .fields import linear_weights, smooth_noise

Array = npt.NDArray[Any]

#: Size of the sulci that the hull closes (mm, width of the box that smooths, applied twice).
CLOSING_MM = 7.0
_BRAIN = (*PARENCHYMA, *VENTRICLES)
_BONE = classes_of("skull", "soft-tissue", "scalp", "eye", "air")


def brain_mask(semantic_map: Array, spacing: tuple[float, ...], level: float, seed: int) -> Array:
    """Boolean hull of the brain in a map of classes; ``level`` 0.3 (generous) to 0.6 (tight)."""
    from scipy.ndimage import uniform_filter

    tables = np.zeros((3, 256), np.float32)
    tables[0, list(_BRAIN)] = 1.0
    tables[1, list(INTRACRANIAL)] = 1.0
    smooth = tables[0][semantic_map]
    for _ in range(2):
        smooth = uniform_filter(smooth, [max(1, round(CLOSING_MM / s)) for s in spacing], mode="constant")
    shape = semantic_map.shape
    coarse = tuple(int(np.ceil(n * s / 15.0)) + 2 for n, s in zip(shape, spacing, strict=True))
    noise = smooth_noise(np.random.default_rng(seed), coarse, 0.8)
    weights = [linear_weights(np.arange(n) * s / 15.0, c) for n, s, c in zip(shape, spacing, coarse, strict=True)]
    uneven = np.einsum("xa,yb,zc,abc->xyz", *weights, noise, optimize=True)
    hull = smooth > level + 0.06 * uneven
    return np.asarray(hull & (tables[1][semantic_map] > 0))
