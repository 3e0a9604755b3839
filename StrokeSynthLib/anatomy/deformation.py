"""Smooth, fold-free deformation: stationary velocity fields and their exponential.

A velocity field v is integrated to a displacement u, exp(v)(x) = x + u(x), by scaling and
squaring (Arsigny et al., MICCAI 2006): exp(v) = exp(v / 2^n) composed with itself n times. The
result has an inverse, exp(-v), and a positive Jacobian determinant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .lattice import Lattice

Array = npt.NDArray[Any]


def exponential(velocity: Array, lattice: Lattice) -> Array:
    """Displacement field of a velocity field.

    Parameters
    ----------
    velocity
        (3, x, y, z) in mm, on ``lattice``.

    Returns
    -------
    Array
        Displacement (3, x, y, z) in mm, float32.
    """
    fastest = float(np.abs(velocity).max())
    # The first step must be small against the lattice: less than an eighth of a cell.
    squarings = max(0, int(np.ceil(np.log2(max(fastest, 1e-6) / lattice.step * 8))))
    displacement: Array = (velocity / 2**squarings).astype(np.float32)
    index = np.indices(lattice.shape, dtype=np.float32)
    for _ in range(squarings):
        displacement = displacement + _at(displacement, index + displacement / np.float32(lattice.step))
    return displacement


def displace(points: Array, displacement: Array, lattice: Lattice) -> Array:
    """Points (3, ...) in mm moved by a displacement field given on ``lattice``, float32."""
    low = np.array(lattice.low, np.float32).reshape(3, *[1] * (points.ndim - 1))
    return np.asarray(points + _at(displacement, (points - low) / np.float32(lattice.step)), np.float32)


def jacobian_determinant(coordinates: Array, step: float) -> Array:
    """Determinant of the derivative of a mapping sampled every ``step`` mm, shape (x, y, z)."""
    derivative = np.empty((*coordinates.shape[1:], 3, 3), np.float32)
    for row in range(3):
        for column, slope in enumerate(np.gradient(coordinates[row], step)):
            derivative[..., row, column] = slope
    return np.asarray(np.linalg.det(derivative))


def _at(field: Array, index: Array) -> Array:
    from scipy.ndimage import map_coordinates

    return np.stack([map_coordinates(axis, index, order=1, mode="nearest") for axis in field])
