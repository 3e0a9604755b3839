"""The sketch: what the map does not say, told to the network in two channels.

b0 and ADC of each class as drawn for this case, its lesion's values, its bias field, blur, and the
slow part of its texture. In training all of this is measured on the image that the network is to
paint, so that using it is the shortest way to a small loss; for a new image it is drawn
from the fitted distribution, in 3D, so that neighboring slices agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..examples import IS_INTRACRANIAL, IS_PARENCHYMA, Example
from ..fields import smooth_within
from ..physics.mixing import CaseFit, Residuals
from ..physics.model import CaseDraw
from ..physics.paint import Painting, Texture, draw_texture, fill_under_lesion, filled_mask, paint

Array = npt.NDArray[Any]

#: Texture finer than this (mm) is left to the network and the noise.
_SLOW_MM = 3.5


def measured_painting(example: Example, fit: CaseFit, residuals: Residuals, draw: CaseDraw) -> Painting:
    """Sketch of a training case, from its own measured values."""
    labels = fill_under_lesion(example.labels, example.lesion, example.spacing)
    lesion = example.lesion
    tissue = residuals.valid & ~lesion
    in_lesion = lesion & residuals.valid
    log_b0 = smooth_within(residuals.log_b0, tissue, _SLOW_MM, example.spacing)
    adc = smooth_within(residuals.adc, tissue, _SLOW_MM, example.spacing)
    zero = np.zeros((), np.float32)
    lesion_b0 = lesion_adc = zero
    if fit.lesion is not None and in_lesion.any():
        expected = np.clip(example.adc - residuals.adc, 0.3, None)
        ratio = np.log(np.clip(example.adc, 0.1, None) / expected)
        lesion_b0 = smooth_within(residuals.log_b0 - fit.lesion.log_b0, in_lesion, _SLOW_MM, example.spacing)
        lesion_adc = smooth_within(ratio - fit.lesion.log_adc, in_lesion, _SLOW_MM, example.spacing)
    texture = Texture(log_b0, adc, lesion_b0, lesion_adc)
    filled = example.dwi > 0 if example.stripped else np.ones(labels.shape, bool)
    return paint(labels, lesion, example.spacing, draw, texture, filled)


def slow_part(texture: Texture, labels: Array, lesion: Array, spacing: tuple[float, float, float]) -> Texture:
    """The drawn texture without what is finer than the network's share."""
    inside = IS_INTRACRANIAL[labels]
    tissue, in_lesion = inside & ~lesion, lesion & IS_PARENCHYMA[labels]
    parts = [smooth_within(a, tissue, _SLOW_MM, spacing) for a in (texture.log_b0, texture.adc)]
    for part in (texture.lesion_log_b0, texture.lesion_log_adc):
        parts.append(part if part.ndim == 0 else smooth_within(part, in_lesion, _SLOW_MM, spacing))
    return Texture(*parts)


@dataclass(frozen=True)
class Sketch:
    """What goes into the network, and what comes on top of its painting.

    ``grain_b0`` and ``grain_dwi``: factor that fine texture puts on each signal. Fine texture is
    random to the network, which would average it away; so it is multiplied in afterward, like noise.
    """

    painting: Painting
    grain_b0: Array
    grain_dwi: Array


def drawn_sketch(
    labels: Array, lesion: Array, spacing: tuple[float, float, float], draw: CaseDraw, seed: int
) -> Sketch:
    """Sketch of a new image."""
    texture = draw_texture(labels, lesion, spacing, draw, seed)
    filled = filled_mask(labels, spacing, draw, seed)
    whole = paint(labels, lesion, spacing, draw, texture, filled)
    slow = paint(labels, lesion, spacing, draw, slow_part(texture, labels, lesion, spacing), filled)
    return Sketch(slow, _ratio(whole.b0, slow.b0), _ratio(whole.dwi, slow.dwi))


def _ratio(first: Array, second: Array) -> Array:
    tiny = 1e-3
    return np.clip(np.maximum(first, tiny) / np.maximum(second, tiny), 0.4, 2.5).astype(np.float32)
