"""Slices, and the grids of a translator's training cases: kept in its record for databases made with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .examples import Example


def slice_axis(spacing: tuple[float, float, float]) -> int:
    """The axis across slices: the one with clearly the widest steps, else the third."""
    widest = max(range(3), key=lambda axis: spacing[axis])
    return widest if spacing[widest] > 1.2 * min(spacing) else 2


def geometries(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """One entry per case: voxels in plane, their spacing, slice distance (mm), slices, stripping.

    In plane a square that covers the longer side.
    """
    out = []
    for example in examples:
        spacing = example.spacing
        axis = slice_axis(spacing)
        plane = [a for a in range(3) if a != axis]
        fine = min(spacing[a] for a in plane)
        extent = max(example.labels.shape[a] * spacing[a] for a in plane)
        out.append(
            {
                "matrix": round(extent / fine),
                "spacing": round(fine, 4),
                "thickness": round(spacing[axis], 4),
                "slices": int(example.labels.shape[axis]),
                "skull_stripped": bool(example.stripped),
            }
        )
    return out
