"""Boxes of voxels: what changed, how far it reaches, and where a box lies in a larger one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .fields import TRUNCATE

Array = npt.NDArray[Any]
Box = tuple[slice, ...]


def whole(shape: Sequence[int]) -> Box:
    """The box of all voxels."""
    return tuple(slice(0, n) for n in shape)


def changed(before: Array, after: Array) -> Box | None:
    """The smallest box that holds every voxel that differs; None when none does."""
    different = before != after
    box = []
    for axis in range(different.ndim):
        hit = np.flatnonzero(different.any(axis=tuple(a for a in range(different.ndim) if a != axis)))
        if hit.size == 0:
            return None
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
        different = different[(slice(None),) * axis + (box[-1],)]  # less to look through along the next axis
    return tuple(box)


def grown(box: Box, reach: Sequence[int], shape: Sequence[int]) -> Box:
    """``box`` with ``reach`` voxels more on each side, inside an array of ``shape``."""
    return tuple(
        slice(max(s.start - r, 0), min(s.stop + r, n)) for s, r, n in zip(box, reach, shape, strict=True)
    )


def within(box: Box, outer: Box) -> Box:
    """Where ``box`` lies in an array that was cut to ``outer``."""
    return tuple(slice(s.start - o.start, s.stop - o.start) for s, o in zip(box, outer, strict=True))


def reach_of(sigma_mm: Sequence[float] | float, spacing: Sequence[float]) -> tuple[int, ...]:
    """Voxels along each axis that :func:`.fields.smooth` looks at on either side."""
    widths = [sigma_mm] * len(spacing) if isinstance(sigma_mm, int | float) else list(sigma_mm)
    return tuple(int(TRUNCATE * width / step + 0.5) for width, step in zip(widths, spacing, strict=True))


def sliced(array: Array, axis: int) -> Array:
    """The same array with each of its slices together in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, axis, 0)), 0, axis)
