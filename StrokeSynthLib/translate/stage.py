"""A translator at work on one map while its lesion changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .boxes import Box, changed, grown, sliced, whole
from .output import Rendering

Array = npt.NDArray[Any]
#: Told of steps when they are done, by their number; what it raises stops the work there.
Step = Callable[[int], None]


def unheard(count: int) -> None:
    """Tell nobody of a step."""


class Stage(ABC):
    """What of an image does not depend on the lesion is computed once, what does is painted where it changed.

    1. :meth:`change` gives the lesion, again and again, and says which slices that changes.
    2. :meth:`draw` gives the images of some slices, or of all.

    An image drawn whole and one drawn slice by slice, in any order and with any lesions in between, are
    the same, bit for bit on the processor, except where ``exact`` is false.

    Parameters
    ----------
    shape
        Of the map, (x, y, z) in RAS+ order.
    axis
        Across slices.
    reach
        How far a voxel of the lesion changes the image (voxels along each axis).
    """

    #: Whether ``exact=False`` makes a difference.
    approximates = False

    def __init__(self, shape: tuple[int, ...], axis: int, reach: Sequence[int]) -> None:
        self.shape = shape
        self.axis = axis
        self.reach = tuple(reach)
        self.lesion: Array | None = None
        self._sliced = False

    def change(self, lesion: Array) -> range:
        """Take another lesion (boolean, of the map's shape); the numbers of the slices that it changes."""
        first = self.lesion is None
        box = whole(self.shape) if self.lesion is None else changed(self.lesion, lesion)
        if box is None:
            return range(0)
        self.lesion = lesion.copy()
        box = box if first else grown(box, self.reach, self.shape)
        self.repaint(self.lesion, box)
        return range(box[self.axis].start, box[self.axis].stop)

    @abstractmethod
    def repaint(self, lesion: Array, box: Box) -> None:
        """Bring a box up to date with the lesion; nothing outside of it depends on what changed."""
        ...

    @abstractmethod
    def draw(self, slices: Sequence[int] | None = None, *, exact: bool = True) -> Rendering:
        """Images of slices, one after the other along ``axis``; of all of them in order where None.

        ``exact=False`` allows what is faster and a little different.
        """
        ...

    @property
    def steps(self) -> int:
        """How many steps :meth:`compute` would take now; 0 where there is nothing that takes long."""
        return 0

    def compute(self, step: Step = unheard) -> None:  # noqa: B027  # most have nothing to do
        """Take the long steps of an exact image of all slices, so that :meth:`draw` has none of them left."""

    def prepare(self) -> None:
        """Make ready for many changes, before the first of them, so that no stroke waits for it.

        What is otherwise computed when it is first needed is computed now, and each slice is laid
        together in memory.
        """
        self._sliced = True

    def picked(self, array: Array, slices: Sequence[int] | None) -> Array:
        """Slices of an array of the map's shape."""
        if slices is None:
            return array
        index: list[Any] = [slice(None)] * array.ndim
        index[self.axis] = list(slices)
        return np.ascontiguousarray(array[tuple(index)])

    def put(self, target: Array | None, part: Array, box: Box) -> Array:
        """``part`` written into ``target`` at ``box``; where there is no target yet it is the whole."""
        if target is None:
            return sliced(part, self.axis) if self._sliced else part
        target[box] = part
        return target
