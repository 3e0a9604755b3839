"""Whether two lesion masks are the same drawing, in whatever head, side and slices.

A mask is read around its center of mass, 2.5 mm apart and lightly smoothed, so that where it was put and
how it was sliced matter little. Likeness is 2 (a.b) / (a.a + b.b), Dice of soft masks, at the best of one
step every way, as it is and mirrored. Masks below :data:`SMALLEST_ML` are blobs and tell nobody apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..volume import Volume

Array = npt.NDArray[Any]

STEP = 2.5
#: Points around the center along x, y, z: 140 x 170 x 140 mm.
SHAPE = (56, 68, 56)
SMALLEST_ML = 1.0
_SMOOTHING_MM = 1.0
_SHIFTS = ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))


@dataclass(frozen=True)
class LesionShape:
    """A lesion around its own center.

    Parameters
    ----------
    share
        (x, y, z) float16 on :data:`SHAPE`: how much of each point is lesion.
    volume_ml
        Of the mask.
    place
        (3,) its center in standard space (mm).
    """

    share: Array
    volume_ml: float
    place: Array

    @classmethod
    def of(cls, mask: Volume, pose: Array) -> LesionShape:
        """From a mask that is not empty; ``pose`` leads from standard space to its own."""
        turned = mask.canonical()
        inside = (turned.array > 0).astype(np.float32)
        center = np.argwhere(inside > 0).mean(axis=0) @ turned.affine[:3, :3].T + turned.affine[:3, 3]
        grid = np.diag([STEP, STEP, STEP, 1.0])
        grid[:3, 3] = center - STEP * (np.array(SHAPE) - 1) / 2
        smoothed = ndimage.gaussian_filter(inside, [_SMOOTHING_MM / s for s in turned.spacing])
        to_index = np.linalg.inv(turned.affine) @ grid
        share = ndimage.affine_transform(smoothed, to_index[:3, :3], to_index[:3, 3], SHAPE, order=1)
        place = np.linalg.inv(pose) @ np.append(center, 1.0)
        return cls(share.astype(np.float16), float(inside.sum()) * turned.grid.voxel_ml, place[:3])


def likeness(first: Sequence[LesionShape], second: Sequence[LesionShape]) -> tuple[Array, Array]:
    """Soft Dice (first, second) at the best shift and side; and whether mirrored is better."""
    own = np.stack([each.share for each in first]).astype(np.float32)
    other = np.stack([each.share for each in second]).astype(np.float32)
    rows = own.reshape(len(own), -1)
    # Points that no lesion of the first set reaches add nothing.
    used = rows.any(axis=0)
    rows = np.ascontiguousarray(rows[:, used])
    energy = (rows**2).sum(axis=1)[:, None] + (other**2).sum(axis=(1, 2, 3))[None]
    best, mirrored = np.zeros(energy.shape, np.float32), np.zeros(energy.shape, bool)
    for flip in (False, True):
        turned = other[:, ::-1] if flip else other
        for shift in _SHIFTS:
            moved = np.roll(turned, shift, (1, 2, 3)).reshape(len(other), -1)[:, used]
            found = 2.0 * (rows @ moved.T) / energy
            better = found > best
            best[better], mirrored[better] = found[better], flip
    return best, mirrored
