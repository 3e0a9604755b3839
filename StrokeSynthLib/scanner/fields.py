"""Smooth random fields, drawn on coarse grids and interpolated where they are needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], correlation: float) -> Array:
    """Gaussian field of mean about 0 and variance 1, float32.

    ``correlation``: standard deviation of the smoothing kernel, in samples.
    """
    from scipy.ndimage import gaussian_filter

    white = rng.standard_normal(shape, dtype=np.float32)
    if correlation <= 0:
        return white
    field = gaussian_filter(white, correlation, mode="wrap", truncate=3.0)
    return np.asarray(field / max(float(field.std()), 1e-6), np.float32)


def linear_weights(positions: Array, nodes: int) -> Array:
    """Matrix (positions, nodes) that interpolates linearly at ``positions`` (in node numbers).

    Positions outside the nodes take the nearest node's value.
    """
    place = np.clip(positions, 0.0, nodes - 1.0)
    left = np.minimum(place.astype(int), max(nodes - 2, 0))
    share = place - left
    weights = np.zeros((len(place), nodes), np.float32)
    rows = np.arange(len(place))
    weights[rows, left] = 1.0 - share
    if nodes > 1:
        weights[rows, left + 1] += share
    return weights


def resample(values: Array, to_index: Array, shape: tuple[int, int, int]) -> Array:
    """``values`` at ``to_index`` (4, 4) @ index for every index of ``shape``, float32.

    Linear; outside ``values`` the nearest one. As scipy's ``affine_transform``, several times faster.
    """
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T, np.float32))
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(to_index[:3, :3].ravel().tolist())
    transform.SetTranslation(to_index[:3, 3].tolist())
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in shape])
    resampler.SetTransform(transform)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetUseNearestNeighborExtrapolator(True)
    resampler.SetNumberOfThreads(1)
    return np.ascontiguousarray(sitk.GetArrayFromImage(resampler.Execute(image)).T)


def sample_at(field: Array, index: Array, step: float) -> Array:
    """Value of a coarse ``field`` at voxel indices (3, n) of a grid ``step`` times finer."""
    from scipy.ndimage import map_coordinates

    return np.asarray(
        map_coordinates(field, index.astype(np.float32) / np.float32(step), order=1, mode="nearest")
    )
