"""The signal equation of diffusion MR and the noise of magnitude images.

S(b) = S0 exp(-b ADC), with ADC in 10^-3 mm^2/s and b in s/mm^2; Rician noise after
Gudbjartsson and Patz, Magnetic Resonance in Medicine 1995, 34:910.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Largest ADC that is kept (10^-3 mm^2/s); free water at body temperature has about 3.1.
MAXIMUM_ADC = 4.0
_TINY = 1e-6


def dwi_from(b0: Array, adc: Array, b_value: float) -> Array:
    """Diffusion-weighted signal of ``b0`` with ``adc`` (10^-3 mm^2/s) at ``b_value`` (s/mm^2)."""
    return np.asarray(b0 * np.exp(-b_value * 1e-3 * adc))


def b0_from(dwi: Array, adc: Array, b_value: float) -> Array:
    """Signal without diffusion weighting that belongs to ``dwi`` and ``adc``."""
    return np.asarray(dwi * np.exp(b_value * 1e-3 * np.clip(adc, 0.0, MAXIMUM_ADC)))


def adc_from(b0: Array, dwi: Array, b_value: float) -> Array:
    """ADC (10^-3 mm^2/s) as a scanner computes it from two images, within 0 and 4."""
    ratio = np.log(np.maximum(b0, _TINY) / np.maximum(dwi, _TINY)) / (b_value * 1e-3)
    return np.asarray(np.where((b0 > _TINY) & (dwi > _TINY), np.clip(ratio, 0.0, MAXIMUM_ADC), 0.0))


def receiver_noise(
    shape: tuple[int, ...], sigma: float, rng: np.random.Generator
) -> tuple[Array, Array] | None:
    """Gaussian noise of ``sigma`` in both receiver channels, float32; None where there is none."""
    if sigma <= 0.0:
        return None
    real = sigma * rng.standard_normal(shape, dtype=np.float32)
    return real, sigma * rng.standard_normal(shape, dtype=np.float32)


def magnitude(signal: Array, noise: tuple[Array, Array] | None) -> Array:
    """Magnitude image of ``signal`` with the noise of both channels."""
    return signal if noise is None else np.asarray(np.hypot(signal + noise[0], noise[1]))
