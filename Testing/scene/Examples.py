"""Small volumes and transforms for tests of the scene layer."""

from __future__ import annotations

import numpy as np

from StrokeSynthLib.volume import Volume


def oblique(
    spacing: tuple[float, float, float] = (1.8, 2.1, 6.5), *, left_handed: bool = False
) -> np.ndarray:
    tilt = np.array([[-1, 0.12, 0.05], [-0.1, -1, 0.2], [0.03, 0.15, 1]])
    u, _, v = np.linalg.svd(tilt)
    affine = np.eye(4)
    affine[:3, :3] = (u @ v) * spacing
    if left_handed:
        affine[:3, 2] *= -1
    affine[:3, 3] = (61.5, -40.25, 12.125)
    return affine


def sample(dtype: str = "float32", **options: bool) -> Volume:
    values = np.random.default_rng(1).uniform(0, 200, (7, 6, 5)).astype(dtype)
    return Volume(values, oblique(**options))


def mask(**options: bool) -> Volume:
    values = np.zeros((7, 6, 5), np.uint8)
    values[2:5, 1:4, 1:3] = 1
    values[6, 5, 4] = 1
    return Volume(values, oblique(**options))


def semanticMap(**options: bool) -> Volume:
    """Every class of the schema, some on one voxel."""
    values = np.random.default_rng(2).integers(0, 43, (7, 6, 5)).astype(np.uint8)
    values.ravel()[:43] = np.arange(43)
    return Volume(values, oblique(**options))


def rigid() -> np.ndarray:
    angle = 0.3
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = (5.0, -7.0, 11.0)
    return matrix


def underTransform(node: object, matrix: np.ndarray) -> object:
    """Put a node under a new linear transform, which is returned."""
    import slicer

    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    parent.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(parent.GetID())
    return parent


def head(scale: float) -> tuple[np.ndarray, float, float]:
    """A DWI of air, brain and a bright lesion, with the signals of the last two."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in (30, 30, 12)], indexing="ij")
    # Magnitudes: noise without signal is bright too, as in a low-cost examination.
    noise = np.random.default_rng(3).normal(0, 12, (2, *x.shape))
    inside = x**2 + y**2 + z**2 < 0.4
    lesion = (x - 0.4) ** 2 + y**2 + z**2 < 0.02
    signal = np.where(lesion, 190.0, np.where(inside, 100.0, 0.0))
    return (np.hypot(signal + noise[0], noise[1]) * scale).astype(np.float32), 100.0 * scale, 190.0 * scale
