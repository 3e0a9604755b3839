"""Windows of slices that a network of three dimensions is shown one by one, and what they make together.

A network that was trained on blocks of so many slices is shown as many, for its norms are taken over all
that it sees; and the memory that it takes, and the time until it can be stopped, do not grow with the head.
Windows overlap by half, and each counts less towards its ends, so that none begins or stops at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Slices of a block in training, and of a window.
DEPTH = 16


def windows_over(count: int) -> list[slice]:
    """Windows over ``count`` slices, evenly spaced; one where there are no more than :data:`DEPTH`."""
    if count <= DEPTH:
        return [slice(0, count)]
    beyond = count - DEPTH
    starts = np.linspace(0, beyond, -(-beyond // (DEPTH // 2)) + 1).round().astype(int).tolist()
    return [slice(start, start + DEPTH) for start in starts]


def blended(pieces: Sequence[Array], windows: Sequence[slice], count: int) -> Array:
    """What windows show, put together along the last axis (..., z), float32.

    Parameters
    ----------
    pieces
        One (..., z of the window) for each of ``windows``.
    """
    result = np.zeros((*pieces[0].shape[:-1], count), np.float32)
    weights = np.zeros(count, np.float32)
    for piece, window in zip(pieces, windows, strict=True):
        depth = window.stop - window.start
        inward = np.arange(depth)
        weight = np.minimum(inward + 0.5, depth - 0.5 - inward).astype(np.float32)
        result[..., window] += weight * piece
        weights[window] += weight
    return result / weights
