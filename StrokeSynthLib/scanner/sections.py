"""A map and a lesion mask as an acquisition would see them, without any signal.

For images that a translator draws: the head lies in the field of view as in a scan, a voxel has
the class that is most frequent in it, and is lesion if at least half of it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..lesions.lesion import Lesion
from ..schema import INTRACRANIAL, LESION
from ..volume import Volume
from .frame import Frame, place
from .integrate import most_frequent

Array = npt.NDArray[Any]

#: Object cells along each in-plane side of a voxel.
_BLOCK = 2


@dataclass(frozen=True)
class SectionGeometry:
    """Voxels of an acquisition.

    Parameters
    ----------
    matrix
        Voxels in plane along each axis.
    spacing
        Of the voxels in plane (mm).
    thickness
        From slice to slice (mm).
    slices
        How many.
    """

    matrix: int
    spacing: float
    thickness: float
    slices: int


def draw_frame(anatomy: Anatomy, geometry: SectionGeometry, rng: np.random.Generator) -> Frame:
    """Lay the slices over the head, turned and shifted as patients lie."""

    def turned(*spread: float) -> tuple[float, float, float]:
        x, y, z = (float(np.clip(rng.normal(0, s), -2 * s, 2 * s)) for s in spread)
        return x, y, z

    return place(
        anatomy, matrix=geometry.matrix, interpolation=1, fov=geometry.matrix * geometry.spacing,
        thickness=geometry.thickness, gap=0.0, slices=geometry.slices,
        head_rotation=turned(4.0, 2.0, 3.0), slice_rotation=(0.0, 0.0, 0.0), offset=turned(3.0, 6.0, 3.0),
    )  # fmt: skip


def section(
    anatomy: Anatomy, lesion: Lesion | None, frame: Frame, *, skull_stripped: bool
) -> tuple[Volume, Volume]:
    """The semantic map and the lesion mask (uint8, RAS+) in the voxels of ``frame``.

    With ``skull_stripped`` everything outside the intracranial classes becomes air.
    """
    codes = anatomy.labels.copy()
    if skull_stripped:
        outside = np.ones(256, bool)
        outside[list(INTRACRANIAL)] = False
        codes[outside[codes]] = 0
    acute = np.zeros(codes.shape, bool) if lesion is None else np.asarray(lesion.mask, bool)
    shape = frame.shape
    classes = np.zeros(shape, np.uint8)
    mask = np.zeros(shape, np.uint8)
    size = shape[0] * _BLOCK
    centers = (np.arange(size) + 0.5) * frame.size[0] / size
    heights = frame.profile[0]
    for k, center in enumerate(frame.slice_centers):
        planes = [_plane(codes, acute, frame.to_voxel, centers, float(center + height)) for height in heights]
        classes[:, :, k] = most_frequent(np.stack([labels for labels, _ in planes]), _BLOCK)
        share = np.mean([inside for _, inside in planes], axis=0)
        blocks = share.reshape(shape[0], _BLOCK, shape[1], _BLOCK).mean(axis=(1, 3))
        mask[:, :, k] = blocks >= 0.5
    assert classes.max(initial=0) < LESION
    return Volume(classes, frame.scanner_affine), Volume(mask, frame.scanner_affine)


def _plane(codes: Array, acute: Array, to_voxel: Array, centers: Array, height: float) -> tuple[Array, Array]:
    """Labels and lesion on the cells of one plane; air outside the anatomy."""
    index = []
    inside = np.ones((centers.size, centers.size), bool)
    for axis in range(3):
        row = to_voxel[axis]
        place = row[0] * centers[:, None] + row[1] * centers[None, :] + row[2] * height + row[3]
        voxel = np.rint(place).astype(np.intp)
        inside &= (voxel >= 0) & (voxel < codes.shape[axis])
        index.append(np.clip(voxel, 0, codes.shape[axis] - 1))
    where = tuple(index)
    return np.where(inside, codes[where], 0).astype(np.uint8), acute[where] & inside
