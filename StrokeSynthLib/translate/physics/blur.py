"""The blur of an image against its map: the point-spread function, found by trial."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...schema import CSF
from ..examples import IS_INTRACRANIAL, IS_PARENCHYMA, IS_WHITE_MATTER, Example, lookup
from ..fields import smooth
from ..geometry import slice_axis
from .assumed import TISSUE_OF_CLASS, TISSUES

Array = npt.NDArray[Any]

#: Gaussian blur that is tried, in voxels: within the slice, and across slices.
_IN_PLANE = (0.0, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3)
_ACROSS = (0.0, 0.3, 0.6)
_SLICES = 14
_IS_CSF = lookup(CSF)


def soft_tissues(
    labels: Array, blur: tuple[float, float, float], spacing: tuple[float, float, float]
) -> Array:
    """Blurred indicator of each tissue, shape (tissues, x, y, z)."""
    from scipy.ndimage import find_objects

    tissues = TISSUE_OF_CLASS[labels]
    weights = np.zeros((len(TISSUES), *labels.shape), np.float32)
    reach = [int(np.ceil(3.0 * width / step)) + 1 for width, step in zip(blur, spacing, strict=True)]
    for number, box in enumerate(find_objects(tissues + 1, len(TISSUES))):
        if box is None:
            continue
        # Most tissues are small: only their own surroundings are smoothed.
        part = tuple(
            slice(max(s.start - r, 0), min(s.stop + r, n))
            for s, r, n in zip(box, reach, labels.shape, strict=True)
        )
        weights[number][part] = smooth((tissues[part] == number).astype(np.float32), blur, spacing)
    return weights


def fit_blur(part: Example, usable: Array) -> tuple[float, float, float]:
    """Width of the blur by trial: four coarse tissues, smallest squared residual of b0."""
    across = slice_axis(part.spacing)
    middle = [slice(None)] * 3
    count = part.labels.shape[across]
    # Around the ventricles, where tissue and fluid meet; a few slices tell as much as all.
    first, last = int(count * 0.4), int(count * 0.7)
    middle[across] = slice(first, max(min(last, first + _SLICES), first + 3))
    cut = tuple(middle)
    labels, b0, mask = part.labels[cut], part.b0[cut], usable[cut]
    if mask.sum() < 500:
        x, y, z = part.spacing
        return 0.4 * x, 0.4 * y, 0.4 * z
    white = IS_WHITE_MATTER[labels]
    groups = [_IS_CSF[labels], white, IS_PARENCHYMA[labels] & ~white, ~IS_INTRACRANIAL[labels]]
    groups = [g for g in groups if (g & mask).sum() > 20]

    def error(in_plane: float, through: float) -> float:
        sigma = [in_plane] * 3
        sigma[across] = through
        design = np.stack([smooth(g, sigma, (1.0, 1.0, 1.0))[mask] for g in groups], 1)
        gram = design.T @ design + 1e-3 * np.eye(len(groups))
        values = np.linalg.solve(gram, design.T @ b0[mask])
        # Absolute residuals: vessels and bright rims must not decide.
        return float(np.abs(b0[mask] - design @ values).mean())

    in_plane = min(_IN_PLANE, key=lambda width: error(width, 0.3))
    through = min(_ACROSS, key=lambda width: error(in_plane, width))
    widths = [in_plane * step for step in part.spacing]
    widths[across] = through * part.spacing[across]
    return widths[0], widths[1], widths[2]
