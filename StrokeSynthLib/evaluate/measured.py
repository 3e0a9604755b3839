"""Everything that an audit needs of one case, small enough to keep for all cases at once (about 1.2 MB)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort.case import Case, CaseFiles
from ..cohort.identity import identity_of
from ..cohort.load import load_case
from ..volume import Volume
from .agreement import score
from .features import EXTRACTORS, Described, describe
from .lesion_shapes import LesionShape
from .realism import GROUPS, LESION_GROUP, LesionContrast, intensities_by_class, lesion_contrast
from .standard import StandardCase, Standardized, standardize

Array = npt.NDArray[Any]

#: Quantiles that stand for the intensities of a class.
_QUANTILES = np.linspace(0.005, 0.995, 100)


@dataclass(frozen=True)
class Measured:
    """One case.

    Parameters
    ----------
    name, person, synthetic
        As in its cohort.
    hash
        Of its files, see :func:`case_hash`.
    standard
        In standard space, half precision.
    shape
        Of its lesion; None without one.
    slices
        (slices, n) by extractor of :mod:`.features`.
    whole
        One vector a case by extractor.
    intensities
        Quantiles of DWI by class group (over the tissue's median), from the network's tissues.
    contrast
        Of the lesion against its surroundings.
    found
        Dice of what the shipped segmenter finds with the case's mask; NaN without a lesion.
    """

    name: str
    person: str
    synthetic: bool
    hash: str
    standard: StandardCase
    shape: LesionShape | None
    slices: dict[str, Array]
    whole: dict[str, Array]
    intensities: dict[str, Array]
    contrast: LesionContrast
    found: float


def case_hash(files: CaseFiles) -> str:
    """SHA-256 over the image files of a case (DWI, ADC, b0, lesion, map) and whether it says it is synthetic.

    Names and places do not count: a moved or renamed cohort is the same.
    """
    return identity_of(files).whole


def measure_case(files: CaseFiles, device: str = "auto", *, with_adc: bool = True) -> Measured:
    """Read one case and measure it.

    Raises
    ------
    BadInputError
        When a file of it is not usable.
    """
    case = load_case(files)
    described = describe(case, device, with_adc=with_adc)
    standard = standardize(case)
    shape = None
    if case.lesion is not None and case.lesion.array.any():
        shape = LesionShape.of(case.lesion, standard.pose)
    return Measured(
        files.name, files.person, files.synthetic, case_hash(files), halved(standard), shape,
        described.slices, {name: described.whole(name) for name in EXTRACTORS}, _intensities(case, described),
        lesion_contrast(replace(case, semantic_map=None)), _found(case, described),
    )  # fmt: skip


def halved(case: StandardCase) -> StandardCase:
    """With 16 bits a voxel."""
    channels = {
        name: Standardized(each.image.astype(np.float16), each.detail.astype(np.float16))
        for name, each in case.channels.items()
    }
    return StandardCase(channels, case.pose)


def _intensities(case: Case, described: Described) -> dict[str, Array]:
    if described.tissue is None:
        return {}
    frame = described.prepared.frame
    lesion = None
    if case.lesion is not None:
        lesion = Volume((frame.forward(case.lesion.array) > 0.5).astype(np.uint8), np.eye(4))
    image = Volume(described.prepared.dwi, np.eye(4))
    # Tissue is known without its side; one number for both is all that the groups need.
    try:
        found = intensities_by_class(image, Volume(described.tissue, np.eye(4)), lesion)
    except ValueError:
        return {}
    return {
        name: np.quantile(found[name], _QUANTILES).astype(np.float32)
        for name in (*GROUPS, LESION_GROUP)
        if name in found
    }


def _found(case: Case, described: Described) -> float:
    if case.lesion is None or not case.lesion.array.any():
        return float("nan")
    frame = described.prepared.frame
    reference = frame.forward(case.lesion.array) > 0.5
    return score(reference, described.lesion & described.prepared.brain, frame.spacing).dice
