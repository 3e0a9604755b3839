"""An anatomy: one head as a semantic map, and its place in standard space.

Standard space is that of the lesion masks and the arterial territories (MNI152, RAS mm).
Anything defined there (a lesion mask, a territory map) is brought to the anatomy by
:meth:`Anatomy.pull`, whatever made the correspondence: the population model that deformed a
new person out of the average, or a registration of the user's own label map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import INTRACRANIAL, PARENCHYMA
from ..volume import Grid
from .lattice import resample_axes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Correspondence:
    """Where each point of the anatomy lies in standard space.

    Parameters
    ----------
    coordinates
        (3, i, j, k) float32: standard-space RAS mm of the points of ``grid``; smooth, so a
        coarse grid (about 4 mm) is enough and is interpolated linearly.
    grid
        Place of these points in the anatomy's own space; covers the whole anatomy.
    """

    coordinates: Array
    grid: Grid

    def standard_points(self, grid: Grid) -> Array:
        """Standard-space RAS mm of every voxel center of ``grid``, shape (3, *grid.shape)."""
        return self.points_in(np.eye(4), grid)

    def points_in(self, frame: Array, grid: Grid) -> Array:
        """As :meth:`standard_points`, but in the voxels of a standard-space image of affine ``frame``."""
        back = np.linalg.inv(frame).astype(np.float32)
        # An affine mapping commutes with linear interpolation, and here are far fewer points.
        points = np.tensordot(back[:3, :3], self.coordinates, axes=1) + back[:3, 3][:, None, None, None]
        to_index = np.linalg.inv(self.grid.affine) @ grid.affine
        linear, shift = to_index[:3, :3], to_index[:3, 3]
        steps = np.diagonal(linear)
        if np.abs(linear - np.diag(steps)).max() < 1e-7 and min(self.grid.shape) > 1:
            x, y, z = (shift[a] + steps[a] * np.arange(grid.shape[a]) for a in range(3))
            return resample_axes(points, (x, y, z))
        from scipy.ndimage import affine_transform

        moved = [
            affine_transform(axis, linear, shift, grid.shape, order=1, mode="nearest", output=np.float32)
            for axis in points
        ]
        return np.stack(moved)


@dataclass(frozen=True)
class Anatomy:
    """One head, RAS+, about 1 mm.

    Parameters
    ----------
    labels
        uint8 classes of :mod:`StrokeSynthLib.schema` (no lesion), shape (x, y, z).
    affine
        (4, 4), voxel index to RAS mm.
    correspondence
        Its place in standard space.
    name
        Unique in its source ("training_seg_01", "person-0-000012").
    record
        What makes it again: source file and its hash, or model hash and seed.
    """

    labels: Array
    affine: Array
    correspondence: Correspondence
    name: str = "anatomy"
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        """Shape and place of the labels."""
        x, y, z = self.labels.shape
        return Grid((x, y, z), self.affine)

    @cached_property
    def parenchyma(self) -> Array:
        """Where an infarct can be, boolean, shape of ``labels``."""
        return np.asarray(_lookup(PARENCHYMA)[self.labels])

    @cached_property
    def intracranial(self) -> Array:
        """What a skull-stripped image keeps, boolean, shape of ``labels``."""
        return np.asarray(_lookup(INTRACRANIAL)[self.labels])

    def pull(self, values: Array, grid: Grid, *, onto: Grid | None = None, order: int = 1) -> Array:
        """Bring ``values`` on a standard-space ``grid`` to the anatomy's grid (or ``onto``).

        Outside ``grid`` the result is 0. Order 1 gives float32, order 0 keeps the type.
        """
        from scipy.ndimage import map_coordinates

        index = self.correspondence.points_in(grid.affine, onto or self.grid)
        source = values if order == 0 else values.astype(np.float32, copy=False)
        return np.asarray(map_coordinates(source, index, order=order, mode="constant", cval=0))


def _lookup(classes: tuple[int, ...]) -> Array:
    table = np.zeros(256, bool)
    table[list(classes)] = True
    return table
