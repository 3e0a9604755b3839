"""Small examinations for the segmenters' tests: an ellipsoid brain with lesions, in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from StrokeSynthLib.cohort.case import Case, CaseFiles
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.volume import Volume, write_volume

EXTENT = (150.0, 180.0, 120.0)


def examination(
    seed: int = 0,
    *,
    spacing: tuple[float, float, float] = (4.0, 4.0, 8.0),
    lesion_radius: float = 16.0,
    skull: bool = True,
    scale: float = 300.0,
    noise: float = 0.04,
) -> Case:
    """A head (RAS+) of brain, fluid and skull; one bright lesion of low ADC on one side.

    ``lesion_radius`` 0 gives a head without lesion.
    """
    rng = generator(seed, "examination")
    shape = tuple(round(e / s) for e, s in zip(EXTENT, spacing, strict=True))
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -np.array(spacing) * (np.array(shape) - 1) / 2
    index = np.indices(shape).reshape(3, -1)
    x, y, z = (affine[:3, :3] @ index + affine[:3, 3:]).reshape(3, *shape)

    def ball(center: tuple[float, float, float], axes: tuple[float, float, float]) -> np.ndarray:
        a, b, c = center
        return ((x - a) / axes[0]) ** 2 + ((y - b) / axes[1]) ** 2 + ((z - c) / axes[2]) ** 2 <= 1

    brain = ball((0, 0, 0), (60, 75, 50))
    fluid = ball((12, 0, 5), (7, 24, 12)) | ball((-12, 0, 5), (7, 24, 12))
    side = 1 if rng.random() < 0.5 else -1
    center = (side * rng.uniform(28, 38), rng.uniform(-30, 30), rng.uniform(-10, 15))
    r = lesion_radius
    lesion = ball(center, (r, r, r)) & brain & ~fluid if r else np.zeros(shape, bool)
    dwi = np.where(brain, 1.0, 0.25 * ball((0, 0, 0), (72, 87, 59)) * skull)
    dwi = np.where(fluid, 0.45, dwi) * np.where(lesion, 1.7, 1.0)
    dwi = np.hypot(dwi + rng.normal(0, noise, shape), rng.normal(0, noise, shape)) * (brain | skull)
    adc = np.where(brain, 0.8, 1.0 * skull) + np.where(fluid & brain, 2.2, 0) - 0.35 * lesion
    adc = np.clip(adc + rng.normal(0, noise, shape), 0, None) * (brain | skull)
    volume = Volume((dwi * scale).astype(np.float32), affine)
    return Case(
        f"sub-{seed:04d}", f"sub-{seed:04d}", volume, volume.with_array(adc.astype(np.float32)),
        None, volume.with_array(lesion.astype(np.uint8)),
    )  # fmt: skip


def saved(case: Case, folder: Path) -> CaseFiles:
    """Write a case and give its files."""
    paths = {name: folder / f"{case.name}_{name}.nii.gz" for name in ("dwi", "adc", "lesion")}
    for name, path in paths.items():
        volume = getattr(case, name)
        if volume is not None:
            write_volume(path, volume)
    return CaseFiles(
        case.name, case.person, paths["dwi"], paths["adc"] if case.adc is not None else None,
        None, paths["lesion"],
    )  # fmt: skip


def turned(volume: Volume, axes: tuple[int, int, int], flips: tuple[int, ...]) -> Volume:
    """The same image stored with other axes: permuted, then flipped."""
    array = volume.array.transpose(axes)
    affine = volume.affine[:, [*axes, 3]].copy()
    for axis in flips:
        array = np.flip(array, axis)
        affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
        affine[:3, axis] *= -1
    return replace(volume, array=np.ascontiguousarray(array), affine=affine)
