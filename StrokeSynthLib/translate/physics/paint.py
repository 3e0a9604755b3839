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
from ...scanner.stripping import brain_hull
from ..examples import IS_PARENCHYMA
from ..fields import correlated_field, smooth
from ..signal import adc_from, dwi_from, rician
from .assumed import TISSUE_OF_CLASS
from .bias import bias_field
from .model import CaseDraw

Array = npt.NDArray[Any]


#: Most that texture is raised before the blur.
_MOST_GAIN = 1.3


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
    """Labels with the nearest parenchyma where the lesion lies on anything else.

    The mask is taken at its word: where it marks lesion, there is tissue.
    """
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


def _before_blur(length: float, blur_mm: tuple[float, float, float]) -> tuple[float, float]:
    """Correlation length and gain that a texture needs before the blur, to come out of it as measured."""
    in_plane = sorted(blur_mm)[1]
    sharp = max(float(np.sqrt(max(length**2 - 2.0 * in_plane**2, 0.0))), 0.4 * length)
    kept = np.prod([(sharp**2 / (sharp**2 + 2.0 * width**2)) ** 0.25 for width in blur_mm])
    return sharp, float(min(1.0 / max(kept, 1e-3), _MOST_GAIN))


def draw_texture(
    labels: Array, lesion: Array, spacing: tuple[float, float, float], draw: CaseDraw, seed: int
) -> Texture:
    """Random texture of a case; the same for a map with and without its lesion."""
    tissue = TISSUE_OF_CLASS[labels]
    length, gain = _before_blur(draw.texture_mm, draw.blur_mm)
    b0_field, own_field = (
        gain * correlated_field(labels.shape, spacing, length, generator(seed, name))
        for name in ("texture b0", "texture adc")
    )
    shared = np.asarray(draw.texture_correlation, np.float32)[tissue]
    adc_field = shared * b0_field + np.sqrt(1.0 - shared**2) * own_field
    in_tissue = (
        np.asarray(draw.b0_texture, np.float32)[tissue] * b0_field,
        np.asarray(draw.adc_texture, np.float32)[tissue] * adc_field,
    )
    if not lesion.any():
        return Texture(*in_tissue, np.zeros((), np.float32), np.zeros((), np.float32))
    return Texture(*in_tissue, *_lesion_texture(labels.shape, spacing, draw, seed))


def _lesion_texture(
    shape: tuple[int, ...], spacing: tuple[float, float, float], draw: CaseDraw, seed: int
) -> tuple[Array, Array]:
    """Variation of log b0 and log ADC within the lesion."""
    _, _, sd_b0, sd_adc, correlation, length = draw.lesion
    sharp, gain = _before_blur(length, draw.blur_mm)
    first, second = (
        gain * correlated_field(shape, spacing, sharp, generator(seed, name))
        for name in ("lesion b0", "lesion adc")
    )
    mixed = correlation * first + np.sqrt(1.0 - correlation**2) * second
    return np.float32(sd_b0) * first, np.float32(sd_adc) * mixed


def filled_mask(labels: Array, spacing: tuple[float, float, float], draw: CaseDraw, seed: int) -> Array:
    """Where an image of this case has signal: everywhere, or in the brain's hull if it is skull-stripped."""
    if draw.strip_level <= 0.0 and draw.air_empty:
        return np.asarray(labels > 0)
    if draw.strip_level <= 0.0:
        return np.ones(labels.shape, bool)
    hull = brain_hull(labels, spacing, int(generator(seed, "hull").integers(2**31)))
    return np.asarray((hull > draw.strip_level) & (labels > 0))


def paint(
    labels: Array,
    lesion: Array,
    spacing: tuple[float, float, float],
    draw: CaseDraw,
    texture: Texture,
    filled: Array,
) -> Painting:
    """Paint ``labels`` (x, y, z) with ``lesion`` (boolean) inside ``filled``; no noise yet."""
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
    # Below the floor a scanner writes no ADC; b0 = DWI there keeps the signal equation.
    seen = filled & (noisy_b0 > draw.adc_floor)
    adc = np.where(seen, adc_from(noisy_b0, noisy_dwi, draw.b_value), 0.0)
    noisy_b0 = np.where(seen, noisy_b0, noisy_dwi)
    return noisy_b0.astype(np.float32), noisy_dwi.astype(np.float32), adc.astype(np.float32)
