"""Training examples: a case in one orientation, in units of its own white matter.

What a case lacks is completed here, once, and said: ADC follows from b0 and DWI, b0 from DWI
and ADC; with DWI alone the ADC of each tissue is taken from the literature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort.case import Case, CaseFiles
from ..cohort.load import load_case
from ..errors import BadInputError
from ..progress import Progress, ProgressEvent
from ..schema import CLASS_COUNT, INTRACRANIAL, LESION, PARENCHYMA, classes_of
from .options import MapMaker
from .physics.assumed import ASSUMED_ADC, ASSUMED_LESION_ADC
from .signal import MAXIMUM_ADC, adc_from, b0_from

Array = npt.NDArray[Any]

#: White-matter voxels needed for the reference level; below, all of the parenchyma is taken.
_ENOUGH_WHITE_MATTER = 200


@dataclass(frozen=True)
class Example:
    """One case in RAS+ order.

    Parameters
    ----------
    labels
        uint8 classes without the lesion, (x, y, z).
    lesion
        Boolean.
    b0, dwi
        float32, in units of ``level``.
    adc
        float32 (10^-3 mm^2/s).
    spacing
        Of the array's axes (mm).
    level
        Median b0 of the white matter in the case's own units.
    stripped
        Whether everything outside the brain was set to zero.
    adc_assumed, b0_derived
        Whether ADC came from the literature, b0 from DWI and ADC.
    """

    name: str
    labels: Array
    lesion: Array
    b0: Array
    dwi: Array
    adc: Array
    spacing: tuple[float, float, float]
    b_value: float
    level: float
    stripped: bool
    adc_assumed: bool = False
    b0_derived: bool = False


def lookup(classes: Sequence[int]) -> Array:
    """Boolean table over class numbers: ``lookup(PARENCHYMA)[labels]`` is a mask."""
    table = np.zeros(256, bool)
    table[list(classes)] = True
    return table


IS_PARENCHYMA = lookup(PARENCHYMA)
IS_INTRACRANIAL = lookup(INTRACRANIAL)
IS_WHITE_MATTER = lookup(classes_of("white-matter"))


def check_labels(labels: Array, name: str) -> Array:
    """``labels`` as uint8.

    Raises
    ------
    BadInputError
        When they are not classes of the schema, or hold no brain.
    """
    whole = labels.dtype.kind in "biu" or np.array_equal(labels, np.rint(labels))
    if not whole or labels.min() < 0 or labels.max() >= CLASS_COUNT - 1:
        raise BadInputError(
            f"{name}: the semantic map holds values that are not tissue classes 0 to {LESION - 1}; "
            "make one with `strokesynth map`."
        )
    labels = labels.astype(np.uint8)
    if not IS_PARENCHYMA[labels].any():
        raise BadInputError(
            f"{name}: the semantic map shows no brain tissue; make one with `strokesynth map`."
        )
    return labels


def load_examples(
    cases: Sequence[CaseFiles], map_maker: MapMaker | None, progress: Progress
) -> list[Example]:
    """Read cases as examples, one after the other.

    Raises
    ------
    BadInputError
        When there is none, or one is unusable or lacks a map that cannot be made.
    """
    if not cases:
        raise BadInputError("No cases to train from; name a cohort with at least one case.")
    examples = []
    for number, files in enumerate(cases):
        progress(ProgressEvent("Reading cases", number, len(cases), files.name))
        examples.append(example_of(load_case(files), map_maker))
    progress(ProgressEvent("Reading cases", len(cases), len(cases)))
    return examples


def example_of(case: Case, map_maker: MapMaker | None = None) -> Example:
    """Bring one case to RAS+, complete it and scale it.

    Raises
    ------
    BadInputError
        When there is no map and none can be made, or no signal where the map shows tissue.
    """
    volume = case.semantic_map
    if volume is None:
        if map_maker is None:
            raise BadInputError(
                f"{case.name}: has no semantic map, and a translator learns from map and image; "
                "make maps with `strokesynth map` and name their folder with --maps."
            )
        volume = map_maker(case)
    labels = check_labels(volume.canonical().array, case.name)
    dwi = case.dwi.canonical()
    lesion = np.zeros(labels.shape, bool) if case.lesion is None else case.lesion.canonical().array > 0
    signal = np.maximum(dwi.array.astype(np.float32), 0.0)
    b0 = None if case.b0 is None else np.maximum(case.b0.canonical().array.astype(np.float32), 0.0)
    adc = None if case.adc is None else case.adc.canonical().array.astype(np.float32)
    assumed = adc is None and b0 is None
    if adc is None and b0 is not None:
        adc = adc_from(b0, signal, case.b_value)
    elif adc is None:
        adc = np.where(lesion, ASSUMED_LESION_ADC, ASSUMED_ADC[labels])
    derived = b0 is None
    adc = np.clip(np.asarray(adc, np.float32), 0.0, MAXIMUM_ADC)
    b0 = b0_from(signal, adc, case.b_value) if b0 is None else b0
    level = _level(b0, labels, lesion, case.name)
    outside = ~IS_INTRACRANIAL[labels]
    stripped = bool(outside.any() and np.mean(signal[outside] <= 1e-3 * level) > 0.9)
    return Example(
        case.name, labels, lesion, (b0 / level).astype(np.float32), (signal / level).astype(np.float32), adc,
        dwi.spacing, case.b_value, level, stripped, assumed, derived,
    )  # fmt: skip


def _level(b0: Array, labels: Array, lesion: Array, name: str) -> float:
    tissue = IS_WHITE_MATTER[labels] & ~lesion
    if tissue.sum() < _ENOUGH_WHITE_MATTER:
        tissue = IS_PARENCHYMA[labels] & ~lesion
    level = float(np.median(b0[tissue])) if tissue.any() else 0.0
    if level <= 0.0:
        raise BadInputError(
            f"{name}: the image shows no signal where its map shows brain; check that they fit together."
        )
    return level
