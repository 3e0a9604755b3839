"""The mid-sagittal plane, and the other hemisphere laid over this one.

A reader of a DWI compares left with right. The plane is found by maximizing the correlation of
the image with its reflection over yaw, roll and shift, on a coarse copy; then every image of the
examination is reflected through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .filters import Sampling, along_axes, gaussian_matrix, linear_matrix

Array = npt.NDArray[Any]
_COARSE_MM = 6.0
#: Largest yaw and roll that is looked for (radians, about 25 degrees).
_LARGEST_ANGLE = 0.44
#: The search ends within these of the optimum (radians and mm; correlation), or after so many trials.
_EXACT, _FLAT, _MOST_TRIALS = 2e-3, 1e-5, 150


@dataclass(frozen=True)
class MidPlane:
    """The plane of points x (mm, from the first voxel) with normal . x = distance."""

    normal: tuple[float, float, float]
    distance: float

    def reflection(self, shape: tuple[int, ...], spacing: tuple[float, float, float]) -> Sampling:
        """Where each voxel of an image of that grid comes from, seen through the plane."""
        n, mm = np.array(self.normal), np.array(spacing)
        matrix = (np.eye(3) - 2 * np.outer(n, n)) * mm[None, :] / mm[:, None]
        x, y, z = shape
        return Sampling.of(matrix, 2 * self.distance * n / mm, (x, y, z))

    def reflect(self, array: Array, spacing: tuple[float, float, float]) -> Array:
        """``array`` (x, y, z) as seen through the plane, float32; 0 where nothing is known."""
        return self.reflection(array.shape, spacing).apply(array)

    def left(self, shape: tuple[int, ...], spacing: tuple[float, float, float]) -> Array:
        """Boolean (x, y, z): which voxels of an image of that grid (RAS+) lie on the left of the plane."""
        i, j, k = (n * mm * np.arange(size) for n, mm, size in zip(self.normal, spacing, shape, strict=True))
        return np.asarray(i[:, None, None] + j[:, None] + k < self.distance)


def _plane(parameters: Array) -> MidPlane:
    yaw, roll, distance = (float(p) for p in parameters)
    normal = np.array([1.0, np.tan(yaw), np.tan(roll)])
    normal /= np.linalg.norm(normal)
    return MidPlane((float(normal[0]), float(normal[1]), float(normal[2])), distance)


def find_midplane(image: Array, spacing: tuple[float, float, float]) -> MidPlane:
    """Mid-sagittal plane of a brain image, RAS+ (first axis left to right).

    Parameters
    ----------
    image
        (x, y, z); 0 outside the brain; bright lesions clipped by the caller, for they are what
        is *not* symmetric.
    spacing
        Voxel size (mm).
    """
    mm = np.array(spacing)
    total = float(image.sum())
    coarse = along_axes(
        image,
        [
            linear_matrix(n, max(4, int(np.ceil(n * s / _COARSE_MM))), _COARSE_MM / s, 0.0, fade=False)
            @ gaussian_matrix(n, 0.5 * _COARSE_MM / s)
            for n, s in zip(image.shape, spacing, strict=True)
        ],
    )
    own = float(np.linalg.norm(coarse))
    center = np.array([np.average(np.arange(n), weights=image.sum(axis=tuple({0, 1, 2} - {a}))) * s
                       for a, (n, s) in enumerate(zip(image.shape, spacing, strict=True))]) \
        if total > 0 else np.array(image.shape) * mm / 2  # fmt: skip
    steps = (_COARSE_MM,) * 3

    def plane_of(p: Array) -> MidPlane:
        # Turned about the center of mass, so that angles and shift do not depend on each other.
        turned = _plane(np.array([p[0], p[1], 0.0]))
        return MidPlane(turned.normal, float(np.dot(turned.normal, center)) + float(p[2]))

    def cost(p: Array) -> float:
        if np.abs(p[:2]).max() > _LARGEST_ANGLE:
            return 1.0
        other = plane_of(p).reflect(coarse, steps)
        norm = own * float(np.linalg.norm(other))
        return -float(coarse.ravel() @ other.ravel()) / norm if norm > 0 else 0.0

    start = np.array([[0.0, 0.0, 0.0], [0.12, 0.0, 0.0], [0.0, 0.12, 0.0], [0.0, 0.0, 6.0]])
    return plane_of(_lowest(cost, start))


def _lowest(cost: Callable[[Array], float], simplex: Array) -> Array:
    """Parameters of (nearly) the lowest cost, by the simplex method (Nelder and Mead, Computer Journal 1965).

    Step for step what SciPy does, whose optimizers take longer to import than this takes to run.
    """
    trials = 0

    def tried(point: Array) -> tuple[float, Array]:
        nonlocal trials
        trials += 1
        return cost(point), point

    def by_cost(vertex: tuple[float, Array]) -> float:
        return vertex[0]

    vertices = [tried(point) for point in simplex]
    while trials < _MOST_TRIALS:
        vertices.sort(key=by_cost)
        costs, points = np.array([c for c, _ in vertices]), np.array([p for _, p in vertices])
        if np.abs(points - points[0]).max() <= _EXACT and np.abs(costs - costs[0]).max() <= _FLAT:
            break
        center = points[:-1].mean(axis=0)
        away = center - points[-1]
        new = tried(center + away)
        if new[0] < costs[0]:
            new = min(tried(center + 2 * away), new, key=by_cost)
        elif new[0] >= costs[-2]:
            # Nearer, on the better of the two sides.
            outer = new if new[0] < costs[-1] else vertices[-1]
            new = tried(center + (0.5 if new[0] < costs[-1] else -0.5) * away)
            if new[0] > outer[0]:
                vertices[1:] = [tried(points[0] + 0.5 * (p - points[0])) for p in points[1:]]
                continue
        vertices[-1] = new
    return min(vertices, key=by_cost)[1]
