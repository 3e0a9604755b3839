"""Nodes for tests of the host."""

from __future__ import annotations

from typing import Any

import numpy as np


def oblique(spacing: tuple[float, float, float] = (2.0, 2.0, 5.0)) -> np.ndarray:
    """IJK to RAS of a tilted volume of 64 x 64 x 12 voxels about the origin.

    Right-handed: Slicer turns the slices of files that are not, and would give another array back.
    """
    tilt = np.array([[-1, 0.15, 0.05], [-0.15, -1, 0.1], [0.05, 0.1, 1]])
    u, _, v = np.linalg.svd(tilt)
    matrix = np.eye(4)
    matrix[:3, :3] = (u @ v) * spacing
    matrix[:3, 3] = -matrix[:3, :3] @ [31.5, 31.5, 5.5]
    return matrix


def bright_ball(name: str = "DWI", radius: float = 20.0) -> Any:
    """A volume node that is brightest (200) at the origin and falls to 0 at `radius` mm."""
    import slicer

    matrix = oblique()
    k, j, i = np.indices((12, 64, 64))
    places = np.stack([i, j, k, np.ones_like(i)], -1) @ matrix.T
    distance = np.linalg.norm(places[..., :3], axis=-1)
    values = np.clip(200 * (1 - distance / radius), 0, None).astype(np.float32)
    node = slicer.util.addVolumeFromArray(values, matrix, name)
    node.CreateDefaultDisplayNodes()
    return node
