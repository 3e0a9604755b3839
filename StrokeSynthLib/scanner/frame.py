"""Where the slices lie: from the scanner's field of view to the anatomy's voxels.

Positions in the field of view are mm from its corner along x (to the right), y (to the front) and
z (up, the slice axis) of the canonical image; the head may be turned in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..volume import Grid

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Frame:
    """Geometry of one acquisition.

    Parameters
    ----------
    shape
        Image voxels (x, y, slices).
    cells
        Object cells in plane (x, y), an integer number per image voxel.
    size
        Field of view in plane and height of the slab (mm).
    slice_centers
        Height of each slice's center (mm).
    profile
        Heights of the sub-planes of a slice relative to its center (mm), and their weights.
    to_voxel
        (4, 4), from field-of-view mm to voxel index of the anatomy.
    scanner_affine
        (4, 4), from image voxel index to the scanner's RAS mm.
    anatomy_from_scanner
        (4, 4), from the scanner's RAS mm to the anatomy's.
    """

    shape: tuple[int, int, int]
    cells: tuple[int, int]
    size: tuple[float, float, float]
    slice_centers: Array
    profile: tuple[Array, Array]
    to_voxel: Array
    scanner_affine: Array
    anatomy_from_scanner: Array

    def nodes(self, step: float) -> Grid:
        """Coarse grid over the field of view, as voxels of the anatomy's index space."""
        shape = tuple(int(np.ceil(s / step)) + 2 for s in self.size)
        scale = np.diag([step, step, step, 1.0])
        # Half a step before the corner, so that the nodes surround the field of view.
        scale[:3, 3] = -step / 2
        return Grid((shape[0], shape[1], shape[2]), self.to_voxel @ scale)


def rotation(degrees: tuple[float, float, float]) -> Array:
    """Rotation around x, then y, then z, (3, 3)."""
    x, y, z = np.deg2rad(degrees)
    around_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    around_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    around_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray(around_z @ around_y @ around_x)


def slice_profile(thickness: float) -> tuple[Array, Array]:
    """Sub-planes of one slice, 1 to 1.5 mm apart: a box with softened edges."""
    count = max(2, round(thickness / 1.35))
    heights = ((np.arange(count) + 0.5) / count - 0.5) * thickness * (1.0 + 0.5 / count)
    weights = np.ones(count)
    if count > 2:
        weights[[0, -1]] = 0.75
    return heights, weights / weights.sum()


def place(
    anatomy: Anatomy,
    *,
    matrix: int,
    interpolation: int,
    fov: float,
    thickness: float,
    gap: float,
    slices: int,
    head_rotation: tuple[float, float, float],
    slice_rotation: tuple[float, float, float],
    offset: tuple[float, float, float],
) -> Frame:
    """Lay the slices over the brain of ``anatomy``; angles in degrees, lengths in mm.

    The slab is centered on the brain plus ``offset``. A slab that is shorter than the brain
    is moved up so that the vertex is in it, as technicians do.
    """
    pitch = thickness + gap
    size = (fov, fov, slices * pitch)
    turn = rotation(head_rotation) @ rotation(slice_rotation)

    brain = np.argwhere(anatomy.parenchyma[::4, ::4, ::4]) * 4.0
    if not len(brain):
        brain = np.array([[0.0, 0.0, 0.0], [n - 1.0 for n in anatomy.labels.shape]])
    points = (brain @ anatomy.affine[:3, :3].T + anatomy.affine[:3, 3]) @ turn
    # Every fourth voxel was looked at; the brain may reach a little further.
    low, high = points.min(axis=0), points.max(axis=0) + 3.0 * np.array(anatomy.grid.spacing)
    middle = (low + high) / 2 + np.array(offset)
    if size[2] < high[2] - low[2] + 2 * pitch:
        middle[2] = high[2] + 0.8 * pitch + 0.3 * offset[2] - size[2] / 2

    corner = middle - np.array(size) / 2
    fov_to_anatomy = np.eye(4)
    fov_to_anatomy[:3, :3] = turn
    fov_to_anatomy[:3, 3] = turn @ corner

    # The scanner sees its own slices turned by slice_rotation only; isocenter is the brain's middle.
    count = matrix * interpolation
    voxel = fov / count
    oblique = rotation(slice_rotation)
    scanner = np.eye(4)
    scanner[:3, :3] = oblique
    scanner[:3, 3] = oblique @ (corner - (low + high) / 2)
    index_to_fov = np.diag([voxel, voxel, pitch, 1.0])
    index_to_fov[:3, 3] = (voxel / 2, voxel / 2, pitch / 2)
    return Frame(
        shape=(count, count, slices),
        cells=(2 * matrix, 2 * matrix),
        size=size,
        slice_centers=(np.arange(slices) + 0.5) * pitch,
        profile=slice_profile(thickness),
        to_voxel=np.linalg.inv(anatomy.affine) @ fov_to_anatomy,
        scanner_affine=scanner @ index_to_fov,
        anatomy_from_scanner=fov_to_anatomy @ np.linalg.inv(scanner),
    )
