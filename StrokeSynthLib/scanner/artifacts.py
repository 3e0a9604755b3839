"""What the receiver adds: coil shading, N/2 ghosts, noise; and what the scanner computes.

Noise is complex and Gaussian before the magnitude is taken (Rician in each image; Gudbjartsson & Patz,
MRM 1995;34:910). The trace image is the geometric mean of three directions. ADC comes from these magnitudes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .fields import linear_weights, smooth_noise

Array = npt.NDArray[Any]

DIRECTIONS = 3
#: What a scanner stores at most in its ADC map (10^-3 mm^2/s).
LARGEST_ADC = 4.0


@dataclass(frozen=True)
class Shading:
    """Receive-coil shading as a smooth factor on slices.

    ``log_gain``: its logarithm on coarse nodes (x, y, z) spread evenly over the image.
    """

    log_gain: Array

    @classmethod
    def draw(cls, rng: np.random.Generator, strength: float) -> Shading:
        """Low-order shading: brighter toward the coil, and an irregular part."""
        nodes = (7, 7, 6)
        x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in nodes], indexing="ij")
        radius = x**2 + y**2 + 0.5 * z**2
        slope = rng.normal(0.0, 0.5, 3)
        regular = 0.6 * (radius - radius.mean()) + slope[0] * x * 0.4 + slope[1] * y + (slope[2] - 0.3) * z
        irregular = smooth_noise(rng, nodes, 1.3)
        pattern = regular / max(float(regular.std()), 1e-6) + 0.8 * irregular
        return cls((strength * pattern / 1.3).astype(np.float32))

    def planes(self, shape: tuple[int, int, int]) -> Array:
        """Factor on every voxel, (slices, x, y), float32."""
        weights = [
            linear_weights(np.linspace(0, n - 1, size), n)
            for n, size in zip(self.log_gain.shape, shape, strict=True)
        ]
        return np.asarray(np.exp(np.einsum("xa,yb,zc,abc->zxy", *weights, self.log_gain, optimize=True)))


def with_ghost(image: Array, share: float, phase_axis: int) -> Array:
    """Slice (x, y) with a copy of itself half a field of view away along the phase-encoding axis."""
    if share == 0.0:
        return image
    return np.asarray(image + np.float32(share) * np.roll(image, image.shape[phase_axis] // 2, phase_axis))


def noisy_magnitudes(
    b0: Array, dwi: Array, noise: Array, sigma_b0: float, sigma_direction: float
) -> tuple[Array, Array]:
    """Magnitude b0 and trace DWI of one slice.

    ``noise``: 2 + 2 * DIRECTIONS planes of unit variance (real and imaginary of each image).
    """
    magnitude = np.sqrt((b0 + sigma_b0 * noise[0]) ** 2 + (sigma_b0 * noise[1]) ** 2)
    scaled = noise[2:] * np.float32(sigma_direction)
    squares = np.ones_like(dwi)
    for direction in range(DIRECTIONS):
        squares *= (dwi + scaled[2 * direction]) ** 2 + scaled[2 * direction + 1] ** 2
    return magnitude, np.cbrt(np.sqrt(squares))


def adc_map(b0: Array, dwi: Array, b_value: float, threshold: float) -> Array:
    """ln(b0 / dwi) / b in 10^-3 mm^2/s, within what scanners store; 0 where b0 <= ``threshold``."""
    adc = np.zeros(b0.shape, np.float32)
    seen = (b0 > threshold) & (dwi > 0)
    adc[seen] = np.log(b0[seen] / dwi[seen]) * np.float32(1000.0 / b_value)
    return np.clip(adc, 0.0, LARGEST_ADC)
