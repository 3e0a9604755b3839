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
#: Narrower than this, the steps of the map's voxels would show.
_LEAST_IN_PLANE, _LEAST_ACROSS = 0.5, 0.3
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
    """Width of the blur by trial, with four coarse tissues: the mean of two estimates.

    The smallest residual of b0 takes every misfit of map and image (distortion) for blur; equal
    steepness of edges takes everything that the map does not show (vessels, ringing) for sharpness.
    The truth lies between.
    """
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

    inner = _eroded(mask)
    values = b0[mask]

    def sharpness(image: Array, axes: tuple[int, ...]) -> float:
        """Mean of the steepest tenth of the steps along ``axes``: edges, well placed or not."""
        steps = np.concatenate([np.abs(np.gradient(image, axis=axis))[inner] for axis in axes])
        return float(np.sort(steps)[-max(steps.size // 10, 1) :].mean())

    def error(in_plane: float, through: float, axes: tuple[int, ...]) -> tuple[float, float]:
        sigma = [in_plane] * 3
        sigma[across] = through
        blurred = [smooth(g, sigma, (1.0, 1.0, 1.0)) for g in groups]
        design = np.stack([image[mask] for image in blurred], 1)
        gram = design.T @ design + 1e-3 * np.eye(len(groups))
        shares = np.linalg.solve(gram, design.T @ values)
        fitted = np.tensordot(shares.astype(np.float32), np.stack(blurred), 1)
        residual = float(np.abs(values - fitted[mask]).mean())
        return residual, abs(sharpness(fitted, axes) - sharpness(b0, axes))

    def best(errors: dict[float, tuple[float, float]]) -> float:
        first = min(errors, key=lambda width: errors[width][0])
        second = min(errors, key=lambda width: errors[width][1])
        return 0.5 * (first + second)

    plane = tuple(axis for axis in range(3) if axis != across)
    in_plane = max(best({width: error(width, 0.3, plane) for width in _IN_PLANE}), _LEAST_IN_PLANE)
    through = max(best({width: error(in_plane, width, (across,)) for width in _ACROSS}), _LEAST_ACROSS)
    widths = [in_plane * step for step in part.spacing]
    widths[across] = through * part.spacing[across]
    return widths[0], widths[1], widths[2]


def _eroded(mask: Array) -> Array:
    from scipy.ndimage import binary_erosion

    inner = np.asarray(binary_erosion(mask))
    return inner if inner.any() else mask
