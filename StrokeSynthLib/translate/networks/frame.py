"""The frame that the network works in: slices last, one in-plane spacing, cut to the head.

Only the network's *correction* goes through the frame and back; the sketch it corrects is
painted on the user's own grid, so that a fine map gives a fine image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...scanner.fields import linear_weights
from ...segment.filters import cut, gaussian_matrix
from ..geometry import slice_axis

Array = npt.NDArray[Any]

#: In-plane spacings within this factor of the frame's are left alone: no interpolation.
_CLOSE_ENOUGH = 1.25
_MARGIN = 4


@dataclass(frozen=True)
class Frame:
    """Where the frame's array lies in a RAS+ array.

    Parameters
    ----------
    native_shape
        Of the RAS+ array.
    order
        Axes of the RAS+ array in the frame's order; the slice axis is last.
    scale
        RAS+ voxels (frame order) per frame voxel.
    start
        RAS+ voxel (frame order) at the first frame voxel.
    shape
        Of the frame's array.
    """

    native_shape: tuple[int, ...]
    order: tuple[int, int, int]
    scale: tuple[float, float, float]
    start: tuple[float, float, float]
    shape: tuple[int, int, int]

    @classmethod
    def around(
        cls, mask: Array, spacing: tuple[float, float, float], target: float,
        least: tuple[int, int] = (0, 0), multiple: tuple[int, ...] = (16, 16),
    ) -> Frame:  # fmt: skip
        """Frame that holds ``mask``, in-plane spacing ``target`` (mm).

        ``least`` in-plane size and ``multiple`` (also along slices, where it has three entries)
        make all cases of a cohort the same size.
        """
        across = slice_axis(spacing)
        in_plane = [axis for axis in range(3) if axis != across]
        order = (in_plane[0], in_plane[1], across)
        steps = [*(multiple if len(multiple) == 3 else (*multiple, 1))]
        scale, start, shape = [], [], []
        for place, axis in enumerate(order):
            close = 1 / _CLOSE_ENOUGH <= spacing[axis] / target <= _CLOSE_ENOUGH
            factor = 1.0 if place == 2 or close else target / spacing[axis]
            hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
            low, high = (int(hit[0]), int(hit[-1])) if hit.size else (0, mask.shape[axis] - 1)
            margin = 0 if place == 2 else _MARGIN
            size = int(np.ceil((high - low + 1) / factor)) + 2 * margin
            size = max(size, least[place] if place < 2 else 1)
            size = int(np.ceil(size / steps[place])) * steps[place]
            first = (low + high) / 2.0 - (size - 1) / 2.0 * factor
            scale.append(factor)
            start.append(float(np.floor(first)) if factor == 1.0 else first)
            shape.append(size)
        return cls(
            mask.shape, order, (scale[0], scale[1], scale[2]), (start[0], start[1], start[2]),
            (shape[0], shape[1], shape[2]),
        )  # fmt: skip

    def of_slices(self, count: int, multiple: int = 1) -> Frame:
        """The frame of ``count`` slices out of it, put one on the other and filled up to ``multiple``."""
        native = list(self.native_shape)
        native[self.order[2]] = count
        size = -(-count // multiple) * multiple
        start = (self.start[0], self.start[1], float((count - size) // 2))
        return replace(self, native_shape=tuple(native), start=start, shape=(*self.shape[:2], size))

    @property
    def left_right(self) -> int:
        """Which axis of the frame runs from left to right."""
        return self.order.index(0)

    def forward(self, array: Array, order: int = 1) -> Array:
        """A RAS+ array brought to the frame; 0 outside. Order 0 keeps labels."""
        turned = array.transpose(self.order)
        if all(s == 1.0 for s in self.scale):
            return cut(turned, [int(s) for s in self.start], self.shape)
        inside = cut(turned, (0, 0, int(self.start[2])), (*turned.shape[:2], self.shape[2]))
        if order == 0:
            x, y = (_nearest(*sizes) for sizes in self._in_plane(turned.shape))
            return np.asarray(np.pad(inside, ((0, 1), (0, 1), (0, 0)))[np.ix_(x, y)])
        # A coarser voxel averages finer ones: the width by which their boxes differ.
        first, second = (_coarser(*sizes) for sizes in self._in_plane(turned.shape))
        return _along_plane(inside, first, second)

    def noise(self, count: int, depth: int, rng: np.random.Generator) -> Array:
        """White noise of the RAS+ grid as :meth:`forward` brings it here: what a scanner's noise becomes.

        ``count`` fields of ``depth`` slices (count, x, y, depth), float32; standard deviation 1 before, less
        after, and correlated, where the frame is coarser.
        """
        if all(s == 1.0 for s in self.scale):
            return rng.standard_normal((count, *self.shape[:2], depth), np.float32)
        native = tuple(self.native_shape[axis] for axis in self.order)
        first, second = (_coarser(*sizes) for sizes in self._in_plane(native))
        white = rng.standard_normal((count, depth, *native[:2]), np.float32)
        return np.ascontiguousarray(np.moveaxis(np.matmul(np.matmul(first, white), second.T), 1, 3))

    @property
    def noise_kept(self) -> float:
        """Standard deviation of :meth:`noise`, in the middle of the frame."""
        if all(s == 1.0 for s in self.scale):
            return 1.0
        native = tuple(self.native_shape[axis] for axis in self.order)
        weights = [np.median(np.square(_coarser(*sizes)).sum(1)) for sizes in self._in_plane(native)]
        return float(np.sqrt(np.prod(weights)))

    def back(self, array: Array) -> Array:
        """A frame array brought to the RAS+ grid, linearly (float32); in plane, edges continue outside."""
        shape = tuple(self.native_shape[axis] for axis in self.order)
        if all(s == 1.0 for s in self.scale):
            native = cut(array, [-int(s) for s in self.start], shape)
        else:
            inside = cut(array, (0, 0, -int(self.start[2])), (*array.shape[:2], shape[2]))
            first, second = (_finer(*sizes) for sizes in self._in_plane(shape))
            native = _along_plane(inside, first, second)
        return np.ascontiguousarray(native.transpose(np.argsort(self.order)))

    def _in_plane(self, native: tuple[int, ...]) -> list[tuple[int, int, float, float]]:
        """RAS+ size, frame size, scale and start of both axes in plane."""
        return [(native[place], self.shape[place], self.scale[place], self.start[place]) for place in (0, 1)]


#: Each training case has its own: about 0.1 MB each.
@lru_cache(maxsize=256)
def _coarser(native: int, size: int, scale: float, start: float) -> Array:
    """Matrix (size, native) from RAS+ voxels to the frame's, 0 outside."""
    place = np.arange(size) * scale + start
    inside = (place >= 0) & (place <= native - 1)
    linear = linear_weights(place, native) * inside[:, None]
    smoothing = gaussian_matrix(native, 0.29 * np.sqrt(max(scale * scale - 1.0, 0.0)))
    return np.asarray(linear @ smoothing, np.float32)


@lru_cache(maxsize=8)
def _finer(native: int, size: int, scale: float, start: float) -> Array:
    """Matrix (native, size) from the frame's voxels to RAS+ ones, the edges continued."""
    return linear_weights((np.arange(native) - start) / scale, size)


def _nearest(native: int, size: int, scale: float, start: float) -> Array:
    """Number of the RAS+ voxel that is nearest to each of the frame's; ``native`` outside."""
    place = np.floor(np.arange(size) * scale + start + 0.5).astype(int)
    return np.where((place >= 0) & (place < native), place, native)


def _along_plane(array: Array, first: Array, second: Array) -> Array:
    """A matrix along each of the first two axes.

    Slice by slice, so that each comes out with the same bits whatever is beside it.
    """
    slices = np.ascontiguousarray(np.moveaxis(array, 2, 0), np.float32)
    return np.ascontiguousarray(np.moveaxis(np.matmul(np.matmul(first, slices), second.T), 0, 2))
