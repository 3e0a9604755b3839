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


def _weights(position: Array, count: int) -> Array:
    """Linear interpolation along one axis as a matrix (target, source); flat beyond the ends.

    ``position`` is in steps of the source, which has ``count`` points.
    """
    position = np.clip(position, 0, count - 1)
    lower = np.minimum(position.astype(int), count - 2)
    share = (position - lower).astype(np.float32)
    matrix = np.zeros((len(position), count), np.float32)
    rows = np.arange(len(position))
    matrix[rows, lower] = 1 - share
    matrix[rows, lower + 1] += share
    return matrix


def resample(values: Array, source: Lattice, target: Lattice) -> Array:
    """Values of ``source`` at the points of ``target``, trilinear, float32.

    ``values`` has shape (x, y, z) or (channel, x, y, z); beyond the edge the edge is continued.
    """
    x, y, z = ((target.axis(a) - source.low[a]) / source.step for a in range(3))
    return resample_axes(values if values.ndim == 4 else values[None], (x, y, z)).reshape(
        (*values.shape[:-3], *target.shape)
    )


def resample_axes(values: Array, positions: tuple[Array, Array, Array]) -> Array:
    """Values (channel, x, y, z) at every combination of positions along the axes, trilinear, float32.

    Positions are in voxels; beyond the edge the edge is continued. At least two voxels an axis.
    """
    parts: list[slice] = []
    matrices: list[Array] = []
    for position, count in zip(positions, values.shape[1:], strict=True):
        # Only the part that is needed: a box in a head is a small one.
        low = int(np.clip(np.floor(position.min()), 0, count - 2))
        high = int(np.clip(np.floor(position.max()) + 2, low + 2, count))
        parts.append(slice(low, high))
        matrices.append(_weights(position - low, high - low))
    x, y, z = matrices
    out = np.empty((len(values), len(x), len(y), len(z)), np.float32)
    for channel, array in enumerate(values[(slice(None), *parts)].astype(np.float32, copy=False)):
        step = np.tensordot(x, array, axes=(1, 0))
        step = np.matmul(y, step)
        np.matmul(step, z.T, out=out[channel])
    return out
