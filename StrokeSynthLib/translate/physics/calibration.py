"""Texture checked on what is painted with it.

The spread of a tissue's texture is measured behind blur, noise and misplaced edges, and painted before
them. What these do to it is found by painting some of the cases again and measuring the paintings by
the same means; the spreads are then multiplied by what was measured over what was painted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...progress import Progress, ProgressEvent, silent
from ..boxes import whole
from ..examples import Example
from .canvas import Canvas
from .mixing import CaseFit, fit_case
from .model import SignalModel
from .paint import add_noise

Array = npt.NDArray[Any]

#: Cases that are painted again: each takes as long as to fit one.
_PAINTED = 6
#: Most that spreads are changed.
_LEAST, _MOST = 0.5, 2.0


def calibrated(
    model: SignalModel, examples: Sequence[Example], fits: Sequence[CaseFit], progress: Progress = silent
) -> SignalModel:
    """``model`` with spreads of texture that come out of paintings as they were measured in the cases.

    ``examples`` and their ``fits``: those that the model was made from, at least one; evenly over them, six
    are painted.
    """
    chosen = np.unique(np.linspace(0, len(examples) - 1, min(_PAINTED, len(examples))).round().astype(int))
    logs: list[Array] = []
    for done, number in enumerate(chosen.tolist()):
        example, fit = examples[number], fits[number]
        progress(ProgressEvent("Checking texture", done, len(chosen), example.name))
        painted = fit_case(_painted_again(model, example, fit, number))[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs.append(np.log([fit.b0_texture / painted.b0_texture, fit.adc_texture / painted.adc_texture]))
    factors = [_factor(values) for values in np.stack(logs, 1)]
    return replace(
        model, b0_texture=factors[0] * model.b0_texture, adc_texture=factors[1] * model.adc_texture
    )


def _factor(logs: Array) -> float:
    """One factor from logs of ratios (cases, tissues), of which some are not finite."""
    known = logs[np.isfinite(logs)]
    return float(np.clip(np.exp(np.median(known)), _LEAST, _MOST)) if known.size else 1.0


def _painted_again(model: SignalModel, example: Example, fit: CaseFit, seed: int) -> Example:
    """The case as the model paints it."""
    draw = model.of_case(fit)
    canvas = Canvas(example.labels, example.spacing, draw, seed)
    painting = canvas.paint(example.lesion, whole(canvas.shape))
    b0, dwi, adc = add_noise(painting.b0, painting.dwi, painting.filled, draw, canvas.noise)
    return replace(example, b0=b0, dwi=dwi, adc=adc.astype(np.float32))
