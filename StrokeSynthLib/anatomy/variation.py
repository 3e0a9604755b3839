"""Slight, smooth, fold-free variation of a head, so that one map serves several cases."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..volume import Storage, Volume
from .anatomy import Anatomy, Correspondence
from .deformation import displace, exponential
from .labels import crop_to_head
from .lattice import Lattice, resample

Array = npt.NDArray[Any]

#: Standard deviations: log size, tilt (degrees), velocity (mm); correlation length (mm).
SCALE_SD, TILT_SD, VELOCITY_SD, VELOCITY_LENGTH = 0.02, 4.0, 2.0, 22.0
STEP = 4.0


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
    points = np.tensordot(back, own.points() - middle.astype(np.float32)[:, None, None, None], axes=1)
    points = displace(points + middle.astype(np.float32)[:, None, None, None], *_field(variation, own))

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
    position = resample(points, own, fine)
    to_index = np.linalg.inv(anatomy.affine).astype(np.float32)
    index = np.tensordot(to_index[:3, :3], position, axes=1) + to_index[:3, 3][:, None, None, None]
    nearest = np.rint(index).astype(np.int32)
    inside = np.ones(fine.shape, bool)
    flat = np.zeros(fine.shape, np.int32)
    for axis, n in enumerate(anatomy.labels.shape):
        inside &= (nearest[axis] >= 0) & (nearest[axis] < n)
        flat = flat * n + nearest[axis]
    return anatomy.labels.ravel()[flat * inside] * inside, fine.affine
