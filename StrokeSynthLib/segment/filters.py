"""The few image operations that preparing an examination needs, without SciPy.

Importing scipy.ndimage and scipy.optimize takes longer than everything that one segmentation computes.
What is here gives the same numbers (to rounding), which tests hold it to:

- smoothing, interpolation along the axes and their combination are matrix products, an axis at a time;
- components are ITK's, which is needed for reading and writing anyway;
- morphology with small elements is a matter of shifted arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Gaussians are cut off at so many standard deviations.
_TRUNCATE = 4.0


def gaussian_matrix(size: int, sigma: float) -> Array:
    """(size, size): Gaussian smoothing of an axis, mirrored at its ends; ``sigma`` in voxels."""
    if sigma <= 1e-15:
        return np.eye(size)
    reach = int(_TRUNCATE * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= weights.sum()
    # Mirrored about the outer faces of the end voxels, as often as the kernel is longer than the axis.
    source = (np.arange(size)[:, None] + offsets) % (2 * size)
    source = np.minimum(source, 2 * size - 1 - source)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], source), np.broadcast_to(weights, source.shape))
    return matrix


def linear_matrix(size: int, result: int, scale: float, start: float, *, fade: bool) -> Array:
    """(result, size): linear interpolation of an axis at ``index * scale + start``.

    Beyond the ends the values are 0; with ``fade`` they are interpolated towards it within one voxel.
    """
    position = np.arange(result) * scale + start
    low = np.floor(position).astype(int)
    share = position - low
    matrix = np.zeros((result, size))
    rows = np.arange(result)
    inside = np.ones(result, bool) if fade else (position >= 0) & (position <= size - 1)
    for index, weight in ((low, 1 - share), (low + 1, share)):
        there = inside & (index >= 0) & (index < size)
        matrix[rows[there], index[there]] += weight[there]
    return matrix


def along_axes(array: Array, matrices: Sequence[Array | None]) -> Array:
    """``array`` (x, y, z) with a matrix applied along each axis; float32. None leaves an axis as it is."""
    result = np.ascontiguousarray(array, np.float32)
    first, second, third = (None if m is None else m.astype(np.float32) for m in matrices)
    # Axes that become shorter come first where they can: the rest is then less work.
    if first is not None:
        result = (first @ result.reshape(len(result), -1)).reshape(len(first), *result.shape[1:])
    if second is not None:
        result = np.matmul(second, result)
    if third is not None:
        result = (result.reshape(-1, result.shape[2]) @ third.T).reshape(*result.shape[:2], len(third))
    return result


def gaussian(array: Array, sigma: Sequence[float]) -> Array:
    """``array`` (x, y, z) smoothed, ``sigma`` in voxels along each axis; float32."""
    return along_axes(
        array, [gaussian_matrix(n, s) if s > 0 else None for n, s in zip(array.shape, sigma, strict=True)]
    )


@dataclass(frozen=True)
class Sampling:
    """Where an affine transform takes each voxel from: found once, applied to several images.

    Parameters
    ----------
    shape
        Of the images and the result.
    inside
        (n,) boolean, by flat number of the result's voxel: whether it comes from within the image.
    corner
        (n,) flat number of the lowest of the eight voxels around its source.
    share
        Along each axis (n,) float32: distance from that voxel, 0 to 1.
    """

    shape: tuple[int, int, int]
    inside: Array
    corner: Array
    share: tuple[Array, Array, Array]

    @classmethod
    def of(cls, matrix: Array, offset: Array, shape: tuple[int, int, int]) -> Sampling:
        """Voxel ``i`` comes from voxel ``matrix @ i + offset`` of an image of the same shape."""
        i, j, k = (np.arange(n, dtype=np.float64) for n in shape)
        inside, corner, shares = np.ones(shape, bool), np.zeros(shape, np.int32), []
        for row, start, size in zip(matrix, offset, shape, strict=True):
            position = ((row[0] * i + start)[:, None] + row[1] * j)[:, :, None] + row[2] * k
            inside &= (position >= 0) & (position <= size - 1)
            low = np.minimum(np.maximum(position, 0), max(size - 2, 0)).astype(np.int32)
            shares.append((position - low).astype(np.float32).ravel())
            corner *= size
            corner += low
        return cls(shape, inside.ravel(), corner.ravel(), (shares[0], shares[1], shares[2]))

    def apply(self, array: Array) -> Array:
        """The image transformed, float32; 0 for what comes from outside."""
        flat = np.ascontiguousarray(array, np.float32).ravel()
        _, ny, nz = self.shape
        x, y, z = self.share

        # Clipped: what lies beyond the last voxel has no share, or is outside.
        def along_z(index: Array) -> Array:
            low = flat.take(index, mode="clip")
            return np.asarray(low + z * (flat.take(index + 1, mode="clip") - low))

        def along_y(index: Array) -> Array:
            low = along_z(index)
            return np.asarray(low + y * (along_z(index + nz) - low))

        low = along_y(self.corner)
        result = low + x * (along_y(self.corner + ny * nz) - low)
        return np.asarray((result * self.inside).reshape(self.shape))


def dilated(mask: Array, element: Array) -> Array:
    """Boolean (x, y, z) ``mask`` widened by a small symmetric ``element`` of odd sizes."""
    reach = [n // 2 for n in element.shape]
    wide = np.zeros([n + 2 * r for n, r in zip(mask.shape, reach, strict=True)], bool)
    for place in np.argwhere(element):
        wide[tuple(slice(p, p + n) for p, n in zip(place, mask.shape, strict=True))] |= mask
    return wide[tuple(slice(r, r + n) for r, n in zip(reach, mask.shape, strict=True))]


def _with_neighbors(mask: Array, join: Callable[..., Any]) -> Array:
    """Every voxel joined with its six neighbors; beyond the ends nothing is set."""
    padded = np.pad(mask, 1)
    result = mask.copy()
    for axis in range(3):
        for start in (0, 2):
            index = [slice(1, -1)] * 3
            index[axis] = slice(start, start + mask.shape[axis])
            join(result, padded[tuple(index)], out=result)
    return result


def eroded(mask: Array) -> Array:
    """Boolean (x, y, z) ``mask`` without its outer layer (six neighbors)."""
    return _with_neighbors(mask, np.logical_and)


def opened(mask: Array) -> Array:
    """Boolean (x, y, z) ``mask`` without what is thinner than three voxels."""
    return _with_neighbors(eroded(mask), np.logical_or)


def components(mask: Array, *, diagonal: bool = False) -> tuple[Array, Array]:
    """Connected parts of a boolean (x, y, z) mask.

    Parameters
    ----------
    diagonal
        Whether voxels that share an edge or corner only are connected.

    Returns
    -------
    tuple
        Numbers of the parts, from 1 (0 elsewhere), and the voxels in each by number; 0 has none.
    """
    mask = np.asarray(mask, bool)
    parts, count = _numbered(mask, diagonal)
    sizes = np.bincount(parts[mask], minlength=count + 1)
    return parts, sizes


def _numbered(mask: Array, diagonal: bool = False) -> tuple[Array, int]:
    """Numbers of the parts, and the highest one."""
    import SimpleITK

    sitk: Any = SimpleITK  # its functions carry no types
    find = sitk.ConnectedComponentImageFilter()
    find.SetFullyConnected(diagonal)
    find.SetNumberOfThreads(1)  # more take longer to start than they save
    parts = sitk.GetArrayFromImage(find.Execute(sitk.GetImageFromArray(mask.view(np.uint8))))
    return parts, int(find.GetObjectCount())


def largest_component(mask: Array) -> Array | None:
    """The largest connected part (six neighbors) of a boolean mask; None of an empty one."""
    parts, sizes = components(mask)
    return np.asarray(parts == int(sizes.argmax())) if len(sizes) > 1 else None


def filled_slices(mask: Array) -> Array:
    """Boolean (x, y, z) ``mask`` with the holes within each slice filled."""
    # Slices are kept apart by full ones between them, so that one labelling serves all. They come first,
    # because parts are made of runs along the last axis.
    background = np.zeros((2 * mask.shape[2], *mask.shape[:2]), bool)
    background[::2] = ~mask.transpose(2, 0, 1)
    parts, count = _numbered(background)
    outside = np.zeros(count + 1, bool)
    for side in (parts[:, 0], parts[:, -1], parts[:, :, 0], parts[:, :, -1]):
        outside[side.ravel()] = True
    outside[0] = False
    return np.ascontiguousarray(~outside[parts[::2]].transpose(1, 2, 0))


def box_of(mask: Array) -> tuple[slice, slice, slice]:
    """Smallest box around a mask's voxels; the whole array when it is empty."""
    if not mask.any():
        x, y, z = mask.shape
        return slice(0, x), slice(0, y), slice(0, z)
    ranges = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        ranges.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return ranges[0], ranges[1], ranges[2]


def cut(array: Array, start: Sequence[int], shape: tuple[int, ...]) -> Array:
    """Box of ``array`` that begins at ``start``, in its type; 0 where it lies outside."""
    result = np.zeros(shape, array.dtype)
    source, target = [], []
    for first, size, length in zip(start, shape, array.shape, strict=True):
        low, high = max(first, 0), min(first + size, length)
        if low >= high:
            return result
        source.append(slice(low, high))
        target.append(slice(low - first, high - first))
    result[tuple(target)] = array[tuple(source)]
    return result
