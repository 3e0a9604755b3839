"""Lesion masks as they lie in heads on slices, and what a copy may be changed by, for tests of the audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from StrokeSynthLib.anatomy.anatomy import Anatomy, Array
from StrokeSynthLib.lesions.territories import TerritoryAtlas
from StrokeSynthLib.volume import Grid, Volume

#: Voxels of clinical diffusion images: in plane, from slice to slice (mm).
IN_PLANE, SLICES = (1.0, 1.4, 1.8, 2.0), (2.0, 3.0, 4.0, 5.0, 6.0)
_CROSS = ndimage.generate_binary_structure(2, 1)[:, :, None]


@dataclass(frozen=True)
class Head:
    """A head and the voxels that it is imaged in.

    Parameters
    ----------
    pose
        (4, 4), from standard space to the head (RAS mm).
    spacing, origin
        (3,) of the voxels, and the center of one of them (mm).
    anatomy
        Its tissues; None for the standard brain in that pose.
    """

    pose: Array
    spacing: Array
    origin: Array
    anatomy: Anatomy | None = None

    @classmethod
    def draw(
        cls, rng: np.random.Generator, anatomy: Anatomy | None = None, pose: Array | None = None
    ) -> Head:
        """Of random size, tilt (SD 4, 2, 3 degrees) and voxels; or a given anatomy in its own pose."""
        if pose is None:
            pose = np.eye(4)
            tilt = Rotation.from_euler("xyz", rng.normal(0, [4, 2, 3]), degrees=True).as_matrix()
            pose[:3, :3] = tilt @ np.diag(0.93 * np.exp(rng.normal(0, 0.05, 3)))
            pose[:3, 3] = rng.normal(0, 5, 3)
        side = rng.choice(IN_PLANE)
        return cls(pose, *_lattice(np.array([side, side, rng.choice(SLICES)]), rng), anatomy)

    def in_voxels(self, spacing: Array, rng: np.random.Generator) -> Head:
        """The same head in other voxels."""
        voxels, origin = _lattice(np.asarray(spacing, float), rng)
        return replace(self, spacing=voxels, origin=origin)

    def grid_around(self, points: Array) -> Grid:
        """The voxels around points (3, n) (mm)."""
        first = np.floor((points.min(axis=1) - self.origin) / self.spacing).astype(int) - 2
        last = np.ceil((points.max(axis=1) - self.origin) / self.spacing).astype(int) + 2
        affine = np.diag([*self.spacing, 1.0])
        affine[:3, 3] = self.origin + first * self.spacing
        x, y, z = (last - first + 1).tolist()
        return Grid((x, y, z), affine)

    def brain(self, grid: Grid) -> Array:
        """Where lesions can be: parenchyma of the anatomy, or the standard brain, whose sulci are filled."""
        index = np.indices(grid.shape).reshape(3, -1)
        points = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
        if self.anatomy is None:
            back = np.linalg.inv(self.pose)
            atlas = TerritoryAtlas.load()
            inside = atlas.sample(atlas.brain[None].astype(np.float32), back[:3, :3] @ points + back[:3, 3:])
            return np.asarray(inside[0] >= 127.5).reshape(grid.shape)
        back = np.linalg.inv(self.anatomy.affine)
        tissue = self.anatomy.parenchyma.astype(np.float32)
        share = ndimage.map_coordinates(tissue, back[:3, :3] @ points + back[:3, 3:], order=1)
        return np.asarray(share >= 0.5).reshape(grid.shape)


def _lattice(spacing: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    return spacing, rng.uniform(0, 1, 3) * spacing


def cropped(mask: Volume) -> Volume:
    """Its bounding box with one voxel of margin; a single empty voxel where nothing is left."""
    index = np.argwhere(mask.array > 0)
    if not len(index):
        return Volume(np.zeros((1, 1, 1), np.uint8), mask.affine)
    low, high = index.min(axis=0), index.max(axis=0) + 1
    array = np.pad(mask.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] > 0, 1)
    affine = mask.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (low - 1.0)
    return Volume(array.astype(np.uint8), affine)


def _corners(mask: Volume) -> Array:
    """(3, 8) outer corners of the bounding box (mm)."""
    index = np.argwhere(mask.array > 0)
    ends = np.stack([index.min(axis=0) - 0.5, index.max(axis=0) + 0.5])
    corners = np.stack(np.meshgrid(*ends.T, indexing="ij")).reshape(3, -1)
    return np.asarray(mask.affine[:3, :3] @ corners + mask.affine[:3, 3:])


def drawn(mask: Volume, matrix: Array, head: Head) -> Volume:
    """A fine mask, moved by ``matrix``, in a head's voxels: those of which it fills half."""
    corners = matrix[:3, :3] @ _corners(mask) + matrix[:3, 3:]
    grid = head.grid_around(corners)
    back = np.linalg.inv(matrix @ mask.affine) @ grid.affine
    parts = np.maximum(1, np.round(head.spacing / 0.9)).astype(int)
    share = np.zeros(grid.shape, np.float32)
    source = mask.array.astype(np.float32)
    for part in np.ndindex(*parts.tolist()):
        offset = (np.array(part) + 0.5) / parts - 0.5
        shift = back[:3, 3] + back[:3, :3] @ offset
        share += ndimage.affine_transform(source, back[:3, :3], shift, grid.shape, order=1)
    return cropped(Volume((share >= 0.5 * parts.prod()).astype(np.uint8), grid.affine))


def _nearest(mask: Volume, matrix: Array, head: Head) -> Volume:
    """A mask, moved by ``matrix``, read at the centers of a head's voxels."""
    grid = head.grid_around(matrix[:3, :3] @ _corners(mask) + matrix[:3, 3:])
    back = np.linalg.inv(matrix @ mask.affine) @ grid.affine
    array = ndimage.affine_transform(mask.array, back[:3, :3], back[:3, 3], grid.shape, order=0)
    return cropped(Volume(array, grid.affine))


#: Takes the mask, the head it lies in, the head it is hidden in, and a stream of random numbers.
Change = Callable[[Volume, Head, Head, np.random.Generator], Volume]


def _into(own: Head, host: Head) -> Array:
    """Brain center to brain center, nothing turned."""
    matrix = np.eye(4)
    matrix[:3, 3] = (host.pose - own.pose)[:3, 3]
    return matrix


def _about(mask: Volume, linear: Array) -> Array:
    """``linear`` about the mask's center."""
    center = mask.affine[:3, :3] @ np.argwhere(mask.array > 0).mean(axis=0) + mask.affine[:3, 3]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, center - linear @ center
    return matrix


def _turn(rng: np.random.Generator, least: float, most: float) -> Array:
    angles = rng.uniform(least, most, 3) * rng.choice([-1, 1], 3)
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()


def _scales(rng: np.random.Generator, least: float, most: float) -> Array:
    return np.diag(1 + rng.uniform(least, most, 3) * rng.choice([-1, 1], 3))


def plain(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """The same voxels."""
    return Volume(mask.array, _into(own, host) @ mask.affine)


def mirrored(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """The same voxels, on the other side."""
    moved = plain(mask, own, host, rng)
    affine = moved.affine.copy()
    affine[0, 3] = -(affine[0, 3] + affine[0, 0] * (moved.array.shape[0] - 1))
    return Volume(moved.array[::-1].copy(), affine)


def other_voxels(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """Read at the centers of the host's voxels."""
    return _nearest(mask, _into(own, host), host)


def shifted(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """By 3 to 8 mm along each axis, read in the host's voxels."""
    matrix = _into(own, host)
    matrix[:3, 3] += rng.uniform(3, 8, 3) * rng.choice([-1, 1], 3)
    return _nearest(mask, matrix, host)


def turned(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """By 3 to 7 degrees about each axis."""
    there = host.in_voxels(own.spacing, rng)
    return _nearest(mask, _into(own, host) @ _about(mask, _turn(rng, 3, 7)), there)


def scaled(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """By 3 to 8 % along each axis."""
    there = host.in_voxels(own.spacing, rng)
    return _nearest(mask, _into(own, host) @ _about(mask, _scales(rng, 0.03, 0.08)), there)


def resliced(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """In voxels of 2 x 2 x 5 or 6 mm."""
    there = host.in_voxels(np.array([2.0, 2.0, rng.choice([5.0, 6.0])]), rng)
    return _nearest(mask, _into(own, host), there)


def dilated(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """By one voxel within its slices."""
    moved = plain(mask, own, host, rng)
    return cropped(moved.with_array(ndimage.binary_dilation(moved.array, _CROSS).astype(np.uint8)))


def eroded(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """By one voxel within its slices."""
    moved = plain(mask, own, host, rng)
    return cropped(moved.with_array(ndimage.binary_erosion(moved.array, _CROSS).astype(np.uint8)))


def clipped(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """What lies in the host's brain."""
    moved = plain(mask, own, host, rng)
    return cropped(moved.with_array(((moved.array > 0) & host.brain(moved.grid)).astype(np.uint8)))


def registered(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """By affine registration of the two heads, in the host's voxels."""
    return _nearest(mask, host.pose @ np.linalg.inv(own.pose), host)


def altogether(mask: Volume, own: Head, host: Head, rng: np.random.Generator) -> Volume:
    """Mirrored, turned by 2 to 5 degrees and scaled by 2 to 5 %, in the host's voxels."""
    linear = _turn(rng, 2, 5) @ _scales(rng, 0.02, 0.05) @ np.diag([-1.0, 1.0, 1.0])
    return _nearest(mask, _into(own, host) @ _about(mask, linear), host)


CHANGES: dict[str, Change] = {
    "plain": plain, "mirrored": mirrored, "other voxels": other_voxels, "shifted": shifted,
    "turned": turned, "scaled": scaled, "resliced": resliced, "dilated": dilated, "eroded": eroded,
    "clipped by the brain": clipped, "registered": registered,
    "mirrored, turned, scaled, other voxels": altogether,
}  # fmt: skip
