"""The mid-sagittal plane, and the other hemisphere laid over this one.

A reader of a DWI compares left with right. The plane is found by maximizing the correlation of
the image with its reflection over yaw, roll and shift, on a coarse copy; then every image of the
examination is reflected through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_COARSE_MM = 6.0
#: Largest yaw and roll that is looked for (radians, about 25 degrees).
_LARGEST_ANGLE = 0.44


@dataclass(frozen=True)
class MidPlane:
    """The plane of points x (mm, from the first voxel) with normal . x = distance."""

    normal: tuple[float, float, float]
    distance: float

    def reflect(self, array: Array, spacing: tuple[float, float, float]) -> Array:
        """``array`` (x, y, z) as seen through the plane, float32; 0 where nothing is known."""
        from scipy.ndimage import affine_transform

        n, mm = np.array(self.normal), np.array(spacing)
        matrix = (np.eye(3) - 2 * np.outer(n, n)) * mm[None, :] / mm[:, None]
        offset = 2 * self.distance * n / mm
        values = array.astype(np.float32, copy=False)
        return np.asarray(affine_transform(values, matrix, offset, order=1, mode="constant", cval=0.0))


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
    from scipy.ndimage import affine_transform, gaussian_filter
    from scipy.optimize import minimize

    mm = np.array(spacing)
    total = float(image.sum())
    shape = [max(4, int(np.ceil(n * s / _COARSE_MM))) for n, s in zip(image.shape, spacing, strict=True)]
    blurred = gaussian_filter(image.astype(np.float32, copy=False), 0.5 * _COARSE_MM / mm)
    coarse = affine_transform(blurred, _COARSE_MM / mm, 0.0, tuple(shape), order=1)
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
        norm = float(np.linalg.norm(coarse) * np.linalg.norm(other))
        return -float((coarse * other).sum()) / norm if norm > 0 else 0.0

    start = np.array([[0.0, 0.0, 0.0], [0.12, 0.0, 0.0], [0.0, 0.12, 0.0], [0.0, 0.0, 6.0]])
    options = {"initial_simplex": start, "xatol": 2e-3, "fatol": 1e-5, "maxfev": 150}
    found = minimize(cost, start[0], method="Nelder-Mead", options=options)
    return plane_of(found.x)
