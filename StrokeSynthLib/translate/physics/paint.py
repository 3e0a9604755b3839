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
from ..boxes import Box
from ..examples import IS_PARENCHYMA
from ..fields import smooth
from ..signal import adc_from, dwi_from, magnitude
from .assumed import TISSUE_OF_CLASS
from .lesion_fit import lesion_weight, share_at_depth
from .model import CaseDraw

Array = npt.NDArray[Any]
#: Noise of b0 and of DWI, each in both receiver channels; None where there is none.
Noise = tuple[tuple[Array, Array] | None, tuple[Array, Array] | None]

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

    def cut(self, box: Box) -> Painting:
        """The part in a box, as arrays of their own."""
        return Painting(*(np.ascontiguousarray(array[box]) for array in (self.b0, self.dwi, self.filled)))


def nearest_parenchyma(labels: Array, spacing: tuple[float, float, float]) -> Array:
    """For every voxel the class of the parenchyma that is nearest to it."""
    from scipy.ndimage import distance_transform_edt

    index = distance_transform_edt(
        ~IS_PARENCHYMA[labels], sampling=spacing, return_distances=False, return_indices=True
    )
    return np.asarray(labels[tuple(index)])


def fill_under_lesion(labels: Array, lesion: Array, spacing: tuple[float, float, float]) -> Array:
    """Labels with the nearest parenchyma where the lesion lies on anything else.

    The mask is taken at its word: where it marks lesion, there is tissue.
    """
    wrong = lesion & ~IS_PARENCHYMA[labels]
    return np.where(wrong, nearest_parenchyma(labels, spacing), labels) if wrong.any() else labels


def before_blur(length: float, blur_mm: tuple[float, float, float]) -> tuple[float, float]:
    """Correlation length and gain that a texture needs before the blur, to come out of it as measured."""
    in_plane = sorted(blur_mm)[1]
    sharp = max(float(np.sqrt(max(length**2 - 2.0 * in_plane**2, 0.0))), 0.4 * length)
    kept = np.prod([(sharp**2 / (sharp**2 + 2.0 * width**2)) ** 0.25 for width in blur_mm])
    return sharp, float(min(1.0 / max(kept, 1e-3), _MOST_GAIN))


def filled_mask(labels: Array, spacing: tuple[float, float, float], draw: CaseDraw, seed: int) -> Array:
    """Where an image of this case has signal: everywhere, or in the brain's hull if it is skull-stripped."""
    if draw.strip_level <= 0.0 and draw.air_empty:
        return np.asarray(labels > 0)
    if draw.strip_level <= 0.0:
        return np.ones(labels.shape, bool)
    hull = brain_hull(labels, spacing, int(generator(seed, "hull").integers(2**31)))
    return np.asarray((hull > draw.strip_level) & (labels > 0))


def paint(
    labels: Array, lesion: Array, spacing: tuple[float, float, float], draw: CaseDraw, texture: Texture,
    filled: Array, bias: Array,
) -> Painting:  # fmt: skip
    """Paint ``labels`` (x, y, z) with ``lesion`` (boolean) inside ``filled``; no noise yet.

    ``bias`` is the factor of the coils. The arrays may be a box of an image: only the blur, and the depth
    below the lesion's border, look beyond a voxel.
    """
    tissue = TISSUE_OF_CLASS[labels]
    b0 = np.asarray(draw.b0, np.float32)[tissue] * np.exp(texture.log_b0)
    adc = np.asarray(draw.adc, np.float32)[tissue] + texture.adc
    if lesion.any():
        share = share_at_depth(lesion, spacing, draw.lesion_profile)
        log_b0, log_adc = (share * np.float32(effect) for effect in draw.lesion[:2])
        # In the lesion its own variation replaces the tissue's.
        lesion_b0 = np.asarray(draw.b0, np.float32)[tissue] * np.exp(log_b0 + texture.lesion_log_b0)
        lesion_adc = np.asarray(draw.adc, np.float32)[tissue] * np.exp(log_adc + texture.lesion_log_adc)
        weight = lesion_weight(lesion, spacing, draw.lesion_softness_mm, IS_PARENCHYMA[labels])
        b0, adc = b0 + weight * (lesion_b0 - b0), adc + weight * (lesion_adc - adc)
    adc = np.clip(adc, 0.05, 3.6)
    # Both signals are mixed by the blur, not the ADC: that is what partial volume is.
    blurred = [smooth(image, draw.blur_mm, spacing) for image in (b0, dwi_from(b0, adc, draw.b_value))]
    return Painting(
        np.where(filled, blurred[0] * bias, 0.0).astype(np.float32),
        np.where(filled, blurred[1] * bias, 0.0).astype(np.float32), filled,
    )  # fmt: skip


def add_noise(
    b0: Array, dwi: Array, filled: Array, draw: CaseDraw, noise: Noise
) -> tuple[Array, Array, Array]:
    """Noisy b0 and DWI, and the ADC that a scanner would compute from them; 0 where empty."""
    noisy_b0 = np.where(filled, magnitude(b0, noise[0]), 0.0)
    noisy_dwi = np.where(filled, magnitude(dwi, noise[1]), 0.0)
    # Below the floor a scanner writes no ADC; b0 = DWI there keeps the signal equation.
    seen = filled & (noisy_b0 > draw.adc_floor)
    adc = np.where(seen, adc_from(noisy_b0, noisy_dwi, draw.b_value), 0.0)
    noisy_b0 = np.where(seen, noisy_b0, noisy_dwi)
    return noisy_b0.astype(np.float32), noisy_dwi.astype(np.float32), adc.astype(np.float32)
