"""Regular lattices in standard space, and moving values between them.

A lattice is an axis-aligned grid. Going from a coarse lattice to a finer axis-aligned one is
separable, so it is done as three small matrix products, which is several times faster than
general interpolation and gives the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..volume import Grid

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Lattice:
    """Points ``low + step * (i, j, k)``, RAS mm.

    Parameters
    ----------
    low
        Position of the first point (mm).
    step
        Distance between neighbors, the same along all axes (mm).
    shape
        Number of points along x, y, z.
    """

    low: tuple[float, float, float]
    step: float
    shape: tuple[int, int, int]

    @property
    def affine(self) -> Array:
        """(4, 4), index to RAS mm."""
        affine = np.diag([self.step, self.step, self.step, 1.0])
        affine[:3, 3] = self.low
        return affine

    @property
    def grid(self) -> Grid:
        """The same as a :class:`Grid`."""
        return Grid(self.shape, self.affine)

    def axis(self, number: int) -> Array:
        """Coordinates along one axis (mm)."""
        return self.low[number] + self.step * np.arange(self.shape[number])

    def points(self) -> Array:
        """RAS mm of all points, shape (3, x, y, z), float32."""
        axes = [self.axis(a).astype(np.float32) for a in range(3)]
        return np.stack(np.meshgrid(*axes, indexing="ij"))

    @classmethod
    def covering(cls, low: Array, high: Array, step: float) -> Lattice:
        """The smallest lattice from ``low`` that reaches ``high`` (mm)."""
        n = np.ceil((np.asarray(high) - low) / step - 1e-6).astype(int) + 1
        x, y, z = (float(v) for v in low)
        return cls((x, y, z), float(step), (int(n[0]), int(n[1]), int(n[2])))

    def as_config(self) -> dict[str, Any]:
        """What :meth:`from_config` reads."""
        return {"low": list(self.low), "step": self.step, "shape": list(self.shape)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Lattice:
        """A lattice from a model's configuration."""
        x, y, z = (float(v) for v in config["low"])
        i, j, k = (int(v) for v in config["shape"])
        return cls((x, y, z), float(config["step"]), (i, j, k))


def _weights(source: Array, target: Array) -> Array:
    """Linear interpolation along one axis as a matrix (target, source); flat beyond the ends."""
    position = np.clip((target - source[0]) / (source[1] - source[0]), 0, len(source) - 1)
    lower = np.minimum(position.astype(int), len(source) - 2)
    share = (position - lower).astype(np.float32)
    matrix = np.zeros((len(target), len(source)), np.float32)
    rows = np.arange(len(target))
    matrix[rows, lower] = 1 - share
    matrix[rows, lower + 1] += share
    return matrix


def resample(values: Array, source: Lattice, target: Lattice) -> Array:
    """Values of ``source`` at the points of ``target``, trilinear, float32.

    ``values`` has shape (x, y, z) or (channel, x, y, z); beyond the edge the edge is continued.
    """
    single = values.ndim == 3
    work = values[None] if single else values
    x, y, z = (_weights(source.axis(a), target.axis(a)) for a in range(3))
    out = np.empty((len(work), *target.shape), np.float32)
    for channel, array in enumerate(work.astype(np.float32, copy=False)):
        step = np.tensordot(x, array, axes=(1, 0))
        step = np.matmul(y, step)
        np.matmul(step, z.T, out=out[channel])
    return out[0] if single else out
