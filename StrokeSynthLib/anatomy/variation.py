"""Slight, smooth, fold-free variation of a head, so that one map serves several cases."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..volume import Storage, Volume
from .anatomy import Anatomy, Correspondence
from .deformation import exponential
from .labels import crop_to_head
from .lattice import Lattice, resample, resample_axes

Array = npt.NDArray[Any]

#: Standard deviations: log size, tilt (degrees), velocity (mm); correlation length (mm).
SCALE_SD, TILT_SD, VELOCITY_SD, VELOCITY_LENGTH = 0.02, 4.0, 2.0, 22.0
STEP = 4.0
#: Planes that are read at a time, so that index arrays stay in the cache.
SLAB = 8


@dataclass(frozen=True)
class Variation:
    """What was drawn; the same values give the same head.

    Parameters
    ----------
    scales
        Size along x, y, z.
    tilt
        Rotation about x, y, z (degrees).
    field_seed
        Seed of the smooth velocity field.
    """

    scales: tuple[float, float, float]
    tilt: tuple[float, float, float]
    field_seed: int


def draw_variation(rng: np.random.Generator) -> Variation:
    """Draw how a head is varied."""
    scales = np.exp(SCALE_SD * np.clip(rng.standard_normal(3), -2, 2))
    tilt = TILT_SD * np.clip(rng.standard_normal(3), -2, 2)
    a, b, c = (round(float(s), 4) for s in scales)
    d, e, f = (round(float(t), 3) for t in tilt)
    return Variation((a, b, c), (d, e, f), int(rng.integers(2**31)))


def apply_variation(anatomy: Anatomy, variation: Variation) -> Anatomy:
    """The head bent as drawn; its correspondence goes with it exactly."""
    from scipy.spatial.transform import Rotation

    corners = anatomy.grid.corners()
    middle = corners.mean(axis=0)
    matrix = Rotation.from_euler("xyz", variation.tilt, degrees=True).as_matrix() @ np.diag(variation.scales)
    moved = (corners - middle) @ matrix.T + middle
    own = Lattice.covering(np.floor(moved.min(0)) - STEP, moved.max(0) + STEP, STEP)
    back = np.linalg.inv(matrix).astype(np.float32)
    center = middle.astype(np.float32)[:, None, None, None]
    displacement, coarse = _field(variation, own)
    points = own.points() + resample(displacement, coarse, own)
    points = np.tensordot(back, points - center, axes=1) + center

    standard = _standard(anatomy.correspondence, points)
    labels, affine = _read(anatomy, own, points)
    head = crop_to_head(Volume(labels, affine, Storage("uint8")))
    record = {**anatomy.record, "variation": asdict(variation)}
    return Anatomy(head.array, head.affine, Correspondence(standard, own.grid), anatomy.name, record)


def varied(anatomy: Anatomy, rng: np.random.Generator) -> Anatomy:
    """Draw and apply."""
    return apply_variation(anatomy, draw_variation(rng))


def _standard(correspondence: Correspondence, points: Array) -> Array:
    """Standard-space positions of points of the anatomy, (3, x, y, z).

    What is interpolated is the displacement, so that beyond the edge of the correspondence the
    mapping goes on instead of standing still.
    """
    from scipy.ndimage import map_coordinates

    affine = correspondence.grid.affine
    index = np.indices(correspondence.grid.shape, dtype=np.float32)
    own = np.tensordot(affine[:3, :3], index, axes=1) + affine[:3, 3][:, None, None, None]
    back = np.linalg.inv(affine)
    at = np.tensordot(back[:3, :3], points, axes=1) + back[:3, 3][:, None, None, None]
    moved = [map_coordinates(axis, at, order=1, mode="nearest") for axis in correspondence.coordinates - own]
    return np.asarray(points + np.stack(moved), np.float32)


def _field(variation: Variation, own: Lattice) -> tuple[Array, Lattice]:
    from scipy.ndimage import gaussian_filter

    high = np.array(own.low) + own.step * (np.array(own.shape) - 1)
    coarse = Lattice.covering(np.array(own.low), high, 8.0)
    rng = np.random.default_rng(variation.field_seed)
    velocity = np.empty((3, *coarse.shape), np.float32)
    for axis in velocity:
        noise = gaussian_filter(rng.standard_normal(axis.shape).astype(np.float32), VELOCITY_LENGTH / 16)
        axis[:] = VELOCITY_SD * noise / noise.std()
    return exponential(velocity, coarse), coarse


def _read(anatomy: Anatomy, own: Lattice, points: Array) -> tuple[Array, Array]:
    """Labels of the nearest voxel, at the anatomy's own finest spacing, and their affine."""
    spacing = min(anatomy.grid.spacing)
    high = np.array(own.low) + own.step * (np.array(own.shape) - 1)
    fine = Lattice.covering(np.array(own.low), high, spacing)
    to_index = np.linalg.inv(anatomy.affine).astype(np.float32)
    index = np.tensordot(to_index[:3, :3], points, axes=1) + to_index[:3, 3][:, None, None, None]
    near = _near_head(anatomy, index)
    # A border of air takes whatever falls outside; 1 for the border, 0.5 for cutting to be rounding.
    source = np.pad(anatomy.labels, 1)
    index += np.float32(1.5)
    labels = np.zeros(fine.shape, np.uint8)
    ratio = spacing / own.step
    for first in range(0, fine.shape[0], SLAB):
        end = min(first + SLAB, fine.shape[0])
        lines = near[int(first * ratio) : int(np.ceil((end - 1) * ratio)) + 1].any(axis=0)
        box = [slice(first, end)]
        for other, n in ((1, fine.shape[1]), (0, fine.shape[2])):
            found = np.flatnonzero(np.any(lines, axis=other))
            low, up = (found[0], found[-1]) if found.size else (0, -1)
            box.append(slice(int(low / ratio), min(n, int(np.ceil(up / ratio)) + 1)))
        x, y, z = (np.arange(part.start, part.stop) * ratio for part in box)
        if len(y) and len(z):
            labels[tuple(box)] = _nearest(source, resample_axes(index, (x, y, z)))
    return labels, fine.affine


def _near_head(anatomy: Anatomy, index: Array) -> Array:
    """Whether a head's voxel may lie within a cell of each coarse point (voxels, (3, x, y, z))."""
    from scipy.ndimage import maximum_filter

    block = 4
    shape = np.array(anatomy.labels.shape)
    padded = np.pad(anatomy.labels, [(0, int(-n % block)) for n in shape])
    i, j, k = (n // block for n in padded.shape)
    filled = padded.reshape(i, block, j, block, k, block).any(axis=(1, 3, 5))
    # The diagonal of a cell, half as long again where the head is stretched.
    reach = int(np.ceil(1.5 * np.sqrt(3) * STEP / min(anatomy.grid.spacing) / block))
    filled = maximum_filter(np.pad(filled, reach), 2 * reach + 1, mode="constant")
    at = np.floor(index / block).astype(np.int32) + reach
    inside = np.all([(a >= 0) & (a < n) for a, n in zip(at, filled.shape, strict=True)], axis=0)
    return np.asarray(filled[tuple(at * inside)] & inside)


def _nearest(source: Array, index: Array) -> Array:
    """Values of ``source`` at ``index`` (3, ...), cut to whole numbers and to its size."""
    flat = np.zeros(index.shape[1:], np.int32)
    for axis, n in enumerate(source.shape):
        np.clip(index[axis], 0, n - 1, out=index[axis])
        flat *= n
        flat += index[axis].astype(np.int32)
    return np.asarray(source.ravel().take(flat))
