"""Bringing something defined in standard space to a part of an anatomy's grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..schema import INDEX
from ..volume import Grid

Array = npt.NDArray[Any]
Box = tuple[slice, slice, slice]


def box_of_standard_region(anatomy: Anatomy, low: Array, high: Array, margin_mm: float) -> Box | None:
    """Voxels of the anatomy that may lie between two standard-space corners (RAS mm).

    Read off the coarse correspondence, so it costs next to nothing; ``margin_mm`` is added in
    the anatomy's own space on top of one step of that grid. None when nothing lies there.
    """
    coordinates, grid = anatomy.correspondence.coordinates, anatomy.correspondence.grid
    step = np.array(grid.spacing)
    # A point between two nodes may be inside though both nodes are outside: widen by a step.
    reach = 1.5 * step.max()
    inside = np.ones(coordinates.shape[1:], bool)
    for axis in range(3):
        inside &= (coordinates[axis] >= low[axis] - reach) & (coordinates[axis] <= high[axis] + reach)
    nodes = np.argwhere(inside)
    if nodes.size == 0:
        return None
    ends = np.array([nodes.min(axis=0), nodes.max(axis=0)], float)
    corners = Grid((2, 2, 2), grid.affine @ _between(ends[0], ends[1])).corners()
    return _voxel_box(anatomy, corners, margin_mm)


def box_around_point(anatomy: Anatomy, voxel: Array, radius_mm: float) -> Box:
    """Voxels within ``radius_mm`` along each axis of a voxel of the anatomy."""
    spacing = np.array(anatomy.grid.spacing)
    low = np.floor(voxel - radius_mm / spacing).astype(int)
    high = np.ceil(voxel + radius_mm / spacing).astype(int) + 1
    return _clipped(low, high, anatomy.labels.shape)


def grid_of_box(anatomy: Anatomy, box: Box, stride: int = 1) -> Grid:
    """The grid of the voxels in a box, or of every ``stride``-th of them."""
    affine = np.array(anatomy.affine, float)
    affine[:3, 3] += affine[:3, :3] @ np.array([s.start for s in box])
    affine[:3, :3] *= stride
    x, y, z = ((s.stop - s.start + stride - 1) // stride for s in box)
    return Grid((x, y, z), affine)


def solid_brain(labels: Array, parenchyma: Array, sulcus_voxels: int) -> Array:
    """Parenchyma with narrow sulci filled: what standard space calls brain.

    CSF of the subarachnoid space (never ventricles) counts as brain when a closing of
    ``sulcus_voxels`` reaches it, which is a sulcus up to about twice that wide.
    """
    from scipy.ndimage import binary_closing, generate_binary_structure

    if sulcus_voxels <= 0:
        return parenchyma
    pad = sulcus_voxels + 1
    closed = binary_closing(
        np.pad(parenchyma, pad), generate_binary_structure(3, 2), iterations=sulcus_voxels
    )[pad:-pad, pad:-pad, pad:-pad]
    return np.asarray(parenchyma | (closed & (labels == INDEX["csf"])))


def _between(low: Array, high: Array) -> Array:
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag(high - low)
    matrix[:3, 3] = low
    return matrix


def _voxel_box(anatomy: Anatomy, corners: Array, margin_mm: float) -> Box | None:
    inverse = np.linalg.inv(anatomy.affine)
    voxels = corners @ inverse[:3, :3].T + inverse[:3, 3]
    margin = margin_mm / np.array(anatomy.grid.spacing)
    low = np.floor(voxels.min(axis=0) - margin).astype(int)
    high = np.ceil(voxels.max(axis=0) + margin).astype(int) + 1
    if (high <= 0).any() or (low >= anatomy.labels.shape).any():
        return None
    return _clipped(low, high, anatomy.labels.shape)


def _clipped(low: Array, high: Array, shape: tuple[int, ...]) -> Box:
    x, y, z = (slice(max(0, int(a)), min(n, int(b))) for a, b, n in zip(low, high, shape, strict=True))
    return x, y, z
