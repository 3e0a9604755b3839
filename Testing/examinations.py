"""A small examination with tissue, fluid and a lesion, as volumes and as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.volume import Storage, Volume, write_volume

SHAPE = (24, 28, 14)
OBLIQUE = np.array(
    [[1.96, -0.38, 0.12, -21.0], [0.39, 1.95, -0.25, -30.0], [-0.05, 0.19, 3.98, 12.0], [0, 0, 0, 1]]
)


def right_angled_affine() -> Any:
    """An oblique affine with axes at right angles, voxels of 2 x 2 x 4 mm."""
    left, _, right = np.linalg.svd(OBLIQUE[:3, :3] / np.linalg.norm(OBLIQUE[:3, :3], axis=0))
    affine = OBLIQUE.copy()
    affine[:3, :3] = (left @ right) * np.array([2.0, 2.0, 4.0])
    return affine


AFFINE = right_angled_affine()


class Examination:
    """Volumes of one examination: dwi, b0, adc (10^-3 mm^2/s), lesion, semantic_map; b = 1000."""

    def __init__(self, seed: int = 0, *, lesion: bool = True, shape: tuple[int, int, int] = SHAPE) -> None:
        rng = np.random.default_rng(seed)
        index = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
        radius = np.sqrt((index**2).sum(axis=0))
        brain, fluid = radius < 0.9, radius < 0.25
        spot = (np.abs(index[0] - 0.4) < 0.2) & (np.abs(index[1]) < 0.2) & (np.abs(index[2]) < 0.3) & brain
        spot &= lesion
        adc = np.where(brain, 0.8, 0.0)
        adc[fluid], adc[spot] = 3.0, 0.45
        b0 = np.where(brain, 600.0, 0.0)
        b0[fluid] = 1500.0
        noise = rng.normal(0, 3, (2, *shape))
        b0_array = np.where(brain, b0 + noise[0], np.abs(noise[0]))
        dwi_array = np.where(brain, b0 * np.exp(-adc) + noise[1], np.abs(noise[1]))
        # White matter and cortex of both sides, third ventricle.
        labels = np.where(brain, 1 + (index[0] > 0) + 2 * (radius > 0.7), 0)
        labels[fluid] = 31
        self.dwi = self._volume(dwi_array)
        self.b0 = self._volume(b0_array)
        self.adc = self._volume(adc)
        self.lesion = Volume(spot.astype(np.uint8), AFFINE, Storage("uint8"))
        self.semantic_map = Volume(labels.astype(np.uint8), AFFINE, Storage("uint8"))

    @staticmethod
    def _volume(array: Any) -> Volume:
        return Volume(array.astype(np.float32), AFFINE)

    def write(self, folder: Path, pattern: str, *roles: str) -> None:
        """Write images as ``pattern`` with {role} replaced ("x_{role}.nii.gz")."""
        volumes = {
            "dwi": self.dwi,
            "adc": self.adc,
            "b0": self.b0,
            "msk": self.lesion,
            "dseg": self.semantic_map,
        }
        for role in roles:
            write_volume(folder / pattern.format(role=role), volumes[role])
