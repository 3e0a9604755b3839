"""What ``train translator --kind copypaste`` does: it stores the cases, with the effect of each lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cohort.case import CaseFiles
from ...cohort.load import load_case
from ...errors import BadInputError
from ...modelfolder import ModelFolder, save_model
from ...progress import Progress, ProgressEvent
from ...provenance import content_hash
from ..examples import example_of
from ..geometry import geometries
from ..options import TranslatorOptions
from ..physics.mixing import fit_case
from ..physics.model import SignalModel
from .alignment import to_standard
from .donor import Donor, donor_of
from .store import CaseFacts, LesionFacts, arrays_of

Array = npt.NDArray[Any]

#: Digits of a hash that name a case.
_CODE = 12
_NONE = np.zeros(0)
WARNING = (
    "THIS FOLDER HOLDS PATIENTS' IMAGES: DWI, ADC, b0, lesion masks and tissue maps of every training case, "
    "as they are. Protect it like the images themselves, do not pass it on as one would a trained network, "
    "and treat what is made with it as patient data, too."
)


def store_cases(
    cases: Sequence[CaseFiles], out: Path, options: TranslatorOptions, progress: Progress
) -> ModelFolder:
    """Read the cases, measure what their lesions do, and save both at ``out``.

    Raises
    ------
    BadInputError
        When there is no case, one is unusable, or none has a lesion that could be carried.
    """
    if not cases:
        raise BadInputError("No cases to train from; name a cohort with at least one case.")
    arrays: dict[str, Array] = {}
    facts, examples, fits = [], [], []
    persons: dict[str, str] = {}
    for number, files in enumerate(cases):
        progress(ProgressEvent("Measuring lesions", number, len(cases), files.name))
        case = load_case(files)
        example = example_of(case, options.map_maker)
        fit, residuals = fit_case(example)
        donor = donor_of(example, residuals)
        standard = to_standard(example.labels, example.spacing)
        code = content_hash(case.dwi)[:_CODE]
        # A person is named after the first case: a name could be guessed from its own hash.
        person = persons.setdefault(files.person, code)
        lesion = None if donor is None else _lesion_facts(donor, standard)
        affine = case.dwi.canonical().affine
        facts.append(CaseFacts(
            code, person, example.spacing, affine, example.level, example.b_value, standard, fit.blur_mm,
            bool(example.lesion.any()), example.adc_assumed, example.b0_derived, lesion,
        ))  # fmt: skip
        arrays |= arrays_of(number, example, donor)
        # Of so many cases the images are not needed again.
        examples.append(replace(example, lesion=_NONE, b0=_NONE, dwi=_NONE, adc=_NONE))
        fits.append(fit)
    progress(ProgressEvent("Measuring lesions", len(cases), len(cases)))
    if not any(case.lesion for case in facts):
        raise BadInputError(
            "None of the cases has a lesion in brain tissue: there is nothing to paste; name a cohort "
            "with lesions."
        )
    training = {
        "cases": [e.name for e in examples],
        "geometries": geometries(examples),
        "seed": options.seed,
        "with_lesion": sum(case.lesion is not None for case in facts),
        "without_lesion": sum(not case.with_lesion for case in facts),
        "adc_assumed_in": [e.name for e in examples if e.adc_assumed],
        "b0_derived_in": [e.name for e in examples if e.b0_derived],
        "warning": WARNING,
        **options.record_of_sources(),
    }
    config = {"cases": [case.config() for case in facts], "signal": SignalModel.from_fits(fits).to_config()}
    return save_model(
        out, kind="copypaste", config=config, training=training, arrays=arrays, card=_card(training, facts)
    )


def _lesion_facts(donor: Donor, standard: Array) -> LesionFacts:
    index = np.argwhere(donor.lesion).mean(0) + donor.start
    x, y, z, _ = standard @ [*index, 1.0]
    volume = float(donor.lesion.sum()) * float(np.prod(donor.spacing)) / 1000.0
    return LesionFacts(donor.start, volume, (float(x), float(y), float(z)))


def _card(training: dict[str, Any], facts: Sequence[CaseFacts]) -> str:
    volumes = sorted(case.lesion.volume_ml for case in facts if case.lesion is not None)
    assumed, derived = len(training["adc_assumed_in"]), len(training["b0_derived_in"])
    return (
        "# Translator `copypaste`\n\n"
        f"**{WARNING}**\n\n"
        "License: that of the images in it.\n\n"
        f"Holds {len(facts)} cases: {training['with_lesion']} with a lesion that can be carried "
        f"({volumes[0]:.2f} to {volumes[-1]:.1f} ml, median {float(np.median(volumes)):.1f} ml), "
        f"{training['without_lesion']} without a lesion. ADC was assumed from the literature in {assumed} "
        f"and b0 computed from DWI and ADC in {derived} of them.\n\n"
        "What it does: the effect of a real lesion (log ratio of b0 and ADC to the signal that its tissue "
        "would have\nif it were well) is carried into another person's real images, in the manner of "
        "CarveMix (Zhang et al., MICCAI 2021;\nNeuroImage 2023), with borders softened over the "
        "point-spread function. DWI follows by the signal equation. Nothing\nis trained: no steps, no "
        "losses.\n\n"
        "Known failures: it shows no anatomy and no scanner that its cases do not show; a mask much larger "
        "than every donor\nrepeats the donor's texture; swelling (mass effect) is not carried; where the "
        "expected signal of well tissue is\nwrong (hemorrhage, susceptibility at the skull base, old "
        "infarcts), the error travels with the lesion; the\nrecipient's noise stays and about a tenth is "
        "added to it; cases without a lesion are the patients' own, unchanged.\n\n"
        "For research use only. Not for diagnosis or treatment decisions.\n"
    )
