"""Balls in standard space, for tests of what is learned from masks."""

from __future__ import annotations

import numpy as np

from StrokeSynthLib.volume import Grid

SHAPE = (78, 94, 68)
GRID = Grid(SHAPE, np.array([[2.0, 0, 0, -77], [0, 2.0, 0, -112], [0, 0, 2.0, -50], [0, 0, 0, 1]]))


def ball(center: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    """A ball in standard space on :data:`GRID`."""
    axes = np.meshgrid(*(np.arange(n) * 2.0 for n in SHAPE), indexing="ij")
    points = np.stack(axes) + GRID.affine[:3, 3][:, None, None, None]
    return np.linalg.norm(points - np.array(center)[:, None, None, None], axis=0) <= radius_mm
