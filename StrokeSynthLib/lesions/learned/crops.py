"""Real lesions as the learned models see them: each connected piece in a crop of signed distance.

1. A lesion is its **pieces** (26-neighbors) of 10 mm^3 and more. Each is a draw of one shape model; how many
   there are, how they share the volume and how they lie to each other is drawn apart (:mod:`.arrangement`).
   A model of whole lesions would lose the small pieces: beside a large one they are smaller than a voxel.
2. A piece gets a cube of :data:`SIZE` voxels around the center of its bounding box. The cube grows with
   the piece: its longest side fills :data:`FILLED` voxels, so that a lacune and an infarct of the whole
   middle cerebral territory are both sharp. A voxel is never smaller than :data:`SMALLEST_MM`.
3. The crop holds the signed distance to the piece's surface, **positive inside**, in voxels of the crop,
   over :data:`REACH` and clipped to -1 ... 1.
4. All pieces lie on the left: those with their center on the right are mirrored.

What is known of a piece when it is drawn, its **conditions**, is the vector of :func:`conditions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...volume import Grid
from ..statistics import SMALLEST_COUNTED_ML, bounding_box, pieces
from ..territories import ARTERIES, PARTS, TerritoryAtlas

Array = npt.NDArray[Any]

SIZE = 32
FILLED = 26
REACH = 4.0
SMALLEST_MM = 0.5
#: Names of the conditions; see :func:`conditions`.
CONDITIONS: tuple[str, ...] = (
    "log_volume", "log_extent", "fill", "x", "y", "z", "x2", "y2", "z2", "near_midline", *ARTERIES,
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """One connected piece of an infarct, on the left side of standard space.

    Parameters
    ----------
    person
        Whose mask it comes from.
    center
        Center of the bounding box (RAS mm), x <= 0.
    extent_mm
        Longest side of the bounding box.
    volume_ml
        In standard space.
    mirrored
        Whether it was on the right.
    arteries
        Share in each of :data:`..territories.ARTERIES`.
    crop
        (SIZE, SIZE, SIZE) float16 signed distance, positive inside, -1 ... 1.
    """

    person: str
    center: tuple[float, float, float]
    extent_mm: float
    volume_ml: float
    mirrored: bool
    arteries: tuple[float, ...]
    crop: Array

    @property
    def conditions(self) -> Array:
        """What a model is told of it."""
        return conditions(np.array(self.center), self.extent_mm, self.volume_ml, np.array(self.arteries))


def voxel_mm(extent_mm: float) -> float:
    """Edge of a crop's voxel for a piece of that extent (mm)."""
    return max(extent_mm / FILLED, SMALLEST_MM)


def conditions(center: Array, extent_mm: float, volume_ml: float, arteries: Array) -> Array:
    """The vector of :data:`CONDITIONS`, each about -1 ... 1, float32.

    ``fill`` is the logarithm of the share of the cube of the extent that the piece fills; artery shares
    come last. ``x`` is negative (left).
    """
    x, y, z = (float(v) for v in center / 50.0)
    fill = np.log(volume_ml * 1000.0 / extent_mm**3)
    near_midline = float(np.exp(-((x * 50.0 / 12.0) ** 2)))
    values = [np.log(volume_ml) / 3.0 - 0.3, np.log(extent_mm) - 3.4, fill + 2.0, x + 0.6, y + 0.4, z,
              (x + 0.6) ** 2, (y + 0.4) ** 2, z**2, near_midline, *arteries]  # fmt: skip
    return np.asarray(np.clip(np.array(values, np.float32), -4.0, 4.0))


def crop_points(center: Array, step_mm: float) -> Array:
    """Standard-space points (3, SIZE**3) of a crop's voxels, RAS mm, in the order of a raveled array."""
    offsets = (np.arange(SIZE) - (SIZE - 1) / 2.0) * step_mm
    axes = np.meshgrid(offsets, offsets, offsets, indexing="ij")
    moved = np.stack([axis.ravel() for axis in axes]) + np.asarray(center, float)[:, None]
    return np.asarray(moved)


def crop_grid(center: Array, step_mm: float, mirrored: bool) -> Grid:
    """The crop's grid in standard space; mirrored: brought back to the right."""
    affine = np.diag([step_mm, step_mm, step_mm, 1.0])
    affine[:3, 3] = np.asarray(center, float) - (SIZE - 1) / 2.0 * step_mm
    if mirrored:
        affine = np.diag([-1.0, 1.0, 1.0, 1.0]) @ affine
    return Grid((SIZE, SIZE, SIZE), affine)


def pieces_of(mask: Array, grid: Grid, person: str, atlas: TerritoryAtlas) -> list[Piece]:
    """The pieces of a mask (boolean, on a standard-space grid) of 10 mm^3 and more, the largest first."""
    labels, counts = pieces(mask)
    kept = np.flatnonzero(counts * grid.voxel_ml >= SMALLEST_COUNTED_ML)
    found = [_piece(labels == number, grid, person, atlas) for number in kept]
    return sorted(found, key=lambda piece: -piece.volume_ml)


def _piece(member: Array, grid: Grid, person: str, atlas: TerritoryAtlas) -> Piece:
    affine, box = grid.affine, bounding_box(member)
    ends = np.array([[s.start - 0.5 for s in box], [s.stop - 0.5 for s in box]])
    corners = ends @ affine[:3, :3].T + affine[:3, 3]
    center, extent = corners.mean(axis=0), float(np.abs(corners[1] - corners[0]).max())
    step = voxel_mm(extent)
    mirrored = bool(center[0] > 0)
    points = crop_points(np.zeros(3), step)
    points[0] *= -1.0 if mirrored else 1.0
    crop = signed_distance(member, affine, grid.spacing, points + center[:, None], step)
    inside = affine[:3, :3] @ np.array(np.nonzero(member)) + affine[:3, 3:]
    shares = atlas.site_of_points(inside).shares
    x, y, z = (float(v) for v in center)
    return Piece(
        person, (-abs(x), y, z), extent, float(member.sum() * grid.voxel_ml), mirrored,
        tuple(sum(shares[p] for p in parts) for parts in ARTERIES.values()), crop,
    )  # fmt: skip


def signed_distance(
    member: Array, affine: Array, spacing: tuple[float, float, float], points: Array, step_mm: float
) -> Array:
    """Signed distance to a mask's surface at points (3, SIZE**3), in crop voxels over REACH, float16."""
    from scipy.ndimage import distance_transform_edt, map_coordinates

    # Only the surroundings that the clipped distance can see are transformed.
    margin = int(np.ceil((REACH + 2.0) * max(step_mm, max(spacing)) / min(spacing))) + 2
    box = bounding_box(member)
    part = np.pad(member[box], margin)
    half = min(spacing) / 2.0
    outward = distance_transform_edt(~part, sampling=spacing)
    inward = np.zeros(part.shape)
    inward[(slice(margin, -margin),) * 3] = distance_transform_edt(np.pad(member[box], 1), sampling=spacing)[
        1:-1, 1:-1, 1:-1
    ]
    # Distances are between voxel centers; the surface lies half a voxel before the next one.
    distance = np.where(part, inward - half, half - outward).astype(np.float32)
    inverse = np.linalg.inv(affine)
    index = inverse[:3, :3] @ points + inverse[:3, 3:]
    index -= np.array([[s.start - margin] for s in box])
    sampled = map_coordinates(distance, index, order=1, mode="nearest")
    crop = np.clip(sampled / (REACH * step_mm), -1.0, 1.0).astype(np.float16)
    return np.asarray(crop.reshape(SIZE, SIZE, SIZE))


def arteries_at(points: Array, atlas: TerritoryAtlas) -> Array:
    """Mean share in each of :data:`..territories.ARTERIES` over standard-space points (3, n)."""
    both = atlas.sample(atlas.sided.sum(axis=0), points)
    total = both.sum(axis=0)
    inside = total > 0.02
    if not inside.any():
        return np.full(len(ARTERIES), 1.0 / len(ARTERIES))
    shares = (both[:, inside] / total[inside]).mean(axis=1)
    rows = {part: row for row, part in enumerate(PARTS)}
    sums = np.array([shares[[rows[p] for p in parts]].sum() for parts in ARTERIES.values()])
    return np.asarray(sums / sums.sum())
