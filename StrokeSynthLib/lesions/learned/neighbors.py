"""Where the further pieces of a lesion lie to those that are there already.

A further piece is nearer to the others than chance, and more often in the same artery. Its gap from the
surface of the larger ones is drawn first, as often as it was seen on that side of a largest piece of that
size (a ratio to chance would not do: near a small piece is little room, so that chance puts nothing there).
Where at that gap it lies follows the map of further pieces, times how much more often than by that map alone
they lie in the largest one's artery or another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..territories import ARTERIES, PARTS, SIZES_ML, TerritoryAtlas
from .crops import Piece, crop_points, voxel_mm

Array = npt.NDArray[Any]

#: Gaps (mm) between a piece and the larger ones, as if it were a ball.
EDGES_MM = np.array([1.0, 3.0, 5.0, 7.0, 9.0, 12.0, 16.0, 22.0, 30.0, 42.0, 60.0])
#: Further than this nothing is measured.
_FURTHEST_MM = 75.0
#: Counts that are added before the ratio is taken.
_PRIOR = 0.3


class Hemisphere:
    """Voxels of the left half of the atlas: where pieces can have their centers.

    Parameters
    ----------
    atlas
        Standard brain and territories.
    """

    def __init__(self, atlas: TerritoryAtlas) -> None:
        self.affine = atlas.grid.affine
        half = (atlas.brain.shape[0] + 1) // 2
        self.shape = (half, *atlas.brain.shape[1:])
        self.voxels = np.array(np.nonzero(atlas.brain[:half] > 127))
        self.points = self.affine[:3, :3] @ self.voxels + self.affine[:3, 3:]
        both = atlas.sample(atlas.sided.sum(axis=0), self.points)
        rows = [[PARTS.index(part) for part in parts] for parts in ARTERIES.values()]
        #: Number of the artery that most of each voxel belongs to.
        self.artery = np.stack([both[r].sum(axis=0) for r in rows]).argmax(axis=0)


class Occupied:
    """How far each voxel is from the surface of the pieces that are there (mm).

    Parameters
    ----------
    hemisphere
        The voxels, taken to lie on the side of the largest piece.
    """

    def __init__(self, hemisphere: Hemisphere) -> None:
        self.hemisphere = hemisphere
        #: (2, voxels): on the side of the largest piece, and on the other.
        self.away = np.full((2, hemisphere.points.shape[1]), _FURTHEST_MM)

    def add(self, points: Array, step_mm: float, across: bool) -> None:
        """Add a piece: points inside it (3, n), on the left, so far apart, and whether it lies across."""
        from scipy.spatial import cKDTree

        flip = np.array([[-1.0], [1.0], [1.0]])
        for other in (False, True):
            tree = cKDTree((points * flip if other != across else points).T)
            away = tree.query(self.hemisphere.points.T, eps=0.1, distance_upper_bound=_FURTHEST_MM)[0]
            away = np.minimum(away - step_mm / 2.0, _FURTHEST_MM)
            self.away[int(other)] = np.minimum(self.away[int(other)], away)

    def rings(self, volume_ml: float, across: bool) -> Array:
        """Ring of every voxel, were it the center of a ball of that volume."""
        return np.asarray(np.searchsorted(EDGES_MM, self.away[int(across)] - ball_radius(volume_ml)))


def ball_radius(volume_ml: float) -> float:
    """Radius (mm) of a ball."""
    return float((750.0 * volume_ml / np.pi) ** (1.0 / 3.0))


def inside_of(piece: Piece) -> tuple[Array, float]:
    """Points inside a real piece (3, n), on the left, and how far apart they are."""
    step = voxel_mm(piece.extent_mm)
    inside = crop_points(np.array(piece.center), step)[:, piece.crop.ravel() > 0]
    # A thin piece may pass between the voxels of its crop.
    return inside if inside.size else np.array(piece.center)[:, None], step


def fit_neighbors(
    lesions: Sequence[Sequence[Piece]], further: Array, atlas: TerritoryAtlas
) -> dict[str, Array]:
    """How further pieces lie to the larger ones.

    Parameters
    ----------
    further
        (x, y, z) map of further pieces on the left half of the atlas.

    Returns
    -------
    dict
        ``gaps`` (2 same or other side, 3 sizes of the largest, 12 gaps) chances; ``rings`` (2 sides, 2 same
        or other artery, 12 gaps) observed over expected centers.
    """
    hemisphere = Hemisphere(atlas)
    chances = further[tuple(hemisphere.voxels)].astype(float)
    chances /= max(float(chances.sum()), 1.0)
    rings = len(EDGES_MM) + 1
    seen, expected = np.full((2, 2, rings), _PRIOR), np.full((2, 2, rings), _PRIOR)
    gaps = np.full((2, len(SIZES_ML) + 1, rings), _PRIOR)
    for lesion in lesions:
        if len(lesion) < 2:
            continue
        occupied = Occupied(hemisphere)
        main = lesion[0]
        size = int(np.searchsorted(SIZES_ML, main.volume_ml))
        away = hemisphere.artery != int(np.argmax(main.arteries))
        occupied.add(*inside_of(main), False)
        for piece in lesion[1:]:
            across = piece.mirrored != main.mirrored
            ring = occupied.rings(piece.volume_ml, across)
            table = np.bincount(ring + rings * away, chances, minlength=2 * rings)
            expected[int(across)] += table.reshape(2, rings)
            at = int(np.linalg.norm(hemisphere.points - np.array(piece.center)[:, None], axis=0).argmin())
            seen[int(across), int(away[at]), ring[at]] += 1.0
            gaps[int(across), size, ring[at]] += 1.0
            occupied.add(*inside_of(piece), across)
    return {"rings": seen / expected, "gaps": gaps / gaps.sum(axis=2, keepdims=True)}
