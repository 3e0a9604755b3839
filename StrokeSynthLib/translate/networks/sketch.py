"""The sketch: what the map does not say, told to the network in two channels.

b0 and ADC of each class as drawn for this case, its lesion's values, its bias field, blur, and the
slow part of its texture. In training all of this is measured on the image that the network is to
paint, so that using it is the shortest way to a small loss; for a new image it is drawn
from the fitted distribution, in 3D, so that neighboring slices agree.

Trained on the map alone, a network gets each class's mean values in its place, the same for every case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..boxes import Box, grown, reach_of, within
from ..examples import IS_INTRACRANIAL, IS_PARENCHYMA, Example
from ..fields import smooth_within
from ..physics.bias import bias_field
from ..physics.canvas import Canvas
from ..physics.lesion_fit import share_at_depth
from ..physics.mixing import CaseFit, Residuals
from ..physics.model import CaseDraw
from ..physics.paint import Painting, Texture, fill_under_lesion, paint

Array = npt.NDArray[Any]

#: Texture finer than this (mm) is left to the network and the noise.
_SLOW_MM = 3.5


def measured_painting(example: Example, fit: CaseFit, residuals: Residuals, draw: CaseDraw) -> Painting:
    """Sketch of a training case, from its own measured values."""
    lesion = example.lesion
    tissue = residuals.valid & ~lesion
    in_lesion = lesion & residuals.valid
    log_b0, adc = smooth_within([residuals.log_b0, residuals.adc], tissue, _SLOW_MM, example.spacing)
    zero = np.zeros((), np.float32)
    lesion_b0 = lesion_adc = zero
    if fit.lesion is not None and in_lesion.any():
        expected = np.clip(example.adc - residuals.adc, 0.3, None)
        ratio = np.log(np.clip(example.adc, 0.1, None) / expected)
        share = share_at_depth(lesion, example.spacing, draw.lesion_profile)
        deviations = [residuals.log_b0 - share * fit.lesion.log_b0, ratio - share * fit.lesion.log_adc]
        lesion_b0, lesion_adc = smooth_within(deviations, in_lesion, _SLOW_MM, example.spacing)
    return _painted(example, draw, Texture(log_b0, adc, lesion_b0, lesion_adc))


def plain_painting(example: Example, draw: CaseDraw) -> Painting:
    """Sketch of a training case that tells no more than its map; ``draw``: :meth:`SignalModel.plain`."""
    zero = np.zeros((), np.float32)
    return _painted(example, draw, Texture(zero, zero, zero, zero))


def _painted(example: Example, draw: CaseDraw, texture: Texture) -> Painting:
    labels = fill_under_lesion(example.labels, example.lesion, example.spacing)
    filled = example.dwi > 0 if example.stripped else np.ones(labels.shape, bool)
    bias = bias_field(np.asarray(draw.bias), example.labels, example.spacing)
    return paint(labels, example.lesion, example.spacing, draw, texture, filled, bias)


def slow_part(texture: Texture, labels: Array, lesion: Array, spacing: tuple[float, float, float]) -> Texture:
    """The drawn texture without what is finer than the network's share."""
    inside = IS_INTRACRANIAL[labels]
    tissue, in_lesion = inside & ~lesion, lesion & IS_PARENCHYMA[labels]
    parts = smooth_within([texture.log_b0, texture.adc], tissue, _SLOW_MM, spacing)
    lesions = [texture.lesion_log_b0, texture.lesion_log_adc]
    parts += lesions if lesions[0].ndim == 0 else smooth_within(lesions, in_lesion, _SLOW_MM, spacing)
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


def sketch_reach(canvas: Canvas) -> tuple[int, ...]:
    """How far a voxel of the lesion changes a sketch (voxels along each axis)."""
    slow = reach_of(_SLOW_MM, canvas.spacing)
    return tuple(one + other for one, other in zip(canvas.reach, slow, strict=True))


def drawn_sketch(canvas: Canvas, lesion: Array, box: Box, *, bare: bool = False) -> Sketch:
    """A box of the sketch of a new image with ``lesion``, boolean over the whole image.

    ``bare``: only the tissue under the lesion, as if it were well.
    """
    outer = grown(box, sketch_reach(canvas), canvas.shape)
    labels, filled = canvas.labels_in(lesion, outer)
    seen = np.zeros(labels.shape, bool) if bare else np.ascontiguousarray(lesion[outer])
    texture = canvas.texture(labels, seen, outer)
    slow_texture = slow_part(texture, labels, seen, canvas.spacing)
    whole = canvas.painted(labels, seen, filled, texture, outer)
    slow = canvas.painted(labels, seen, filled, slow_texture, outer)
    whole, slow = (painting.cut(within(box, outer)) for painting in (whole, slow))
    return Sketch(slow, _ratio(whole.b0, slow.b0), _ratio(whole.dwi, slow.dwi))


def _ratio(first: Array, second: Array) -> Array:
    tiny = 1e-3
    return np.clip(np.maximum(first, tiny) / np.maximum(second, tiny), 0.4, 2.5).astype(np.float32)
