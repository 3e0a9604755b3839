"""The folded ribbon of a person: white matter, cortex and sulcal fluid as level sets.

In the model's region map the ribbon's four parts (left and right, cerebrum and cerebellum) have
codes of their own past the schema's classes; here they become classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import CLASSES, INDEX, classes_of
from .lattice import Lattice, resample

Array = npt.NDArray[Any]

#: Region codes: (cerebrum left, right, cerebellum left, right).
RIBBON_CODES = tuple(len(CLASSES) + i for i in range(4))
_PREFIXES = ("left-", "right-", "left-cerebellum-", "right-cerebellum-")

_VENTRICLES = classes_of("lateral-ventricle")


def _may_open(side: int) -> Array:
    """Table of the region codes of a side that a ventricle may grow into."""
    table = np.zeros(256, bool)
    table[RIBBON_CODES[side]] = True
    table[[pair[side] for pair in map(classes_of, ("caudate", "thalamus", "lateral-ventricle"))]] = True
    return table


_MAY_OPEN = (_may_open(0), _may_open(1))

#: Correlation length of the coefficients of the modes over the brain (mm, Gaussian sigma).
COEFFICIENT_LENGTH = 14.0
#: Correlation length of the fine noise (mm, Gaussian sigma): half the width of a gyrus.
NOISE_LENGTH = 2.6
#: Correlation length of where hyperintensities are (mm, Gaussian sigma).
SPOT_LENGTH = 3.5
#: Threshold on the frequency score for hyperintensities at load 0, and its fall per unit of load.
SPOT_THRESHOLD, SPOT_SLOPE = 0.4, 0.55
#: Distance that stands for "outside the brain" where no values are stored (mm).
BEYOND_MM = 6.0


@dataclass(frozen=True)
class RibbonFields:
    """The model's fields of the ribbon; channels are signed distances in mm to
    the white-matter, the pial and the lateral ventricles' surface, negative inside.

    Parameters
    ----------
    mask
        Boolean on the ribbon lattice: where values are stored.
    mean, age, residual
        (3, points): average, change per unit of age, standard deviation not in the modes.
    modes
        (modes, 3, points), scaled to one standard deviation.
    hyperintensity
        (points,): frequency score of white-matter hyperintensities (normal quantile).
    """

    mask: Array
    mean: Array
    age: Array
    modes: Array
    residual: Array
    hyperintensity: Array


class Ribbon:
    """Draws the ribbon inside the model's region map."""

    def __init__(self, standard: Lattice, lattice: Lattice, fields: RibbonFields) -> None:
        self._lattice, self._fields = lattice, fields
        start = [round((a - b) / standard.step) for a, b in zip(lattice.low, standard.low, strict=True)]
        n = [
            min(int((k - 1) * lattice.step / standard.step) + 1, full - first)
            for k, full, first in zip(lattice.shape, standard.shape, start, strict=True)
        ]
        self._box = tuple(slice(a, a + b) for a, b in zip(start, n, strict=True))
        self._fine = Lattice(lattice.low, standard.step, (n[0], n[1], n[2]))

    def labels(self, regions: Array, age: float, load: float, rng: np.random.Generator | None) -> Array:
        """The region map with the ribbon drawn in, uint8 classes; without ``rng`` the average's."""
        white, pial, ventricle = self._level_sets(age, rng)
        labels = regions.copy()
        part = labels[self._box]
        inner = self._fine_values(white) < 0
        outer = self._fine_values(pial) < 0
        # Cortex is never absent between white matter and fluid: one voxel at least.
        outer |= _grown(inner)
        fluid = self._fine_values(ventricle) < 0
        spots = self._spots(load, rng)
        # Side and leave to become ventricle are looked up before codes turn into classes.
        opened = [fluid & table[part] for table in _MAY_OPEN]
        closed = [~fluid & (part == number) for number in _VENTRICLES]
        for code, prefix in zip(RIBBON_CODES, _PREFIXES, strict=True):
            region = part == code
            part[region] = INDEX["csf"]
            part[region & outer] = INDEX[prefix + "cortex"]
            part[region & inner] = INDEX[prefix + "white-matter"]
            if spots is not None and code in RIBBON_CODES[:2]:
                part[region & inner & spots] = INDEX[prefix + "white-matter-hyperintensity"]
        for number, prefix, was, now in zip(_VENTRICLES, _PREFIXES[:2], closed, opened, strict=True):
            part[was] = INDEX[prefix + "white-matter"]
            part[now] = number
        return labels

    def _level_sets(self, age: float, rng: np.random.Generator | None) -> Array:
        fields = self._fields
        values = fields.mean + np.float32(age) * fields.age
        if rng is None:
            return values
        for mode in fields.modes:
            values += self._smooth_noise(rng, COEFFICIENT_LENGTH) * mode
        values += self._smooth_noise(rng, NOISE_LENGTH) * fields.residual
        return values

    def _smooth_noise(self, rng: np.random.Generator, length: float) -> Array:
        """A random field of unit variance at the points of the mask."""
        from scipy.ndimage import gaussian_filter

        # Long correlations are drawn on a coarser lattice, which is the same and much faster.
        step = max(self._lattice.step, length / 2)
        high = np.array(self._lattice.low) + self._lattice.step * (np.array(self._lattice.shape) - 1)
        coarse = Lattice.covering(np.array(self._lattice.low), high, step)
        noise = gaussian_filter(
            rng.standard_normal(coarse.shape).astype(np.float32), length / step, mode="wrap"
        )
        noise /= noise.std()
        if step > self._lattice.step:
            noise = resample(noise, coarse, self._lattice)
        return np.asarray(noise[self._fields.mask])

    def _spots(self, load: float, rng: np.random.Generator | None) -> Array | None:
        if rng is None:
            return None
        score = self._fields.hyperintensity + self._smooth_noise(rng, SPOT_LENGTH)
        return np.asarray(self._fine_values(score - SPOT_THRESHOLD + SPOT_SLOPE * load) > 0)

    def _fine_values(self, values: Array) -> Array:
        dense = np.full(self._lattice.shape, BEYOND_MM, np.float32)
        dense[self._fields.mask] = values
        return resample(dense, self._lattice, self._fine)


def _grown(mask: Array) -> Array:
    """The mask and its six neighbors."""
    out = mask.copy()
    for axis in range(3):
        first = [slice(None)] * 3
        second = [slice(None)] * 3
        first[axis], second[axis] = slice(1, None), slice(None, -1)
        out[tuple(first)] |= mask[tuple(second)]
        out[tuple(second)] |= mask[tuple(first)]
    return np.asarray(out)
