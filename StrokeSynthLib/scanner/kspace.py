"""What the EPI readout does to an image, as one matrix per in-plane axis.

The object is a fine grid of cells; the scanner measures a limited number of spatial
frequencies, weighted by T2* decay along the phase-encoding axis and by the filter against
ringing, and reconstructs (with zero filling) on the image grid. For one axis this is

    image[n] = sum_m object[m] * sum_k w(k) cos(2 pi k (x_n - x_m) / FOV) / cells

so partial volume, point-spread function, Gibbs ringing and interpolation come out of one product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_TABLE_PER_SAMPLE = 64


def frequency_weights(samples: int, apodization: float, decay: float = 0.0) -> Array:
    """Weights of frequencies 0 to ``samples`` / 2.

    ``apodization``: 0 none, 1 full Hann filter. ``decay``: exponent of the loss at the edge of
    k-space (T2* and partial Fourier along the phase-encoding axis).
    """
    k = np.arange(samples // 2 + 1) / (samples / 2)
    hann = 0.5 + 0.5 * np.cos(np.pi * k)
    return np.asarray((1.0 - apodization + apodization * hann) * np.exp(-decay * k))


def encoding_matrix(image_positions: Array, cell_positions: Array, fov: float, weights: Array) -> Array:
    """Matrix (image, cells), float32, from object cells to image samples of one axis (mm).

    Rows sum to about 1: a constant object gives a constant image.
    """
    samples = 2 * (len(weights) - 1)
    k = np.arange(len(weights))
    factors = np.where((k == 0) | (k == len(weights) - 1), 1.0, 2.0) * weights
    table_size = samples * _TABLE_PER_SAMPLE
    spectrum = np.zeros(table_size // 2 + 1)
    spectrum[: len(weights)] = factors / 2.0
    spectrum[0] = factors[0]
    table = np.fft.irfft(spectrum, table_size) * table_size
    distance = (image_positions[:, None] - cell_positions[None, :]) / fov * table_size
    wrapped = np.mod(distance, table_size)
    kernel = np.interp(wrapped, np.arange(table_size + 1), np.append(table, table[0]))
    return np.asarray(kernel / len(cell_positions), np.float32)


def cell_centers(count: int, fov: float) -> Array:
    """Centers of ``count`` cells that fill ``fov`` (mm from its edge)."""
    return np.asarray((np.arange(count) + 0.5) * fov / count)
