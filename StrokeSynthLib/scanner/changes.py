"""Where the tissue of a person is not its class's normal: sparse changes of S0, T2 and ADC.

Acute lesions and distractors are both given as natural logarithms of ratios to the tissue
that was there, at single voxels of the anatomy, so that they can be softened, combined and
left out where another one already is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Changes:
    """Changed voxels of an anatomy.

    Parameters
    ----------
    voxels
        Flat indices (C order) into the anatomy's labels, unique, shape (n,).
    ratios
        float32 (3, n): natural logarithms of the ratios of S0, T2 and ADC to normal.
    """

    voxels: Array
    ratios: Array

    @classmethod
    def none(cls) -> Changes:
        """No change anywhere."""
        return cls(np.zeros(0, np.int64), np.zeros((3, 0), np.float32))

    def without(self, left_out: Array) -> Changes:
        """Without the changes where ``left_out``, boolean (n,), is true."""
        return Changes(self.voxels[~left_out], self.ratios[:, ~left_out])

    @classmethod
    def together(cls, parts: list[Changes]) -> Changes:
        """All parts; where two overlap the later one holds."""
        parts = [part for part in parts if part.voxels.size]
        if not parts:
            return cls.none()
        voxels = np.concatenate([part.voxels for part in parts][::-1])
        ratios = np.concatenate([part.ratios for part in parts][::-1], axis=1)
        unique, first = np.unique(voxels, return_index=True)
        return cls(unique, ratios[:, first])
