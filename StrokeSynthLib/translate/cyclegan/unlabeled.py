"""Examinations without map and mask: their intensities brought to the scale of the cases that have both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cohort.case import Case, CaseFiles
from ...cohort.load import load_case
from ...errors import BadInputError
from ...progress import Progress, ProgressEvent
from ...segment.filters import filled_slices, largest_component
from ..examples import Example
from ..signal import MAXIMUM_ADC, adc_from, b0_from

Array = npt.NDArray[Any]

#: ADC of tissue, neither fluid nor fat nor noise (10^-3 mm^2/s).
_TISSUE_ADC = (0.5, 1.0)
#: Of the bright end of b0, what tissue has at least; of white matter's b0, what a head has at least.
_LEAST_OF_BRIGHT, _LEAST_OF_HEAD = 0.2, 0.15
#: Empty voxels that say that an image is skull-stripped.
_EMPTY_SHARE = 0.3


@dataclass(frozen=True)
class Unlabeled:
    """One examination in RAS+ order; fields as in :class:`..examples.Example`.

    ``inside``: the voxels that are head (or brain, where it is skull-stripped).
    """

    name: str
    b0: Array
    dwi: Array
    adc: Array
    inside: Array
    stripped: bool
    spacing: tuple[float, float, float]
    b_value: float


def tissue_level(b0: Array, adc: Array) -> float:
    """Median b0 of what has the ADC of tissue; 0.0 where nothing has."""
    bright = float(np.percentile(b0[b0 > 0], 98)) if (b0 > 0).any() else 0.0
    tissue = (adc > _TISSUE_ADC[0]) & (adc < _TISSUE_ADC[1]) & (b0 > _LEAST_OF_BRIGHT * bright)
    return float(np.median(b0[tissue])) if tissue.sum() >= 100 else 0.0


def load_unlabeled(
    cases: Sequence[CaseFiles], examples: Sequence[Example], progress: Progress
) -> list[Unlabeled]:
    """Read examinations; ``examples`` say how white matter's level follows from that of all tissue.

    Raises
    ------
    BadInputError
        When one lacks ADC and b0, or shows no tissue.
    """
    levels = [tissue_level(e.b0, e.adc) for e in examples if not e.adc_assumed]
    known = [level for level in levels if level > 0]
    against_white_matter = float(np.median(known)) if known else 1.0
    result = []
    for number, files in enumerate(cases):
        progress(ProgressEvent("Reading examinations without maps", number, len(cases), files.name))
        result.append(unlabeled_of(load_case(files), against_white_matter))
    return result


def unlabeled_of(case: Case, against_white_matter: float) -> Unlabeled:
    """One examination in units of its white matter, whose b0 is that of all tissue by a known factor.

    Raises
    ------
    BadInputError
        As :func:`load_unlabeled` does.
    """
    dwi = np.maximum(case.dwi.canonical().array.astype(np.float32), 0.0)
    b0 = None if case.b0 is None else np.maximum(case.b0.canonical().array.astype(np.float32), 0.0)
    adc = None if case.adc is None else case.adc.canonical().array.astype(np.float32)
    if adc is None and b0 is None:
        raise BadInputError(
            f"{case.name}: has neither ADC nor b0, and without a map neither can be completed; leave it out "
            "of --unlabeled."
        )
    if adc is None:
        adc = adc_from(np.asarray(b0), dwi, case.b_value)
    adc = np.clip(np.asarray(adc, np.float32), 0.0, MAXIMUM_ADC)
    b0 = b0_from(dwi, adc, case.b_value) if b0 is None else b0
    level = tissue_level(b0, adc) / against_white_matter
    if level <= 0.0:
        raise BadInputError(
            f"{case.name}: shows nothing with the ADC of brain tissue; leave it out of --unlabeled."
        )
    b0, dwi = (b0 / level).astype(np.float32), (dwi / level).astype(np.float32)
    stripped = float(np.mean(dwi <= 1e-3)) > _EMPTY_SHARE
    inside = dwi > 1e-3 if stripped else _head(b0)
    return Unlabeled(case.name, b0, dwi, adc, inside, stripped, case.dwi.canonical().spacing, case.b_value)


def _head(b0: Array) -> Array:
    head = largest_component(b0 > _LEAST_OF_HEAD)
    return np.ones(b0.shape, bool) if head is None else filled_slices(head)
