"""A map painted with drawn values: signals first, then what a scanner does to them.

In order: class values, texture, lesion -> sharp b0 and DWI -> blur by the point-spread
function (which mixes signals at every boundary) -> bias field. Noise comes last, apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...randomness import generator
from ..examples import IS_INTRACRANIAL, IS_PARENCHYMA
from ..fields import correlated_field, smooth
from ..signal import adc_from, dwi_from, rician
from .assumed import TISSUE_OF_CLASS, TISSUES
from .bias import bias_field
from .model import CaseDraw

Array = npt.NDArray[Any]

#: A lesion voxel on fluid takes the nearest tissue's values (the mask is taken at its word).
_AIR = TISSUES.index("air")


@dataclass(frozen=True)
class Texture:
    """Deviations from the class values: of log b0, and of ADC (10^-3 mm^2/s, or log in the lesion)."""

    log_b0: Array
    adc: Array
    lesion_log_b0: Array
    lesion_log_adc: Array


@dataclass(frozen=True)
class Painting:
    """Signals without noise, in units of white matter's b0, and the mask of what is not empty."""

    b0: Array
    dwi: Array
    filled: Array


def fill_under_lesion(labels: Array, lesion: Array, spacing: tuple[float, float, float]) -> Array:
    """Labels with the nearest parenchyma where the lesion lies on anything else."""
    wrong = lesion & ~IS_PARENCHYMA[labels]
    if not wrong.any():
        return labels
    from scipy.ndimage import distance_transform_edt

    index = distance_transform_edt(
        ~IS_PARENCHYMA[labels], sampling=spacing, return_distances=False, return_indices=True
    )
    filled = labels.copy()
    filled[wrong] = labels[tuple(axis[wrong] for axis in index)]
    return filled


def draw_texture(
    labels: Array, lesion: Array, spacing: tuple[float, float, float], draw: CaseDraw, seed: int
) -> Texture:
    """Random texture of a case; the same for a map with and without its lesion."""
    tissue = TISSUE_OF_CLASS[labels]
    shape = labels.shape
    b0_field = correlated_field(shape, spacing, draw.texture_mm, generator(seed, "texture b0"))
    own_field = correlated_field(shape, spacing, draw.texture_mm, generator(seed, "texture adc"))
    shared = np.asarray(draw.texture_correlation, np.float32)[tissue]
    adc_field = shared * b0_field + np.sqrt(1.0 - shared**2) * own_field
    spread_b0 = np.asarray(draw.b0_texture, np.float32)[tissue]
    spread_adc = np.asarray(draw.adc_texture, np.float32)[tissue]
    zero = np.zeros((), np.float32)
    if not lesion.any():
        return Texture(spread_b0 * b0_field, spread_adc * adc_field, zero, zero)
    _, _, sd_b0, sd_adc, correlation, length = draw.lesion
    first = correlated_field(shape, spacing, length, generator(seed, "lesion b0"))
    second = correlated_field(shape, spacing, length, generator(seed, "lesion adc"))
    mixed = correlation * first + np.sqrt(1.0 - correlation**2) * second
    return Texture(
        spread_b0 * b0_field, spread_adc * adc_field, np.float32(sd_b0) * first, np.float32(sd_adc) * mixed
    )


def paint(
    labels: Array, lesion: Array, spacing: tuple[float, float, float], draw: CaseDraw, texture: Texture
) -> Painting:
    """Paint ``labels`` (x, y, z) with ``lesion`` (boolean); no noise yet."""
    tissue = TISSUE_OF_CLASS[labels]
    b0 = np.asarray(draw.b0, np.float32)[tissue] * np.exp(texture.log_b0)
    adc = np.asarray(draw.adc, np.float32)[tissue] + texture.adc
    if lesion.any():
        log_b0, log_adc = draw.lesion[:2]
        # In the lesion its own variation replaces the tissue's.
        lesion_b0 = np.asarray(draw.b0, np.float32)[tissue] * np.exp(log_b0 + texture.lesion_log_b0)
        lesion_adc = np.asarray(draw.adc, np.float32)[tissue] * np.exp(log_adc + texture.lesion_log_adc)
        b0, adc = np.where(lesion, lesion_b0, b0), np.where(lesion, lesion_adc, adc)
    adc = np.clip(adc, 0.05, 3.6)
    filled = IS_INTRACRANIAL[labels] if draw.stripped else np.ones(labels.shape, bool)
    b0 = np.where(filled, b0, 0.0)
    # Both signals are mixed by the blur, not the ADC: that is what partial volume is.
    bias = bias_field(np.asarray(draw.bias), labels, spacing)
    blurred = [smooth(image, draw.blur_mm, spacing) for image in (b0, dwi_from(b0, adc, draw.b_value))]
    return Painting(
        np.where(filled, blurred[0] * bias, 0.0).astype(np.float32),
        np.where(filled, blurred[1] * bias, 0.0).astype(np.float32), filled,
    )  # fmt: skip


def add_noise(b0: Array, dwi: Array, filled: Array, draw: CaseDraw, seed: int) -> tuple[Array, Array, Array]:
    """Noisy b0 and DWI, and the ADC that a scanner would compute from them; 0 where empty."""
    noisy_b0 = np.where(filled, rician(b0, draw.b0_noise, generator(seed, "noise b0")), 0.0)
    noisy_dwi = np.where(filled, rician(dwi, draw.dwi_noise, generator(seed, "noise dwi")), 0.0)
    adc = np.where(filled, adc_from(noisy_b0, noisy_dwi, draw.b_value), 0.0)
    return noisy_b0.astype(np.float32), noisy_dwi.astype(np.float32), adc.astype(np.float32)
