"""The part of each slice that a 2D network is shown: the brain and what is near it.

High and low slices hold little brain; shown whole they cost as much as the others. What windows save, and
that they leave the Dice as it was, is in ``Testing/Benchmarks/inference_levers.md``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Window:
    """Voxels along x and y."""

    x: slice
    y: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Size along x and y."""
        return self.x.stop - self.x.start, self.y.stop - self.y.start


def whole(count: int, shape: tuple[int, int]) -> list[Window]:
    """Windows that show ``count`` slices whole."""
    return [Window(slice(0, shape[0]), slice(0, shape[1]))] * count


def around(brain: Array, margin: int, multiple: tuple[int, int]) -> list[Window | None]:
    """Windows around the brain in each slice; None for a slice without any.

    Parameters
    ----------
    brain
        (z, x, y) boolean.
    margin
        Voxels kept around it, fewer where the slice ends.
    multiple
        Of which sizes are; a slice is taken to be padded at its end to such a size.
    """
    windows: list[Window | None] = []
    for one in brain:
        sides = []
        for axis, step in enumerate(multiple):
            inside = np.flatnonzero(one.any(axis=1 - axis))
            if not inside.size:
                break
            padded = -(-one.shape[axis] // step) * step
            low, high = max(0, int(inside[0]) - margin), min(one.shape[axis], int(inside[-1]) + 1 + margin)
            size = -(-(high - low) // step) * step
            # Widened on both sides; shifted inward at the slice's ends.
            start = min(max(0, low - (size - (high - low)) // 2), padded - size)
            sides.append(slice(start, start + size))
        windows.append(Window(sides[0], sides[1]) if len(sides) == 2 else None)
    return windows


def of_one_shape(windows: Sequence[Window | None], numbers: Array) -> list[list[tuple[int, Window]]]:
    """Those of the slices ``numbers`` that are shown at all, with their windows, grouped by size."""
    groups: dict[tuple[int, int], list[tuple[int, Window]]] = defaultdict(list)
    for number in numbers:
        window = windows[int(number)]
        if window is not None:
            groups[window.shape].append((int(number), window))
    return list(groups.values())
