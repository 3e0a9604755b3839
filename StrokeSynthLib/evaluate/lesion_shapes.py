"""A lesion mask around its own center, in whatever head, side and slices, and how individual it is.

A mask is read around its center of mass on a lattice as fine as its volume asks for, lightly smoothed, so
that where it was put and how it was sliced matter little. *Individual* is how far it is from the ellipsoid
of its own volume, axes and directions: an ellipsoid is like every other one once it is scaled, an embolic
shower or a cortical ribbon is like itself alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..volume import Volume

Array = npt.NDArray[Any]

#: Steps of the lattice (mm): an eighth of a cube of the mask's volume, within these.
FINEST, COARSEST = 1.5, 3.5
#: Smoothing (SD) of a kept mask: this share of a step and of its voxels.
_OF_STEP, _OF_VOXEL = 0.5, 0.3
#: Smoothing (SD) in comparisons: mm at least, and these shares of a step and of the larger voxels.
_LEAST_MM, _COMPARED_STEP, _COMPARED_VOXEL = 1.5, 0.6, 0.45


@dataclass(frozen=True)
class LesionShape:
    """A lesion around its own center.

    Parameters
    ----------
    share
        (x, y, z) float16: how much of each point is lesion; 0 all around.
    step
        Between points along every axis (mm).
    low
        (3,) first point, from the center of mass (RAS mm).
    blur
        (3,) SD of the smoothing that is in ``share`` (mm).
    spacing
        (3,) of the mask's voxels along x, y, z (mm).
    volume_ml
        Of the mask.
    place
        (3,) its center in standard space (mm).
    individual
        1 - Dice with the ellipsoid of its moments.
    voxels
        Number of voxels.
    patterns
        Digests of the arrangement of the voxels, as it is and mirrored; spacing does not count.
    """

    share: Array
    step: float
    low: Array
    blur: Array
    spacing: Array
    volume_ml: float
    place: Array
    individual: float
    voxels: int
    patterns: tuple[str, str]

    @classmethod
    def of(cls, mask: Volume, pose: Array) -> LesionShape:
        """From a mask that is not empty; ``pose`` leads from standard space to its own."""
        turned = mask.canonical()
        box, affine = _box(turned.array > 0, turned.affine)
        index = np.argwhere(box)
        center = affine[:3, :3] @ index.mean(axis=0) + affine[:3, 3]
        spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=1))
        volume_ml = len(index) * turned.grid.voxel_ml
        step = float(np.clip(10.0 * np.cbrt(volume_ml) / 8.0, FINEST, COARSEST))
        blur = np.maximum(_OF_STEP * step, _OF_VOXEL * spacing)
        share, low = _on_lattice(box, affine, center, step, blur)
        points = (index - index.mean(axis=0)) @ affine[:3, :3].T
        moments = points.T @ points / len(points) + np.diag(spacing**2 / 12.0)
        round_share = _ellipsoid(moments, 1000.0 * volume_ml, share.shape, low, step)
        wanted = compared_blur(step, spacing)
        own = smoothed(share, step, np.sqrt(np.maximum(wanted**2 - blur**2, 0.0)))
        other = smoothed(round_share, step, wanted)
        # What of the ellipsoid lies outside the lattice is like nothing of the mask.
        energy = (own**2).sum() + (other**2).sum()
        individual = 1.0 - 2.0 * float((own * other).sum() / energy)
        place = np.linalg.inv(pose) @ np.append(center, 1.0)
        return cls(
            share.astype(np.float16), step, low, blur, spacing, float(volume_ml), place[:3], individual,
            len(index), (_digest(box), _digest(box[::-1])),
        )  # fmt: skip

    def smoothed(self, blur: Array) -> Array:
        """(x, y, z) float32 share, smoothed to SD ``blur`` (3,) mm altogether."""
        more = np.sqrt(np.maximum(np.asarray(blur) ** 2 - self.blur**2, 0.0))
        return smoothed(self.share.astype(np.float32), self.step, more)


def compared_blur(step: float, spacing: Array, least: float = _LEAST_MM) -> Array:
    """(3,) SD (mm) of the smoothing in which masks of these steps and voxels are compared."""
    return np.maximum(max(least, _COMPARED_STEP * step), _COMPARED_VOXEL * spacing)


def smoothed(share: Array, step: float, sigma: Array) -> Array:
    """Smoothed by SD ``sigma`` (3,) mm; nothing lies outside."""
    return np.asarray(ndimage.gaussian_filter(share, np.asarray(sigma) / step, mode="constant", truncate=3.0))


def _box(inside: Array, affine: Array) -> tuple[Array, Array]:
    """The mask's bounding box (booleans) and its affine."""
    index = np.argwhere(inside)
    low, high = index.min(axis=0), index.max(axis=0) + 1
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ low
    return inside[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], moved


def _on_lattice(box: Array, affine: Array, center: Array, step: float, blur: Array) -> tuple[Array, Array]:
    """A smoothed mask on the lattice around its center, and the lattice's first point from there (mm)."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    pad = np.ceil((3.0 * blur + step) / spacing).astype(int)
    padded = np.pad(box.astype(np.float32), [(p, p) for p in pad])
    soft = ndimage.gaussian_filter(padded, blur / spacing, mode="constant", truncate=3.0)
    moved = affine.copy()
    moved[:3, 3] -= affine[:3, :3] @ pad + center
    corners = Volume(soft, moved).grid.corners()
    # Room for more smoothing, which is done on the lattice.
    first = np.floor(corners.min(axis=0) / step).astype(int) - 2
    last = np.ceil(corners.max(axis=0) / step).astype(int) + 2
    grid = np.diag([step, step, step, 1.0])
    grid[:3, 3] = first * step
    to_index = np.linalg.inv(moved) @ grid
    shape = tuple((last - first + 1).tolist())
    share = ndimage.affine_transform(soft, to_index[:3, :3], to_index[:3, 3], shape, order=1)
    return share, grid[:3, 3]


def _ellipsoid(moments: Array, volume: float, shape: tuple[int, ...], low: Array, step: float) -> Array:
    """(x, y, z) float32: the ellipsoid of these second moments (mm^2), scaled to a volume (mm^3)."""
    widths, axes = np.linalg.eigh(moments)
    radii = np.sqrt(np.maximum(widths, 1e-3))
    radii *= np.cbrt(volume / (4.0 / 3.0 * np.pi * radii.prod()))
    points = np.stack(np.meshgrid(*[low[a] + step * np.arange(shape[a]) for a in range(3)], indexing="ij"))
    distance = np.sqrt((np.tensordot(axes.T / radii[:, None], points, axes=1) ** 2).sum(axis=0))
    # Its surface is as wide as a step, so that the share is right on any lattice.
    share: Array = np.clip(0.5 + (1.0 - distance) * radii.min() / step, 0.0, 1.0)
    return (share * (volume / step**3 / max(float(share.sum()), 1e-6))).astype(np.float32)


def _digest(box: Array) -> str:
    shape = np.array(box.shape, np.int32).tobytes()
    return hashlib.sha256(shape + np.packbits(np.ascontiguousarray(box)).tobytes()).hexdigest()
