"""What comes out of the simulated scanner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..volume import Volume


@dataclass(frozen=True)
class Acquisition:
    """One simulated examination; all volumes on one grid.

    Parameters
    ----------
    dwi, b0
        Magnitude images, float32, arbitrary units (one scale for both).
    adc
        ln(b0/dwi)/b of the *noisy* images, as a scanner computes it (10^-3 mm^2/s), float32.
    lesion
        uint8: voxels of which at least half is acute lesion.
    semantic_map
        uint8 classes, the most frequent of each voxel, without the lesion.
    b_value
        Of ``dwi`` (s/mm^2).
    record
        Everything drawn: protocol name and all parameters, lesion age, seed.
    """

    dwi: Volume
    b0: Volume
    adc: Volume
    lesion: Volume
    semantic_map: Volume
    b_value: float
    record: Mapping[str, Any]
