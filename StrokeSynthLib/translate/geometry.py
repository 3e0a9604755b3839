"""The grids of a translator's training cases, kept in its record for databases made with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .examples import Example


def geometries(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """One entry per case: voxels in plane, their spacing, slice distance (mm), slices, stripping.

    In plane a square that covers the longer side; the slice axis is the one with the largest spacing,
    the last where all are alike.
    """
    out = []
    for example in examples:
        spacing = np.asarray(example.spacing, float)
        axis = 2 if spacing[2] >= 0.9 * spacing.max() else int(np.argmax(spacing))
        plane = [a for a in range(3) if a != axis]
        fine = float(spacing[plane].min())
        extent = max(example.labels.shape[a] * spacing[a] for a in plane)
        out.append(
            {
                "matrix": round(extent / fine),
                "spacing": round(fine, 4),
                "thickness": round(float(spacing[axis]), 4),
                "slices": int(example.labels.shape[axis]),
                "skull_stripped": bool(example.stripped),
            }
        )
    return out
